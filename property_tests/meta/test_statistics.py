"""The statistics are calibrated under the null and reject every bad source of noise."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from ..protocol import Array
from ..statistics import monte_carlo, statistics
from ..statistics.monte_carlo import ALPHA_CLAIM, ALPHA_RUN, SCALARS, Ledger, LedgerError

SHAPE = (1870, 3, 5)  # 28,050 scalars: SCALARS in rows of an odd event


def normal(shape: tuple[int, ...] = SHAPE, seed: int = 0) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def rejected(u: Array) -> list[str]:
    """Return the statistics that reject u at their fraction of the alpha of a claim."""
    threshold = ALPHA_CLAIM / monte_carlo.STATISTICS
    return [each.name for each in statistics.standard_normal(u) if not each.p > threshold]


BAD: dict[str, tuple[Callable[[Array], Array], str]] = {
    "uniform of variance 1": (lambda u: np.sqrt(12) * (stats.norm.cdf(u) - 0.5), "cells"),
    "clamped at 3 sigma": (lambda u: u.clip(-3, 3), "cells"),
    "one noise for the batch": (lambda u: u[:1] + 0 * u, "block sums along axis 0"),
    "one noise for all channels": (lambda u: u[:, :1] + 0 * u, "block sums along axis 1"),
    "one noise along the width": (lambda u: u[..., :1] + 0 * u, "block sums along axis 2"),
    "every key used twice": (lambda u: u[np.arange(len(u)) // 2 * 2], "pairs of rows"),
    "variance 10 % too large": (lambda u: u * np.sqrt(1.1), "variance"),
    "variance 10 % too small": (lambda u: u * np.sqrt(0.9), "variance"),
    "mean 0.1 sigma too high": (lambda u: u + 0.1, "mean"),
    "mean 0.1 sigma too low": (lambda u: u - 0.1, "mean"),
    "heavy tails (t, 8 degrees)": (
        lambda u: stats.t.ppf(stats.norm.cdf(u), 8) * 0.75**0.5,
        "cells",
    ),
    "one value is not a number": (lambda u: np.where(u == u.max(), np.nan, u), "mean"),
}


@pytest.mark.parametrize("kind", BAD)
def test_bad_noise_is_detected(kind):
    distort, statistic = BAD[kind]
    assert statistic in rejected(distort(normal()))


def test_good_noise_passes():
    assert rejected(normal()) == []


def test_half_precision_noise_is_detected_by_ties():
    threshold = ALPHA_CLAIM / monte_carlo.STATISTICS
    noise = normal()
    assert statistics.ties(noise, 2.0**-53).p > threshold
    assert statistics.ties(noise.astype(np.float16).astype(float), 2.0**-53).p < threshold


def test_correlated_residual_is_detected():
    w = normal(seed=1)
    correlated = (normal() + 0.1 * w) / np.sqrt(1.01)
    assert statistics.slope(correlated, w).p < ALPHA_CLAIM / monte_carlo.STATISTICS
    assert statistics.slope(normal(), w).p > 1e-6


def test_unequal_counts_are_detected():
    n, fair = 28_000, np.full(4, 0.25)
    loaded = (n * np.float64([0.25, 0.25, 0.225, 0.275])).astype(np.int64)
    assert statistics.binomials(loaded, fair, n).p < 1e-10
    assert statistics.binomials(np.full(4, n // 4), fair, n).p == 1


def test_p_values_are_uniform_under_the_null():
    """P(p <= 0.01) = 0.01 for each statistic; cells and counts are conservative.

    2,000 replicates: the number below 0.01 is Bin(2000, 0.01), tested at 1e-9 per side.
    """
    replicates, level = 2000, 0.01
    low, high = (stats.binom.ppf(q, replicates, level) for q in (1e-9, 1 - 1e-9))
    rng = np.random.default_rng(0)
    small: dict[str, int] = {}
    for _ in range(replicates):
        u = rng.standard_normal((16, 4, 5))
        w = rng.standard_normal(u.shape)
        for each in [*statistics.standard_normal(u), statistics.slope(u, w)]:
            small[each.name] = small.get(each.name, 0) + (each.p <= level)
    assert small.pop("cells") <= high
    assert all(low <= count <= high for count in small.values()), small


@pytest.mark.parametrize("scalars", [1000, 28_000])
@pytest.mark.parametrize("effect", [0.05, 0.2])
def test_declared_power_matches_measured_power(scalars, effect):
    """Use an alpha where the power is neither 0 nor 1, and 4,000 exact replicates."""
    alpha, replicates = 1e-3, 4000
    rng = np.random.default_rng(1)
    z = rng.standard_normal(replicates) + effect * np.sqrt(scalars)
    hits = sum(statistics.two_sided_normal(each) <= alpha for each in z)
    assert agree(hits, replicates, statistics.power_of_mean(scalars, effect, alpha))
    powers = []
    for ratio in (1 + effect, 1 - effect):
        q = ratio * rng.chisquare(scalars, replicates)
        powers.append(sum(statistics.two_sided_chi_square(each, scalars) <= alpha for each in q))
    assert agree(min(powers), replicates, statistics.power_of_variance(scalars, effect, alpha))


def agree(hits: int, n: int, p: float) -> bool:
    tails = stats.binom.cdf(hits, n, p), stats.binom.sf(hits - 1, n, p)
    return min(tails) > 1e-9


# --- the ledger ----------------------------------------------------------------------------------


def test_ledger_refuses_to_overspend():
    ledger = Ledger("source")
    allowed = round(ALPHA_RUN / ALPHA_CLAIM)
    for i in range(allowed):
        ledger.claim("equation", i)
    with pytest.raises(LedgerError, match="spend"):
        ledger.claim("equation", "one too many")


def test_claim_without_enough_power_is_refused():
    with pytest.raises(LedgerError, match="power"):
        Ledger("source").claim("equation", 0, scalars=SCALARS // 2)
    with pytest.raises(LedgerError, match="power"):
        Ledger("source").claim("equation", 0, min_effect=0.05)


def test_shrinking_after_a_rejection_spends_no_alpha():
    """Shrinking searches for a smaller example of the same rejection."""
    ledger = Ledger("source")
    with pytest.raises(AssertionError, match=r"variance is 3\.96 times the exact value"):
        ledger.claim("equation", 0).check(statistics.standard_normal(2 * normal()))
    before = ledger.spent
    ledger.claim("equation", 1)
    assert ledger.spent == before == ALPHA_CLAIM


def test_noise_is_keyed_by_claim_example_source_and_epoch():
    def drawn(source: str, equation: str, example: object, epoch: str = "0") -> tuple:
        claim = Ledger(source, epoch).claim(equation, example)
        return (*claim.rng.standard_normal(4), claim.seed)

    base = drawn("source", "equation", (1, 2))
    assert base == drawn("source", "equation", (1, 2))
    others = [("other", "equation", (1, 2)), ("source", "other", (1, 2)), ("source", "equation", 3)]
    different = [*(drawn(*each) for each in others), drawn("source", "equation", (1, 2), "1")]
    assert len({base, *different}) == 5


def test_too_many_statistics_for_one_claim_are_refused():
    claim = Ledger("source").claim("equation", 0)
    with pytest.raises(LedgerError, match="share an alpha"):
        claim.check([statistics.mean(normal())] * (monte_carlo.STATISTICS + 1))
