"""Evidence of the running check: calls, rounding errors, Monte Carlo claims and mutants.

It is the input of the report and of the diagnosis of a failure. A process runs one check at a time.
"""

import functools
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis.errors import UnsatisfiedAssumption


class Declined(UnsatisfiedAssumption):
    """A call that the implementation does not answer: Hypothesis discards the example."""


# the last call of each method: its arguments, those by keyword, and its output
Calls = dict[str, tuple[tuple[Any, ...], dict[str, Any], Any]]

NOT_ANSWERED = (pytest.skip.Exception, Declined)  # by a check, and by an example of a property


@dataclass
class Evidence:
    """The evidence of one check."""

    calls: int = 0
    answered: set[str] = field(default_factory=set)  # methods that returned at least once
    declined: dict[str, str] = field(default_factory=dict)  # methods that did not, with a reason
    examples: int = 0  # that were compared
    discarded: int = 0  # examples in which a call was declined
    last: Calls = field(default_factory=dict)
    comparisons: int = 0
    worst: float = 0.0  # the largest |error| / allowance
    worst_at: str = ""
    claims: list[Any] = field(default_factory=list)  # of monte_carlo.Claim
    mutants: list[Any] = field(default_factory=list)  # with the property that killed each
    verdict: str = ""  # of a failed check
    effect: float | None = None  # the largest |error| of a failed comparison, relative to a number
    largest: Calls = field(default_factory=dict)

    @property
    def shown(self) -> Calls:
        """The last calls of the example with the largest effect, or of the last example."""
        return self.largest or self.last


_of: list[Evidence] = [Evidence()]


def start() -> Evidence:
    """Start the evidence of the next check, and return it."""
    return resume(Evidence())


def current() -> Evidence:
    """Return the evidence of the running check."""
    return _of[0]


def resume(seen: Evidence) -> Evidence:
    """Make this the evidence of the running check."""
    _of[0] = seen
    return seen


def record_answer(name: str) -> None:
    """Record that a method returned."""
    _of[0].answered.add(name)


def record_declined(name: str, why: str) -> None:
    """Record that the implementation does not answer a call."""
    _of[0].declined[name] = why


def count_examples(test: Any) -> None:
    """Let this property record each of its examples."""
    inner = test.hypothesis.inner_test
    if getattr(inner, "counts", False):  # cases of one test share it
        return

    @functools.wraps(inner)
    def one(*arguments: Any, **named: Any) -> None:
        try:
            inner(*arguments, **named)
        except Declined:
            _of[0].discarded += 1
            raise
        _of[0].examples += 1

    one.counts = True  # type: ignore[attr-defined]
    test.hypothesis.inner_test = one


@contextmanager
def example() -> Iterator[None]:
    """One of several examples of a check without Hypothesis; a declined call ends it alone."""
    try:
        yield
    except NOT_ANSWERED:
        _of[0].discarded += 1
        return
    _of[0].examples += 1


def record_call(name: str, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
    """Record a call of the implementation, for the diagnosis."""
    _of[0].calls += 1
    _of[0].last[name] = (arguments, named, output)


def record_comparison(what: str, where: object, error: Any, allowed: Any) -> None:
    """Record the comparison of a number with the exact one."""
    now = _of[0]
    now.comparisons += 1
    if error > now.worst * allowed:
        now.worst, now.worst_at = (float(error / allowed) if allowed else 1e300), f"{what} {where}"


def record_effect(error: float, size: float) -> None:
    """Record the error of a failed comparison, relative to the larger of the two numbers.

    Hypothesis reports the simplest example that fails, which may fail by little. The calls of the
    one with the largest effect say more about the cause; of several, they are the last.
    """
    now = _of[0]
    effect = error / size if 0 < size < math.inf else 1.0  # infinite or not a number
    if now.effect is None or effect >= now.effect:
        now.effect, now.largest = effect, dict(now.last)


def record_mutants(mutants: list[Any]) -> None:
    """Record mutants and the properties that killed them."""
    _of[0].mutants += mutants


def record_claim(claim: Any) -> None:
    """Record a Monte Carlo claim."""
    _of[0].claims.append(claim)
