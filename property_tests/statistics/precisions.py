"""Exact comparisons in every precision: coefficients in float64, samples in their own dtype.

In float64 an error is within 8 u kappa times the terms' size (tolerances.py). Samples of another
dtype add three roundings of the dtype they are computed with, in which the coefficients are cast,
multiplied and added, (1 + v)^3 - 1 <= 4 v (Eq. rounding.samples), and the last cast to half
precision.
"""

from contextlib import suppress
from typing import Any, NamedTuple

from ..evidence.evidence import NOT_ANSWERED
from ..oracles.exact import Value, mpf
from ..protocol import PRECISIONS, Array, Implementation, Precision
from .tolerances import allowance, check


class At(NamedTuple):
    """An implementation for samples of one precision, its own if None."""

    precision: Precision | None
    impl: Any  # of protocol.Implementation

    def check(
        self,
        what: str,
        where: tuple[int, ...],
        got: Array,
        value: Value,
        kappa: mpf,
        times: int = 1,
    ) -> None:
        """Fail unless got[where] is `value` up to the roundings of this precision.

        `times` is the number of such errors that add up. NaN fails, and so does an infinity unless
        the exact number is beyond the dtype's range.
        """
        name = f" ({self.precision.name})" if self.precision else ""
        allowed = self.allowed(value, kappa, times)
        if self.precision and abs(value.exact) + allowed >= self.precision.largest:
            return  # may be infinite
        check(f"{what}{name}", where, got, value.exact, allowed)

    def check_sum(
        self, what: str, where: tuple[int, ...], got: Array, exact: mpf, roundings: int
    ) -> None:
        """Fail unless got[where] is `exact`, a sum of positive terms, up to so many roundings.

        Half precision is summed in float32, and the sum is not cast back.
        """
        name = f" ({self.precision.name})" if self.precision else ""
        unit = self.precision.computing if self.precision else self.impl.unit_roundoff
        smallest = self.precision.smallest if self.precision else 0.0
        check(f"{what}{name}", where, got, exact, roundings * (mpf(unit) * exact + mpf(smallest)))

    def allowed(self, value: Value, kappa: mpf, times: int = 1) -> mpf:
        """Return the error that `check` allows."""
        allowed = allowance(self.impl.unit_roundoff, kappa, times) * value.size
        if self.precision is None:
            return allowed
        _, computing, rounding, smallest, _ = self.precision
        if kappa:  # at kappa = 0 nothing is computed
            allowed += times * 4 * mpf(computing) * value.size
        if rounding > computing:
            allowed += mpf(rounding) * (abs(value.exact) + allowed)
        return allowed + mpf(smallest)


def in_each_precision(impl: Implementation) -> list[At]:
    """Return the implementation, and the same for samples of each precision that it offers."""
    found = [At(None, impl)]
    for precision in PRECISIONS:
        # not offered, by the adapter itself or by one that is checked
        with suppress(NotImplementedError, *NOT_ANSWERED):
            found.append(At(precision, impl.in_precision(precision.name)))
    return found
