"""DDIM: the step for any eta, its limits eta = 0 and eta = 1, and its inversion."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .chains.convergence import START, check_order, exact_start_at_1
from .chains.output_distributions import (
    EVENTS,
    check_output_distribution,
    check_output_distribution_from_zero_snr,
    paths,
)
from .oracles import chains, exact, gaussian
from .protocol import Array, Betas, Denoiser, Implementation, SamplingSpec
from .statistics.tolerances import allowance, check, check_largest, elements
from .strategies import EVENLY_SPACED, GENTLE, LONG, PRODUCTION, STEEP, schedules

ORACLE = "the variance and the marginals that define a step, in 60 digits"

ETAS = (0.0, 0.3, 0.7, 1.0)
PREDICTION, STATE, NOISE = np.float64([[[0.5, -1.25]], [[2.0, 0.375]], [[3.0, -1.0]]])
DATA = gaussian.MultivariateGaussian(
    np.float64([0.75, -1.0]), np.float64([[0.5, 0.25], [0.25, 1.5]])
)


def steps_of(betas: Betas) -> st.SearchStrategy[tuple[Betas, int, int]]:
    pairs = combinations(range(len(betas) + 1), 2)
    return st.sampled_from([(betas, s, t) for s, t in pairs])


def inversions_of(betas: Betas) -> st.SearchStrategy[tuple[Betas, tuple[int, ...], int]]:
    """Draw a schedule, decreasing times that end at 0, and one of them below the first."""
    timesteps = st.sets(st.integers(1, len(betas)), min_size=1)
    times = timesteps.map(lambda some: (*sorted(some, reverse=True), 0))
    return times.flatmap(lambda path: st.sampled_from([(betas, path, k) for k in path[1:]]))


@pytest.mark.parametrize("eta", [*ETAS, 2.0**-10])
@pytest.mark.parametrize("step", ["one step", "any"])
@given(case=schedules.flatmap(steps_of))
@example(case=(STEEP, 0, 2))
@example(case=(STEEP, 1, 4))
@example(case=(GENTLE, 1, 2))
def test_step_has_the_given_variance_and_keeps_the_marginals(impl: Implementation, step, eta, case):
    """Eq. ddim.step, ddim.along and ddim.variance, one step with given noise; none at s = 0."""
    betas, s, t = case
    s = t - 1 if step == "one step" else s
    unit = allowance(impl.unit_roundoff, exact.kappa(betas, s, t), times=2)
    coef_x0, coef_xt, var = chains.step_coefficients(chains.Path(betas, "ddim", (t, s), eta), s, t)
    at_t, at_s = exact.kernel(betas, 0, t), exact.kernel(betas, 0, s)
    got = impl.ddim_step(betas, eta, PREDICTION, STATE, s, t, NOISE)
    for where in elements(got):
        prediction, state, noise = (exact.mpf(each[where]) for each in (PREDICTION, STATE, NOISE))
        added = exact.mp.sqrt(var) * noise
        size = (
            (at_s.scale + coef_xt * at_t.scale) * abs(prediction)
            + coef_xt * abs(state)
            + abs(added)
        )
        check("x_s", where, got, coef_x0 * prediction + coef_xt * state + added, unit * size)


@pytest.mark.parametrize("eta", ETAS)
@pytest.mark.parametrize("event", EVENTS, ids=str)
@given(case=paths)
@example(case=(PRODUCTION, LONG))
@example(case=(STEEP, EVENLY_SPACED))
def test_output_distribution_matches_the_recursion(impl: Implementation, eta, event, case):
    """Eq. ddim.step: exact mean and covariance of the output, for any times and eta."""
    check_output_distribution(impl, "ddim", eta, event, *case)


@pytest.mark.complete
@given(case=paths.filter(lambda case: len(case[0]) > 1))
@example(case=(PRODUCTION, LONG))
def test_sampling_may_start_at_zero_terminal_snr(impl: Implementation, case):
    """Eq. ddim.step at zero terminal SNR, where x_T is pure noise."""
    check_output_distribution_from_zero_snr(impl, "ddim", *case)


@given(case=schedules.flatmap(steps_of))
@example(case=(STEEP, 1, 4))
def test_eta_one_is_ancestral_sampling(impl: Implementation, case):
    """Eq. ddim.is-ancestral: the same step as with the posterior variance, for every pair."""
    betas, s, t = case
    unit = allowance(impl.unit_roundoff, exact.kappa(betas, s, t), times=4)
    got = impl.ddim_step(betas, 1.0, PREDICTION, STATE, s, t, NOISE)
    want = impl.reverse_step(betas, "fixed_small", PREDICTION, STATE, s, t, NOISE)
    for where in elements(got):
        size = 2 * abs(PREDICTION[where]) + abs(STATE[where]) + abs(NOISE[where])
        check("x_s", where, got, exact.mpf(want[where]), unit * size)


@given(case=schedules.flatmap(inversions_of))
@example(case=(STEEP, (4, 2, 1, 0), 1))
@example(case=(STEEP, (4, 2, 1, 0), 0))
@example(case=(STEEP, EVENLY_SPACED, 1))
def test_inversion_keeps_the_noise(impl: Implementation, case):
    """Eq. ddim.invert with a denoiser that always returns the data.

    Inversion only rescales the noise, and sampling undoes it.
    """
    betas, times, timestep = case
    x, seen = (STATE if timestep else PREDICTION), {}

    def data_denoiser(x_t: Array, t: int) -> Array:
        seen[t] = x_t.copy()
        return PREDICTION.copy()

    spec = SamplingSpec(betas, "ddim", times, data_denoiser)
    code = impl.encode(spec, x, timestep)
    evaluated = timestep or times[-2]
    start, end = exact.kernel(betas, 0, evaluated), exact.kernel(betas, 0, times[0])
    # The noise error of a step, u |x| / sigma, persists; sigma is smallest where inversion starts.
    unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, times[0]), times=2 * len(times))
    for where in elements(code):
        prediction, state = exact.mpf(PREDICTION[where]), exact.mpf(x[where])
        noise = (state - start.scale * prediction) / exact.mp.sqrt(start.var)
        size = (abs(state) + abs(prediction)) * (1 + 1 / exact.mp.sqrt(start.var))
        want = end.scale * prediction + exact.mp.sqrt(end.var) * noise
        check("code", where, code, want, unit * size)
    impl.sample(spec, code, [NOISE] * (len(times) - 2))
    if timestep:
        for where in elements(x):
            size = (abs(x[where]) + abs(PREDICTION[where])) * (1 + 1 / exact.mp.sqrt(start.var))
            check("x", where, seen[timestep], exact.mpf(x[where]), 2 * unit * size)


@given(case=schedules.flatmap(inversions_of))
@example(case=(STEEP, (4, 2, 1, 0), 1))
@example(case=(STEEP, (4, 2, 1, 0), 0))
def test_inversion_evaluates_at_the_current_timestep(impl: Implementation, case):
    """Eq. ddim.invert on Gaussian data; a step from data uses the smallest of the times."""
    betas, times, timestep = case
    evaluated: list[int] = []

    def denoise(x_t: Array, t: int) -> Array:
        evaluated.append(t)
        return gaussian.denoiser(betas, DATA, t)(x_t)

    got = impl.encode(SamplingSpec(betas, "ddim", times, denoise), PREDICTION, timestep)
    rising = [t for t in reversed(times) if t >= timestep]
    timesteps = [s or rising[1] for s in rising[:-1]]
    assert evaluated == timesteps, f"evaluated at {evaluated} along {rising}, not at {timesteps}"
    inverse = chains.invert(betas, rising, DATA)
    want = (PREDICTION.reshape(-1, 2) @ inverse.matrix.T + inverse.offset).reshape(PREDICTION.shape)
    size = inverse.size * (1 + float(np.abs(PREDICTION).max()))
    unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, times[0]), times=2 * len(rising))
    check_largest("code", got, want, float(unit + 2.0**-48) * size)  # the oracle rounds, too


@pytest.mark.complete
def test_convergence_is_first_order(impl: Implementation):
    """Eq. ddim.euler: first order, compared with the exact flow of Gaussian data."""

    def down(betas: Betas, denoiser: Denoiser) -> None:
        every = tuple(range(len(betas), -1, -1))
        impl.sample(SamplingSpec(betas, "ddim", every, denoiser), START, [START] * (len(betas) - 1))

    check_order(down, exact_start_at_1, 1)


@pytest.mark.complete
def test_inversion_round_trip_is_first_order(impl: Implementation):
    """Eq. ddim.invert: first order, starting at t = 1."""

    def round_trip(betas: Betas, denoiser: Denoiser) -> None:
        spec = SamplingSpec(betas, "ddim", tuple(range(len(betas), -1, -1)), denoiser)
        code = impl.encode(spec, START, 1)
        impl.sample(spec, code, [START] * (len(betas) - 1))

    check_order(round_trip, lambda betas: START, 1)
