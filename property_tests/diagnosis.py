"""Which known bug gives the very answers that a failing check was given."""

from typing import Any

import numpy as np

from .evidence import Evidence

NEAR = 1e-3  # of the distance to the right answer: a hint for the reader, no verdict


def looks_like(seen: Evidence) -> list[str]:
    """A sentence for each known bug whose answers to the last calls are those that were given."""
    from .adapters.ddpm_core import DdpmCore  # what is tested need not have torch
    from .known_bugs import BUGS

    sentences = []
    for bug in BUGS:
        for name, (arguments, named, answer) in seen.last.items():
            if name in vars(bug.implementation):
                theirs = _answer(bug.implementation(), name, arguments, named)
                right = _answer(DdpmCore(), name, arguments, named)
                if _distance(answer, theirs) < NEAR * _distance(answer, right):
                    sentences.append(f"{name} answers as {bug.id} does ({bug.where}): {bug.what}")
    return sentences


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
