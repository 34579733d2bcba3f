"""Each p-value, power and threshold compared with an independent calculation."""

import math

import numpy as np
import pytest
from scipy import stats

from ..statistics import monte_carlo, statistics
from ..statistics.monte_carlo import ALPHA_CLAIM, POWER, STATISTICS, Ledger, LedgerError
from ..statistics.statistics import Finding

U = np.float64([[[0.5, -1.0]], [[2.0, 0.25]], [[-0.75, 1.5]], [[0.1, -0.4]], [[1.2, 0.3]]])


def close(p: float, want: float) -> bool:
    """Compare the tails of two libraries, each accurate to about 1e-12."""
    return math.isclose(p, want, rel_tol=1e-9)


def both_tails(q: float, degrees: int) -> float:
    return min(1.0, 2 * min(stats.chi2.cdf(q, degrees), stats.chi2.sf(q, degrees)))


def test_sums_are_compared_with_their_distributions():
    assert close(statistics.mean(U).p, 2 * stats.norm.sf(abs(math.fsum(U.flat)) / 10**0.5))
    assert close(statistics.variance(U).p, both_tails(math.fsum(x * x for x in U.flat), 10))
    for axis, length in ((0, 5), (2, 2)):
        sums = [
            math.fsum(line) / length**0.5 for line in np.moveaxis(U, axis, -1).reshape(-1, length)
        ]
        want = both_tails(math.fsum(x * x for x in sums), 10 // length)
        assert close(statistics.block_sums(U, axis).p, want)


def test_rows_are_paired_and_an_odd_last_row_is_ignored():
    products = [b * a for i in (0, 2) for a, b in zip(U[i].flat, U[i + 1].flat, strict=True)]
    squares = [a * a for i in (0, 2) for a in U[i].flat]
    want = 2 * stats.norm.sf(abs(math.fsum(products)) / math.fsum(squares) ** 0.5)
    assert close(statistics.pairs(U).p, want)
    assert close(statistics.slope(U[1:4:2], U[0:4:2]).p, want)
    assert not close(statistics.slope(U[0:4:2], U[1:4:2]).p, want)


def test_block_sums_skip_axes_of_length_one():
    names = [each.name for each in statistics.standard_normal(U)]
    blocks = [f"block sums along axis {axis}" for axis in (0, 2)]
    assert names == ["mean", "variance", "cells", *blocks, "pairs of rows"]


@pytest.mark.parametrize("counts", [(0, 3, 4), (1, 3, 3), (4, 2, 1), (2, 5, 0)])
def test_binomial_tail_matches_enumeration(counts):
    """Compare with twice the smaller tail, times the number of cells, at most 1."""
    chances = (0.125, 0.375, 0.5)
    tails = []
    for count, chance in zip(counts, chances, strict=True):
        terms = [math.comb(7, k) * chance**k * (1 - chance) ** (7 - k) for k in range(8)]
        tails.append(min(math.fsum(terms[: count + 1]), math.fsum(terms[count:])))
    found = statistics.binomials(np.array(counts), np.array(chances), 7)
    assert close(found.p, min(1.0, 2 * 3 * min(tails)))


def test_ties_are_counted_in_pairs():
    """Count 3 + 1 pairs in three equal and two equal numbers, of the 21 pairs of 7 numbers."""
    noise = np.float64([1, 1, 1, 2, 2, 3, 4])
    density = stats.norm.pdf(1)  # the largest density times spacing, at 1: 0.2420 * 2 u
    found = statistics.ties(noise, 2.0**-20)
    assert math.isclose(found.p, 21 * density * 2 * 2.0**-20 / 4, rel_tol=1e-3)
    assert statistics.ties(noise, 0.25).p == pytest.approx(21 * density * 2 * 0.25 / 4, rel=1e-3)
    assert statistics.ties(np.arange(7.0), 2.0**-20).p == 1


@pytest.mark.parametrize("alpha", [1e-2, 1e-6])
def test_power_is_the_probability_beyond_the_threshold(alpha):
    cut = stats.norm.isf(alpha / 2)
    assert close(statistics.power_of_mean(400, 0.2, alpha), stats.norm.sf(cut - 0.2 * 20))
    low, high = stats.chi2.interval(1 - alpha, 400)
    up, down = stats.gamma(200, scale=2 * 1.2), stats.gamma(200, scale=2 * 0.8)
    for change, want in ((0.2, min(up.sf(high), down.cdf(low))),):
        assert math.isclose(statistics.power_of_variance(400, change, alpha), want, rel_tol=1e-6)
    down, up = stats.gamma(2, scale=2 * 0.5), stats.gamma(2, scale=2 * 1.5)
    low, high = stats.chi2.interval(1 - alpha, 4)
    want = min(up.sf(high), down.cdf(low))
    assert math.isclose(statistics.power_of_variance(4, 0.5, alpha), want, rel_tol=1e-6)


def test_claim_rejects_at_its_threshold_and_not_above():
    threshold = ALPHA_CLAIM / STATISTICS
    claim = Ledger("source").claim("equation", 0)
    claim.check([Finding("just above", np.nextafter(threshold, 1), "")])
    with pytest.raises(AssertionError, match="at the threshold"):
        claim.check([Finding("at the threshold", threshold, "")])


def test_power_is_computed_at_the_threshold_of_one_statistic():
    def powers(scalars: int, alpha: float) -> float:
        found = (statistics.power_of_mean, statistics.power_of_variance)
        return min(power(scalars, monte_carlo.MIN_EFFECT, alpha) for power in found)

    scalars = monte_carlo.SCALARS
    while powers(scalars, ALPHA_CLAIM / STATISTICS) >= POWER:
        scalars -= 100
    assert powers(scalars, ALPHA_CLAIM) >= POWER
    with pytest.raises(LedgerError, match="power"):
        Ledger("source").claim("equation", 0, scalars=scalars)


def test_seeds_fit_64_bit_generators():
    ledger = Ledger("source")
    seeds = [ledger.claim("equation", i).seed for i in range(20)]
    assert len(set(seeds)) == 20
    assert max(seeds) < 2**63
