"""The variational bound: its terms, their sum where it is known, and unbiased estimates of it."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mpmath import mpf as number

from .chains.steep_paths import DATA, paths
from .options.terms import decoder_of
from .oracles import bound, exact
from .oracles.exact import kappa, mp, mpf
from .protocol import ANCESTRAL, Array, Betas, Gaussian, Implementation, Times
from .statistics.monte_carlo import Ledger
from .statistics.statistics import binomials, standard_normal
from .statistics.tolerances import check
from .strategies import STEEP, STEEP_GRID

ORACLE = "densities in 60 digits, averaged by quadratures that are exact for them"

# Standard normal numbers at the nodes of an exact quadrature: each row has one pair of signs, of
# the data and of the noise.
Z = np.float64([[-1, -1], [-1, 1], [1, -1], [1, 1]])
X_0 = np.stack([float(data.mean) + math.sqrt(data.var) * Z[:, 0] for data in DATA], axis=1)
NOISE = np.stack([Z[:, 1]] * len(DATA), axis=1)


class Exact:
    """The exact reverse kernels of the data, which give the tightest bound."""

    def __init__(self, betas: Betas) -> None:
        self.betas = betas

    def __call__(self, x_t: Array, s: Times, t: Times) -> Gaussian:
        low, high = int(s[0]), int(t[0])
        steps = [bound.exact_reverse(data, self.betas, low, high) for data in DATA]
        rows = [[step.at(mpf(x)) for step, x in zip(steps, row, strict=True)] for row in x_t]
        return Gaussian(*(np.float64([[each[i] for each in row] for row in rows]) for i in (0, 1)))


def terms_of(impl: Implementation, betas: Betas, times: tuple[int, ...], reverse: object) -> Array:
    """Return the exact mean of each term, (len(times),)."""
    noises = [NOISE] * (len(times) - 1)
    return impl.vlb_terms(betas, X_0, reverse, noises, None, times).mean(axis=1)


def roundings(betas: Betas, times: tuple[int, ...], means: list[mpf]) -> mpf:
    """Return the error allowed in the sum of the terms, in units of roundoff.

    Coefficients and variances have errors of 8 kappa. A term with the divergence x - log(1 + x) and
    distance D has an error of 3 * 8 kappa (1 + D) from them, and 8 size sqrt(D / var) from rounding
    two nearly equal means of the size of the samples, at most 5.
    """
    total = mpf(16)
    for (s, t), mean in zip(pairwise(reversed(times)), means, strict=False):
        var = exact.posterior(betas, 0.0, 0.0, s, t).var
        var = var if s else min(bound.exact_reverse(data, betas, s, t).var for data in DATA)
        size = 1 + abs(mean)
        total += 24 * kappa(betas, s, t) * size + 40 * mp.sqrt(size / var)
    return total


@given(case=paths)
@example(case=(STEEP, (4, 3, 2, 1, 0)))
@example(case=((0.5,) * 6, (6, 4, 1, 0)))
def test_exact_reverse_process_gives_entropy_plus_prior_term(impl: Implementation, case):
    """Eq. likelihood.term and likelihood.prior, with the exact reverse kernels; to 1e-12.

    The mean of the bound is the entropy of the data plus the divergence of x_T from noise.
    """
    betas, times = case
    got = terms_of(impl, betas, times, Exact(betas))
    last = bound.Gaussian(mpf(0), mpf(1))
    want = sum(
        bound.entropy(data) + bound.divergence(bound.marginal(data, betas, times[0]), last)
        for data in DATA
    )
    unit = impl.unit_roundoff * roundings(betas, times, [abs(mpf(x)) for x in got])
    check("bound", (0,), got.sum()[None], want, unit)
    if betas in STEEP_GRID and impl.unit_roundoff < 1e-15:
        assert abs(mpf(float(got.sum())) - want) <= number("1e-12"), (
            "the bound is off by over 1e-12"
        )


@pytest.mark.parametrize("variance", ANCESTRAL)
@given(case=paths)
@example(case=(STEEP, (4, 3, 2, 1, 0)))
@example(case=(STEEP, (3, 1, 0)))
def test_each_term_is_a_kl_or_a_decoder_likelihood(impl: Implementation, variance, case):
    """Eq. losses.split with the wrong prediction 0.25 x_t, for each sample.

    Each term is derived from the posterior by Bayes' rule; the last term is the prior's, the first
    the decoder's density.
    """
    betas, times = case
    evaluated: list[int] = []
    convention = decoder_of(impl, variance)

    def denoiser(x_t: Array, t: int) -> Array:
        evaluated.append(t)
        return 0.25 * x_t

    noises = [NOISE] * (len(times) - 1)
    got = impl.vlb_of_denoiser(betas, variance, X_0, denoiser, noises, None, times)
    assert sorted(evaluated, reverse=True) == [*times[:-1]], f"evaluated at {evaluated}"
    for i, (s, t) in enumerate(pairwise(reversed(times))):
        scale, var_t = exact.kernel(betas, 0, t)
        for row, (x_0, noise) in enumerate(zip(X_0, NOISE, strict=True)):
            want, size = mpf(0), mpf(0)
            for x, z in zip(x_0, noise, strict=True):
                x_t = scale * mpf(x) + mp.sqrt(var_t) * mpf(z)
                back = exact.posterior(betas, 0.25 * x_t, x_t, s, t)
                var, of_var = exact.reverse_variance(betas, variance, convention, s, t)
                prediction = bound.Gaussian(back.mean.exact, var)
                true = exact.posterior(betas, float(x), x_t, s, t)
                posterior = bound.Gaussian(true.mean.exact, true.var)
                decoded = -bound.log_density(prediction, mpf(x))
                each = bound.divergence(posterior, prediction) if s else decoded
                want, size = want + each, size + 1 + abs(each)
            least = var if s == 0 else min(var, true.var)
            unit = 24 * max(kappa(betas, s, t), of_var) * size + 40 * mp.sqrt(size / least)
            check(f"L_{s}", (i, row), got, want, impl.unit_roundoff * unit)
    scale, var = exact.kernel(betas, 0, times[0])
    for row, x_0 in enumerate(X_0):
        noise = bound.Gaussian(mpf(0), mpf(1))
        want = sum(bound.divergence(bound.Gaussian(scale * mpf(x), var), noise) for x in x_0)
        unit = 16 * kappa(betas, 0, times[0]) * (2 + abs(want))
        check("L_T", (len(times) - 1, row), got, want, impl.unit_roundoff * unit)


def optimal(betas: Betas, impl: Implementation, variance: str) -> object:
    """Return reverse kernels with the optimal prediction of the data."""

    def reverse(x_t: Array, s: Times, t: Times) -> Gaussian:
        prediction = Exact(betas)(x_t, 0 * s, t).mean
        return impl.reverse_kernel(betas, variance, prediction, x_t, s, t)

    return reverse


@pytest.mark.parametrize("variance", ANCESTRAL)
@given(case=paths)
@example(case=(STEEP, (4, 3, 2, 1, 0)))
def test_fixed_variance_term_has_its_closed_form_mean(impl: Implementation, variance, case):
    """Eq. likelihood.fixed: with the optimal prediction and the variance v, the mean of a term.

    It is the divergence of two Gaussians with these variances plus coef^2 Var[x_0 | x_t] / (2 v),
    where coef is the coefficient of the data.
    """
    betas, times = case
    got = terms_of(impl, betas, times, optimal(betas, impl, variance))
    for i, (s, t) in enumerate(pairwise(reversed(times))):
        if s == 0:
            continue
        want = mpf(0)
        back, wide = exact.posterior(betas, 1.0, 0.0, s, t), exact.kernel(betas, s, t).var
        var = back.var if variance == "fixed_small" else wide
        for data in DATA:
            left = bound.exact_reverse(data, betas, 0, t).var
            want += bound.divergence(bound.Gaussian(mpf(0), back.var), bound.Gaussian(mpf(0), var))
            want += back.mean.exact**2 * left / (2 * var)
        unit = 24 * kappa(betas, s, t) * (2 + want) + 40 * mp.sqrt((2 + want) / back.var)
        check(f"mean of L_{s}", (i,), got, want, impl.unit_roundoff * unit)


def between(n: int, shape: float) -> Betas:
    """Return n timesteps from alpha_bar_1 = 0.9 to alpha_bar_n = 0.1, with curved log-SNR."""
    position = np.linspace(0.0, 1.0, n)
    position = position + shape * position * (1 - position)
    ends = [math.log(signal / (1 - signal)) for signal in (0.9, 0.1)]
    signal = 1 / (1 + np.exp(-(ends[0] + (ends[1] - ends[0]) * position)))
    return tuple((1 - signal / np.append(1.0, signal[:-1])).tolist())


@pytest.mark.complete
def test_bound_depends_only_on_schedule_ends_in_the_limit(impl: Implementation):
    """Eq. likelihood.ends: two schedules with the same first and last timestep are compared.

    The sums of the terms between differ by an amount proportional to 1 / T, from T = 64 to 256.
    """
    apart = []
    for n in (64, 256):
        sums = []
        for shape in (0.0, 0.5):
            betas = between(n, shape)
            reverse = optimal(betas, impl, "fixed_small")
            sums.append(terms_of(impl, betas, tuple(range(n, -1, -1)), reverse)[1:-1].sum())
        apart.append(abs(sums[0] - sums[1]))
    slope = math.log(apart[0] / apart[1]) / math.log(256 / 64)
    assert abs(slope - 1) <= 0.05, f"the difference falls as T^-{slope:.3f}: {apart}"


LONGER: Betas = (0.1, 0.5, 0.3, 0.8, 0.2, 0.4, 0.6)
ENDS = (0, 2, 4, 7)  # of 7 timesteps in 3 strata


class Recorder:
    """The reverse kernel N(x_t / 2, 1), which records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Array, Times, Times]] = []

    def __call__(self, x_t: Array, s: Times, t: Times) -> Gaussian:
        self.calls.append((x_t.copy(), s.copy(), t.copy()))
        return Gaussian(0.5 * x_t, np.ones_like(x_t))


