"""Diagnosis of a failing check: known bugs that give the same outputs."""

from typing import Any

import numpy as np

from .evidence import Evidence

NEAR = 1e-3  # of the distance to the correct output: a hint for the reader, not a verdict
ROUNDING = (
    "no wrong formula: the outputs are correct except for their last digits. 1 - alpha_bar from a "
    "running product loses them at small t; -expm1 of a running sum of log1p(-beta) does not"
)


def similar_bugs(seen: Evidence, unit_roundoff: float) -> list[str]:
    """Return a sentence for each known bug that gives the same outputs to the last calls.

    Errors of at most half the digits are reported as rounding errors instead.
    """
    from ..adapters.ddpm_core import DdpmCore  # the implementation under test need not have torch
    from ..known_bugs import BUGS

    sentences = []
    if seen.worst > 1 and _is_rounding(seen, unit_roundoff, DdpmCore()):
        return [ROUNDING]
    for bug in BUGS:
        for name, (arguments, named, output) in seen.last.items():
            if name in vars(bug.implementation):
                theirs = _output(bug.implementation(), name, arguments, named)
                exact = _output(DdpmCore(), name, arguments, named)
                if _distance(output, theirs) < NEAR * _distance(output, exact):
                    sentences.append(f"{name} has the output of {bug.id} ({bug.where}): {bug.what}")
    return sentences


def _is_rounding(seen: Evidence, unit_roundoff: float, correct: Any) -> bool:
    """Whether all last outputs have half of their digits correct, and some are not exact."""
    errors = []
    for name, (arguments, named, output) in seen.last.items():
        want = _output(correct, name, arguments, named)
        if want is not None:
            largest = max(float(np.abs(each).max(initial=0.0)) for each in _parts(want))
            errors.append(_distance(output, want) / max(largest, 1e-300))
    return bool(errors) and 0 < max(errors) < unit_roundoff**0.5


def _output(implementation: Any, name: str, arguments: tuple[Any, ...], named: dict) -> Any:
    try:
        return getattr(implementation, name)(*arguments, **named)
    except Exception:  # a bug that raises does not give this output
        return None


def _distance(a: Any, b: Any) -> float:
    """Return the largest difference of two outputs; infinity if their types or shapes differ."""
    try:
        pairs = list(zip(_parts(a), _parts(b), strict=True))
        return max(float(np.abs(x - y).max(initial=0.0)) for x, y in pairs)
    except (TypeError, ValueError):
        return float("inf")


def _parts(output: Any) -> list[np.ndarray]:
    parts = output if isinstance(output, tuple) else (output,)
    return [np.asarray(each, np.float64) for each in parts]
