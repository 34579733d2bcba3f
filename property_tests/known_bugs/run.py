"""Run the property that a known bug names, on the bug or on the correct implementation."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import Phase, settings

from ..adapters.ddpm_core import DdpmCore
from ..catalogue import arguments as arguments_of
from ..profiles import EXAMPLES
from ..statistics.monte_carlo import Ledger
from .registry import KnownBug

CAUGHT = (AssertionError, pytest.fail.Exception)


FEW = 5  # examples of the correct implementation; the suite itself runs all of them

_passed: set[str] = set()  # several bugs fail the same property


def run_property(bug: KnownBug) -> None:
    """Run the property on the wrong implementation."""
    run_property_on(bug.implementation, bug.caught_by, bug.arguments)


def run_on_correct_code(test_id: str, arguments: dict[str, Any]) -> None:
    """Run the property on the correct implementation, once for equal arguments."""
    key = repr((test_id, arguments))
    if key not in _passed:
        run_property_on(DdpmCore, test_id, arguments, FEW)
        _passed.add(key)


def run_property_on(
    implementation: type[DdpmCore], test_id: str, arguments: dict[str, Any], most: int = EXAMPLES
) -> None:
    """Call the test `file::name` of the suite on the given implementation.

    It has at most so many examples. The first that fails is not shrunk, because nobody reads it.
    """
    file, name = test_id.split("::")
    test = getattr(importlib.import_module(f"..{file.removesuffix('.py')}", __package__), name)
    extra = {"ledger": Ledger("known bugs")} if "ledger" in arguments_of(test) else {}
    with shortened(test, most):
        test(impl=implementation(), **arguments, **extra)


@contextmanager
def shortened(test: Any, most: int) -> Iterator[None]:
    """Limit the examples of a property, and let Hypothesis report the first that fails."""
    own = "_hypothesis_internal_use_settings"  # fixed when it was defined, without a public setter
    before: settings | None = getattr(test, own, None)
    if before is None:  # not a property of drawn examples
        yield
        return
    phases = [phase for phase in before.phases if phase is not Phase.shrink]
    examples = min(before.max_examples, most)
    setattr(test, own, settings(before, phases=phases, max_examples=examples))
    try:
        yield
    finally:
        setattr(test, own, before)
