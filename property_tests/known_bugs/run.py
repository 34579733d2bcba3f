"""Run the property that a known bug names, on the bug or on the correct implementation."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import Phase, settings

from ..adapters.ddpm_core import DdpmCore
from ..catalogue import arguments as arguments_of
from ..statistics.monte_carlo import Ledger
from .registry import KnownBug

CAUGHT = (AssertionError, pytest.fail.Exception)


def run_property(bug: KnownBug, correct: bool = False) -> None:
    """Run the property on the wrong implementation, or on the correct one."""
    run_property_on(DdpmCore if correct else bug.implementation, bug.caught_by, bug.arguments)


def run_property_on(
    implementation: type[DdpmCore], test_id: str, arguments: dict[str, Any]
) -> None:
    """Call the test `file::name` of the suite on the given implementation, without shrinking."""
    file, name = test_id.split("::")
    test = getattr(importlib.import_module(f"..{file.removesuffix('.py')}", __package__), name)
    extra = {"ledger": Ledger("known bugs")} if "ledger" in arguments_of(test) else {}
    with without_shrinking(test):
        test(impl=implementation(), **arguments, **extra)


@contextmanager
def without_shrinking(test: Any) -> Iterator[None]:
    """Let Hypothesis report the first failing example of `test`, because nobody reads it here."""
    own = "_hypothesis_internal_use_settings"  # fixed when it was defined, without a public setter
    before: settings | None = getattr(test, own, None)
    if before is None:  # not a property of drawn examples
        yield
        return
    phases = [phase for phase in before.phases if phase is not Phase.shrink]
    setattr(test, own, settings(before, phases=phases))
    try:
        yield
    finally:
        setattr(test, own, before)
