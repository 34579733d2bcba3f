"""Which known bug gives the very answers that a failing check was given."""

from typing import Any

import numpy as np

from .evidence import Evidence

NEAR = 1e-3  # of the distance to the right answer: a hint for the reader, no verdict
ROUNDING = (
    "no wrong formula: the answers are right but for their last digits. 1 - alpha_bar from a "
    "running product loses them at small t; -expm1 of a running sum of log1p(-beta) keeps them"
)


def looks_like(seen: Evidence, unit_roundoff: float) -> list[str]:
    """A sentence for each known bug whose answers to the last calls are those that were given.

    Errors of half the digits or fewer are called what they are: lost digits.
    """
    from ..adapters.ddpm_core import DdpmCore  # what is tested need not have torch
    from ..known_bugs import BUGS

    sentences = []
    if seen.worst > 1 and _is_rounding(seen, unit_roundoff, DdpmCore()):
        return [ROUNDING]
    for bug in BUGS:
        for name, (arguments, named, answer) in seen.last.items():
            if name in vars(bug.implementation):
                theirs = _answer(bug.implementation(), name, arguments, named)
                right = _answer(DdpmCore(), name, arguments, named)
                if _distance(answer, theirs) < NEAR * _distance(answer, right):
                    sentences.append(f"{name} answers as {bug.id} does ({bug.where}): {bug.what}")
    return sentences


def _is_rounding(seen: Evidence, unit_roundoff: float, right: Any) -> bool:
    """Whether every last answer has the first half of its digits right, and some are not exact."""
    shares = []
    for name, (arguments, named, answer) in seen.last.items():
        wanted = _answer(right, name, arguments, named)
        if wanted is not None:
            largest = max(float(np.abs(each).max(initial=0.0)) for each in _parts(wanted))
            shares.append(_distance(answer, wanted) / max(largest, 1e-300))
    return bool(shares) and 0 < max(shares) < unit_roundoff**0.5


def _answer(implementation: Any, name: str, arguments: tuple[Any, ...], named: dict) -> Any:
    try:
        return getattr(implementation, name)(*arguments, **named)
    except Exception:  # a bug that refuses the call does not give this answer
        return None


def _distance(a: Any, b: Any) -> float:
    """The largest difference between two answers; infinite where they are not alike in kind."""
    try:
        pairs = list(zip(_parts(a), _parts(b), strict=True))
        return max(float(np.abs(x - y).max(initial=0.0)) for x, y in pairs)
    except (TypeError, ValueError):
        return float("inf")


def _parts(answer: Any) -> list[np.ndarray]:
    parts = answer if isinstance(answer, tuple) else (answer,)
    return [np.asarray(each, np.float64) for each in parts]
