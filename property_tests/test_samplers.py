"""Ancestral chains on Gaussian data: their exact law by noise tape, then by their own noise."""

from functools import partial
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .monte_carlo import Ledger
from .noise_tape import moments
from .oracles import exact, gaussian
from .protocol import Array, Betas, Chain, Denoiser, Implementation
from .statistics import standard_normal
from .strategies import GENTLE, LONG, PRODUCTION, STEEP, schedules
from .tolerances import allowance, check, check_largest, elements

ORACLE = "an independent recursion of mean and covariance; Bayes' rule for a single step"

VARIANCES = ("fixed_small", "fixed_large")
EVENTS = ((), (2,), (2, 2, 2))  # probed in batches of 2: batch == axis

# At most 30 steps, each a product with an 8 x 8 matrix (16 roundings an entry) behind a solve whose
# condition is at worst that of C, 104. The recursion rounds in float64, the chain in its own
# precision: 1.1e-11 in float64, 3e-3 in float32. A coefficient's own error is absolute, some
# 5 u |L_t| (see tolerances.py), and |L_t| <= 17 here: less by far. A wrong index moves STEEP by
# more than 1e-2.
ROUNDINGS = 30 * 16 * 104
FLOAT64 = 2.0**-53


def gaussian_data(event: tuple[int, ...]) -> gaussian.Law:
    """A mean that differs from entry to entry and a covariance that is not diagonal."""
    size = int(np.prod(event))
    root = np.cos(np.arange(size * size, dtype=float)).reshape(size, size) / 2
    return gaussian.Law(np.linspace(-1.0, 1.5, size), root @ root.T + 0.05 * np.eye(size))


def denoiser_of(betas: Betas, data: gaussian.Law) -> Denoiser:
    return lambda x_t, t: gaussian.denoiser(betas, data, t)(x_t)


def ladders(T: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Any falling times that end in 0, whether they start at T or not."""
    levels = st.sets(st.integers(1, T), min_size=1)
    return levels.map(lambda some: (*sorted(some, reverse=True), 0))


def steps_of(betas: Betas) -> st.SearchStrategy[tuple[Betas, int, int]]:
    """The schedule and two of its levels, s < t."""
    pairs = combinations(range(len(betas) + 1), 2)
    return st.sampled_from([(betas, s, t) for s, t in pairs])


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("event", EVENTS, ids=str)
@given(case=schedules.flatmap(lambda betas: st.tuples(st.just(betas), ladders(len(betas)))))
@example(case=(PRODUCTION, LONG))
def test_the_chain_has_the_law_of_the_recursion(impl: Implementation, variance, event, case):
    """Eq. ancestral.step: exact mean and covariance of the output, for any times."""
    betas, times = case
    data = gaussian_data(event)
    denoise = denoiser_of(betas, data)
    got = moments(
        partial(impl.sample, Chain(betas, variance, times, denoise)),
        event,
        draws=len(times) - 2,
        batch=2,
    )
    want = gaussian.ancestral(betas, data, times, variance)
    scale = np.sqrt(np.abs(np.diag(want.covariance)).max())
    relative = ROUNDINGS * (FLOAT64 + impl.unit_roundoff)
    check_largest("mean", got.mean, want.mean, relative * (scale + np.abs(want.mean).max()))
    check_largest("covariance", got.covariance, want.covariance, relative * scale**2)


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("step", ["one level", "any"])
@given(case=schedules.flatmap(steps_of))
@example(case=(STEEP, 0, 2))
@example(case=(GENTLE, 1, 2))
def test_a_step_is_the_posterior_mean_and_its_noise(impl: Implementation, step, variance, case):
    """Eq. ancestral.step, one step with given noise; s = 0 adds none."""
    betas, s, t = case
    s = t - 1 if step == "one level" else s
    x0_hat, x_t, noise = np.float64([[[0.5, -1.25]], [[2.0, 0.375]], [[3.0, -1.0]]])
    unit = allowance(impl.unit_roundoff, exact.kappa(betas, s, t), times=2)
    got = impl.reverse_step(betas, variance, x0_hat, x_t, s, t, noise)
    for where in elements(got):
        back = exact.posterior(betas, x0_hat[where], x_t[where], s, t)
        var = back.var if variance == "fixed_small" else exact.kernel(betas, s, t).var
        added = exact.mp.sqrt(var) * exact.mpf(noise[where]) if s else exact.mpf(0)
        size = back.mean.size + abs(added)
        check(variance, where, got, back.mean.exact + added, unit * size)


@pytest.mark.parametrize("variance", VARIANCES)
@given(case=schedules.flatmap(lambda betas: st.tuples(st.just(betas), ladders(len(betas)))))
@example(case=(PRODUCTION, LONG))
def test_the_chain_reports_what_its_denoiser_said(impl: Implementation, variance, case):
    """Eq. ancestral.step: x0_hat at each level is the denoiser's, but for a cast to the chain's
    precision."""
    betas, times = case
    said: dict[int, Array] = {}

    def denoiser(x_t: Array, t: int) -> Array:
        said[t] = x_t / 2 + t  # neither the state nor the noise
        return said[t].copy()

    x_T, *noises = np.float64([[[1.5, -0.25]]] * (len(times) - 1))
    got = impl.guesses(Chain(betas, variance, times, denoiser), x_T, noises)
    for t, x0_hat in zip(times, got, strict=False):
        assert (np.abs(x0_hat - said[t]) <= impl.unit_roundoff * np.abs(said[t])).all(), f"t = {t}"


@given(T=st.integers(1, 400))
@example(T=1000)
def test_a_chain_visits_every_level_where_none_are_named(impl: Implementation, T):
    """Eq. ancestral.step, as in Ho et al. (2020), Algorithm 2."""
    assert impl.default_times(T) == tuple(range(T, -1, -1))


@given(T=st.integers(1, 4000), data=st.data())
def test_the_ladder_falls_from_T_to_data(impl: Implementation, T, data):
    """Eq. ancestral.ladder: both ends are visited, and levels lie evenly up to rounding."""
    steps = data.draw(st.integers(1, T), label="steps")
    times = impl.ladder(T, steps)
    assert (len(times), times[0], times[-1]) == (steps + 1, T, 0)
    assert all(s < t for t, s in pairwise(times))
    for i, t in enumerate(reversed(times)):  # each the rounding of an even stride
        assert abs(2 * t * steps - 2 * i * T) <= steps


@pytest.mark.parametrize("variance", VARIANCES)
@pytest.mark.parametrize("times", [(4, 3, 2, 1, 0), (4, 2, 0), (3, 1, 0)], ids=str)
def test_samples_have_the_law_of_the_chain(impl: Implementation, ledger: Ledger, variance, times):
    """Eq. ancestral.step from the implementation's own noise, whitened by the exact law."""
    data = gaussian_data((2, 2, 2))
    want = gaussian.ancestral(STEEP, data, times, variance)
    claim = ledger.claim("ancestral.step", (STEEP, variance, times), scalars=4096 * 8)
    chain = Chain(STEEP, variance, times, denoiser_of(STEEP, data))
    x_0 = impl.draw_samples(chain, (4096, 2, 2, 2), claim.seed)
    claim.check(standard_normal(whitened(x_0, want)))


def whitened(x: Array, law: gaussian.Law) -> Array:
    root = np.linalg.cholesky(law.covariance)
    return np.linalg.solve(root, (x.reshape(len(x), -1) - law.mean).T).T.reshape(x.shape)
