"""Run the property that a known bug names, on the bug or on the right implementation."""

import importlib
from typing import Any

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..catalogue import arguments as arguments_of
from ..statistics.monte_carlo import Ledger
from .registry import KnownBug

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
