"""Answers element by element: exact numbers, and the roundings allowed in each."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...options.denoisers import Bounded
from ...oracles.exact import Value, kappa, mpf
from ...protocol import Array, Betas, Times
from ...statistics.tolerances import allowance

At = tuple[int, ...]


@dataclass(frozen=True)
class Answers:
    """An array of exact numbers, each computed when it is needed."""

    shape: tuple[int, ...]
    answer: Callable[[At], Bounded]

    def rows(self, which: Sequence[int] | None) -> NDArray[np.object_]:
        """Return the numbers of these rows, or of all."""
        rows = range(self.shape[0]) if which is None else which
        found = np.empty((len(rows), *self.shape[1:]), object)
        for where in np.ndindex(found.shape):
            found[where] = self.answer((rows[where[0]], *where[1:]))
        return found


def each(like: Any, answer: Callable[[At], Bounded]) -> Answers:
    """Return the answers at every index of an array."""
    return Answers(np.shape(like), answer)


def within(value: Value, kappa: mpf) -> Bounded:
    """Return a value whose error is 8 u kappa times its size. Eq. rounding.kappa."""
    return Bounded(value.exact, allowance(1.0, kappa) * value.size)


def at_pairs(betas: Betas, s: Times, t: Times, like: Array, value: Callable[..., Value]) -> Answers:
    """Return value(where, s, t) at every index, with the kappa of its pair."""

    def answer(where: At) -> Bounded:
        low, high = int(s[where[0]]), int(t[where[0]])
        return within(value(where, low, high), kappa(betas, low, high))

    return each(like, answer)
