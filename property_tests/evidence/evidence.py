"""Evidence of the running check: calls, rounding errors, Monte Carlo claims and mutants.

It is the input of the report and of the diagnosis of a failure. A process runs one check at a time.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Evidence:
    """The evidence of one check."""

    calls: int = 0
    last: dict[str, tuple[tuple[Any, ...], dict[str, Any], Any]] = field(default_factory=dict)
    comparisons: int = 0
    worst: float = 0.0  # the largest |error| / allowance
    worst_at: str = ""
    claims: list[Any] = field(default_factory=list)  # of monte_carlo.Claim
    mutants: list[Any] = field(default_factory=list)  # with the property that killed each


_of: list[Evidence] = [Evidence()]


def start() -> Evidence:
    """Start the evidence of the next check, and return it."""
    _of[0] = Evidence()
    return _of[0]


def record_call(name: str, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
    """Record a call of the implementation."""
    _of[0].calls += 1
    _of[0].last[name] = (arguments, named, output)


def record_comparison(what: str, where: object, error: Any, allowed: Any) -> None:
    """Record the comparison of a number with the exact one."""
    now = _of[0]
    now.comparisons += 1
    if error > now.worst * allowed:
        now.worst, now.worst_at = (float(error / allowed) if allowed else 1e300), f"{what} {where}"


def record_mutants(mutants: list[Any]) -> None:
    """Record mutants and the properties that killed them."""
    _of[0].mutants += mutants


def record_claim(claim: Any) -> None:
    """Record a Monte Carlo claim."""
    _of[0].claims.append(claim)
