"""Test statistics with exact null distributions: no limit theorems, no hand-set tolerances.

The claim is that u, of shape (n, *event), is standard normal with independent entries. Each finding
holds the exact probability, under that claim, of the observed statistic or a more extreme one.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from ..protocol import Array

CELLS = 64
CUTS = (3.0, 4.0, 5.0)  # without the cut at 3, clamping there would not be detected
_EDGES = np.sort([*special.ndtri(np.arange(1, CELLS) / CELLS), *CUTS, *np.negative(CUTS)])
_PROBABILITIES = np.diff(special.ndtr(_EDGES), prepend=0.0, append=1.0)


class Finding(NamedTuple):
    """The two-sided p-value of one statistic, and its effect in words."""

    name: str
    p: float
    effect: str


def standard_normal(u: Array) -> list[Finding]:
    """Test mean, variance, cells, sums along each axis, and disjoint pairs of rows."""
    blocks = [block_sums(u, axis) for axis in range(u.ndim) if u.shape[axis] > 1]
    return [mean(u), variance(u), cells(u), *blocks, pairs(u)]


def mean(u: Array) -> Finding:
    """Test the mean: sum(u) / sqrt(N) is standard normal."""
    z = float(u.sum()) / math.sqrt(u.size)
    return Finding("mean", two_sided_normal(z), f"mean off by {z / math.sqrt(u.size):+.3g} sigma")


def variance(u: Array) -> Finding:
    """Test the variance: sum(u^2) is chi-square with N degrees of freedom."""
    q = float((u * u).sum())
    low, high = (q / stats.chi2.ppf(p, u.size) for p in (1 - 5e-10, 5e-10))
    effect = (
        f"variance is {q / u.size:.3g} times the exact value "
        f"(99.9999999 % interval {low:.3g} to {high:.3g})"
    )
    return Finding("variance", two_sided_chi_square(q, u.size), effect)


def block_sums(u: Array, axis: int) -> Finding:
    """Test sums along an axis of length m: their variance is m, and up to m^2 for shared noise."""
    sums = u.sum(axis=axis) / math.sqrt(u.shape[axis])
    q = float((sums * sums).sum())
    effect = (
        f"sums along axis {axis} have {q / sums.size:.3g} times the variance of independent noise"
    )
    return Finding(f"block sums along axis {axis}", two_sided_chi_square(q, sums.size), effect)


def pairs(u: Array) -> Finding:
    """Test rows 0 and 1, 2 and 3, ...: sum(a b) / sqrt(sum(a^2)) is standard normal given a."""
    half = len(u) // 2 * 2
    return slope(u[1:half:2], u[0:half:2])._replace(name="pairs of rows")


def slope(r: Array, w: Array) -> Finding:
    """Test that r is independent of w: sum(r w) / sqrt(sum(w^2)) is standard normal given w."""
    square = float((w * w).sum())
    z = float((r * w).sum()) / math.sqrt(square)
    return Finding("slope", two_sided_normal(z), f"slope on the other {z / math.sqrt(square):+.3g}")


def cells(u: Array) -> Finding:
    """Test the counts in equiprobable cells and beyond 3, 4 and 5 sigma: each is binomial."""
    counts = np.bincount(np.searchsorted(_EDGES, u.ravel()), minlength=len(_PROBABILITIES))
    return binomials(counts, _PROBABILITIES, u.size)._replace(name="cells")


def binomials(counts: NDArray[np.int64], probabilities: Array, n: int) -> Finding:
    """Test counts that are Bin(n, p) each: the smallest p-value times their number."""
    tails = np.minimum(
        stats.binom.cdf(counts, n, probabilities), stats.binom.sf(counts - 1, n, probabilities)
    )
    worst = int(np.argmin(tails))
    effect = f"cell {worst} holds {counts[worst]} of {n}, {n * probabilities[worst]:.4g} expected"
    return Finding("counts", float(np.minimum(1.0, 2 * tails[worst] * len(tails))), effect)


def ties(noise: Array, unit_roundoff: float) -> Finding:
    """Test for equal numbers among N standard normals; noise of lower precision repeats values.

    Two of them are equal with probability at most the largest density times spacing, which is
    attained on [1, 2): 0.2420 * 2 u. This gives the expected number of equal pairs, and Markov's
    inequality the p-value.
    """
    _, counts = np.unique(noise, return_counts=True)
    equal = int((counts * (counts - 1) // 2).sum())
    expected = noise.size * (noise.size - 1) / 2 * 0.2420 * 2 * unit_roundoff
    p = float(np.minimum(1.0, expected / max(equal, expected)))
    return Finding("ties", p, f"{equal} pairs of equal numbers, {expected:.2g} expected")


def two_sided_normal(z: float) -> float:
    """Return P(|Z| >= |z|), without cancellation."""
    return float(special.erfc(abs(z) / math.sqrt(2)))


def two_sided_chi_square(q: float, degrees: int) -> float:
    """Return twice the smaller tail probability."""
    tails = special.gammainc(degrees / 2, q / 2), special.gammaincc(degrees / 2, q / 2)
    return float(np.minimum(1.0, 2 * np.minimum(*tails)))  # NumPy's minimum keeps a NaN


def power_of_mean(scalars: int, shift: float, alpha: float) -> float:
    """Return the two-sided power against a mean shifted by `shift` sigma, at significance alpha.

    Eq. statistics.power.
    """
    cut = -float(special.ndtri(alpha / 2))
    return float(
        special.ndtr(shift * math.sqrt(scalars) - cut)
    )  # without the far tail: a lower bound of the power


def power_of_variance(scalars: int, change: float, alpha: float) -> float:
    """Return the smaller power against a variance 1 + change or 1 - change times the exact one."""
    low, high = stats.chi2.ppf(alpha / 2, scalars), stats.chi2.isf(alpha / 2, scalars)
    return float(
        min(
            stats.chi2.sf(high / (1 + change), scalars),
            stats.chi2.cdf(low / (1 - change), scalars),
        )
    )
