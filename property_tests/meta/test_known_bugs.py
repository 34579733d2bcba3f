"""Every known bug turns the property that names it red; every look-alike leaves it green."""

import importlib
from typing import Any

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..catalogue import arguments as arguments_of
from ..known_bugs import BUGS, LOOK_ALIKES, KnownBug
from ..known_bugs.readme import PAGE, page, written
from ..monte_carlo import Ledger


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_a_known_bug_is_caught(bug: KnownBug):
    with pytest.raises(CAUGHT):
        attack(bug)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_what_catches_it_is_green_without_it(bug: KnownBug):
    """Otherwise the failure above would say nothing of the bug."""
    attack(bug, right=True)


@pytest.mark.parametrize("alike", LOOK_ALIKES, ids=lambda bug: bug.id)
def test_a_look_alike_is_left_alone(alike: KnownBug):
    attack(alike)


def test_the_table_is_up_to_date():
    stands = PAGE.read_text(encoding="utf-8")
    assert stands == page(written()), "run python -m property_tests.known_bugs.readme"
    assert {bug.id for bug in BUGS} == {name for name, effect in written().items() if effect}


CAUGHT = (AssertionError, pytest.fail.Exception)


def attack(bug: KnownBug, right: bool = False) -> None:
    """Run the property on the wrong implementation, or on the right one."""
    attack_with(DdpmCore if right else bug.implementation, bug.caught_by, bug.arguments)


def attack_with(implementation: type[DdpmCore], test_id: str, arguments: dict[str, Any]) -> None:
    """Call the test file::name of the suite on an implementation of our choice."""
    file, name = test_id.split("::")
    test = getattr(importlib.import_module(f"..{file.removesuffix('.py')}", __package__), name)
    more = {"ledger": Ledger("known bugs")} if "ledger" in arguments_of(test) else {}
    test(impl=implementation(), **arguments, **more)