@pytest.mark.parametrize("antithetic", [False, True])
def test_stratified_term_represents_its_stratum(impl: Implementation, antithetic):
    """Eq. likelihood.stratum: each row is the term at the drawn timestep times its stratum's size.

    Each timestep of a stratum is drawn by one of 512 samples, and no other. The last row is the
    prior's. One of three timesteps is missing with probability 3 (2/3)^512 = 1e-90.

    Means and variances have errors of 16 u kappa, which a term scales by its size over the smallest
    variance.
    """
    evaluated, rows, calls = Recorder(), 512, 1 + antithetic
    got = impl.stratified_vlb(LONGER, np.zeros((rows, 2, 1)), evaluated, 3, antithetic, 0)
    assert len(evaluated.calls) == 3 * calls, f"{len(evaluated.calls)} evaluations"
    for k, (low, high) in enumerate(pairwise(ENDS)):
        batch = evaluated.calls[k * calls : (k + 1) * calls]
        first, _, t = batch[0]
        want = np.zeros(rows)
        for x_t, s, same in batch:
            assert (same == t).all(), "a noise and its negative are at two timesteps"
            assert (s == t - 1).all(), "a term is not of a single step"
            want += term_of(x_t, t) / calls
        assert set(t.tolist()) == set(range(low + 1, high + 1)), f"stratum {k}"
        assert len(np.unique(first)) == first.size, "samples share their noise"
        if antithetic:
            assert np.array_equal(first, -batch[1][0]), "the noise is not the other's negative"
        error = np.abs(got[k] - (high - low) * want)
        largest = max(float(kappa(LONGER, step - 1, step)) for step in range(low + 1, high + 1))
        unit = impl.unit_roundoff * 16 * largest * (high - low) / 0.05  # of variances above 1/20
        assert (error <= unit * (2 + np.abs(want))).all(), f"row {k} is off by {error.max():.3g}"
    noises, every = [np.zeros((1, 2, 1))] * len(LONGER), tuple(range(len(LONGER), -1, -1))
    prior = impl.vlb_terms(LONGER, np.zeros((1, 2, 1)), evaluated, noises, None, every)[-1]
    assert (got[-1] == prior).all(), f"the prior's term is {got[-1][0]}, not {prior[0]}"


