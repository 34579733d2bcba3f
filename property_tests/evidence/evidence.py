"""What the running check has seen: calls, errors against what rounding allows, and claims.

The report is made of it, and so is the diagnosis of a failure. A process runs one check at a time.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Evidence:
    """Of one check."""

    calls: int = 0
    last: dict[str, tuple[tuple[Any, ...], dict[str, Any], Any]] = field(default_factory=dict)
    comparisons: int = 0
    worst: float = 0.0  # the largest |error| / allowed
    worst_at: str = ""
    claims: list[Any] = field(default_factory=list)  # of monte_carlo.Claim
    planted: list[Any] = field(default_factory=list)  # mutants, and what killed each


_of: list[Evidence] = [Evidence()]


def start() -> Evidence:
    """Forget the check before; returns what the next one will fill."""
    _of[0] = Evidence()
    return _of[0]


def called(name: str, arguments: tuple[Any, ...], named: dict[str, Any], answer: Any) -> None:
    """The implementation was asked, and answered."""
    _of[0].calls += 1
    _of[0].last[name] = (arguments, named, answer)


def compared(what: str, where: object, error: Any, allowed: Any) -> None:
    """A number was held against the exact one."""
    now = _of[0]
    now.comparisons += 1
    if error > now.worst * allowed:
        now.worst, now.worst_at = (float(error / allowed) if allowed else 1e300), f"{what} {where}"


def planted(mutants: list[Any]) -> None:
    """Mutants were planted in the library, and attacked."""
    _of[0].planted += mutants


def claimed(claim: Any) -> None:
    """A Monte Carlo claim was registered."""
    _of[0].claims.append(claim)