@pytest.mark.parametrize("antithetic", [False, True])
def test_timesteps_are_uniform_within_their_stratum(
    impl: Implementation, ledger: Ledger, antithetic
):
    """Eq. likelihood.stratum: binomial counts of timesteps and standard normal noise.

    They imply that the mean of the estimate is the bound.
    """
    rows, evaluated, calls = 8192, Recorder(), 1 + antithetic
    claim = ledger.claim("likelihood.stratum", (LONGER, antithetic), scalars=rows * 2 * 3)
    impl.stratified_vlb(LONGER, np.zeros((rows, 2)), evaluated, 3, antithetic, claim.seed)
    var = np.array([float(exact.kernel(LONGER, 0, t).var) for t in range(len(LONGER) + 1)])
    findings, whitened = [], []
    for (low, high), (x_t, _, t) in zip(pairwise(ENDS), evaluated.calls[::calls], strict=True):
        whitened.append(x_t / np.sqrt(var[t])[:, None])
        inside = (np.arange(len(var)) > low) & (np.arange(len(var)) <= high)
        counts = np.bincount(t, minlength=len(var))
        findings.append(binomials(counts, inside / (high - low), rows))
    claim.check([*standard_normal(np.stack(whitened, axis=1)), *findings])


def term_of(x_t: Array, t: Times) -> Array:
    """Return the term for x_0 = 0 and the reverse kernel N(x_t / 2, 1), in float64."""
    found = np.zeros(len(t))
    for step in np.unique(t):
        at = t == step
        if step == 1:
            data = bound.Gaussian(mpf(0), mpf(1))
            found[at] = float(-bound.log_density(data, mpf(0))) * 2 + (x_t[at] ** 2).sum((1, 2)) / 8
            continue
        back = exact.posterior(LONGER, 0.0, 1.0, step - 1, step)
        zero = bound.divergence(bound.Gaussian(mpf(0), back.var), bound.Gaussian(mpf(0), mpf(1)))
        away = float(back.mean.exact) - 0.5
        found[at] = 2 * float(zero) + away**2 * (x_t[at] ** 2).sum((1, 2)) / 2
    return found


@given(
    nats=st.floats(-64, 64, width=32), dims=st.integers(1, 4096), grey_levels=st.integers(2, 256)
)
@example(nats=1.0, dims=3, grey_levels=17)
def test_bits_per_dim_of_uniform_grey_levels(impl: Implementation, nats, dims, grey_levels):
    """Eq. likelihood.bits, likelihood.dequantised: n equally likely grey levels take log2(n) bits.

    Dequantised, they fill a width of 2 n / (n - 1) in each dimension.
    """
    got = impl.bits_per_dim(np.float64([nats]), dims)
    want = mpf(nats) / mp.log(2) / dims
    check("bits", (0,), got, want, 4 * impl.unit_roundoff * abs(want))
    uniform = np.float64([dims * math.log(2 * grey_levels / (grey_levels - 1))])
    got = impl.dequantised_bits_per_dim(uniform, dims, grey_levels)
    want = mp.log(grey_levels) / mp.log(2)
    check("bits of grey levels", (0,), got, want, 16 * impl.unit_roundoff * (8 + want))
