"""DPM-Solver++: order 1 is DDIM, order 2 converges quadratically."""

import numpy as np
import pytest
from hypothesis import example, given

from .chains.convergence import check_order, exact_start_at_1, sampling_run
from .chains.output_distributions import (
    EVENTS,
    FLOAT64,
    ROUNDINGS,
    X_T,
    check_output_distribution,
    check_output_distribution_from_zero_snr,
    paths,
)
from .options.steps import extrapolated, one_step, roundings
from .oracles import chains
from .oracles.exact import mpf
from .protocol import Implementation, SamplingSpec
from .statistics.tolerances import check, check_largest, elements
from .strategies import LONG, PRODUCTION, STEEP

ORACLE = "DDIM of the same implementation; the closed-form flow of Gaussian data"


@pytest.mark.parametrize("sampler", ["dpm++1", "dpm++2m"])
@pytest.mark.parametrize("event", EVENTS, ids=str)
@given(case=paths)
@example(case=(PRODUCTION, LONG))
def test_output_distribution_matches_the_recursion(impl: Implementation, sampler, event, case):
    """Eq. dpm-solver.first and dpm-solver.second: exact mean and covariance, for any times."""
    check_output_distribution(impl, sampler, 0.0, event, *case)


@pytest.mark.complete
@pytest.mark.parametrize("sampler", ["dpm++1", "dpm++2m"])
@given(case=paths.filter(lambda case: len(case[0]) > 1))
@example(case=(PRODUCTION, LONG))
@example(case=((0.5, 0.5, 2.0**-13), (2, 1, 0)))
def test_sampling_may_start_at_zero_terminal_snr(impl: Implementation, sampler, case):
    """Eq. dpm-solver.first at zero terminal SNR, where h is infinite, and in the next step."""
    check_output_distribution_from_zero_snr(impl, sampler, *case)


@given(case=paths)
@example(case=(STEEP, (4, 2, 1, 0)))
def test_first_order_is_deterministic_ddim(impl: Implementation, case):
    """Eq. dpm-solver.first, also with a nonlinear denoiser."""
    betas, times = case
    spec = SamplingSpec(betas, "dpm++1", times, lambda x_t, t: np.tanh(x_t + 0.1 * t))
    noises = [X_T] * (len(times) - 2)
    got = impl.sample(spec, X_T, noises)
    want = impl.sample(spec._replace(sampler="ddim"), X_T, noises)
    # Neither amplifies an error: the prediction changes by at most as much as the state.
    unit = 2 * ROUNDINGS * (FLOAT64 + impl.unit_roundoff)
    check_largest("x_0", got, want, unit * float(np.abs(X_T).max()))


@given(case=paths)
@example(case=(STEEP, (4, 2, 1, 0)))
def test_constant_prediction_needs_no_extrapolation(impl: Implementation, case):
    """Eq. dpm-solver.second: equal predictions need no extrapolation; both orders return them."""
    betas, times = case
    prediction = X_T[::-1].copy()
    for sampler in ("dpm++1", "dpm++2m"):
        spec = SamplingSpec(betas, sampler, times, lambda x_t, t: prediction.copy())
        got = impl.sample(spec, X_T, [X_T] * (len(times) - 2))
        assert (np.abs(got - prediction) <= 4 * impl.unit_roundoff * np.abs(prediction)).all()


@pytest.mark.complete
def test_convergence_is_second_order(impl: Implementation):
    """Eq. dpm-solver.second, compared with the exact flow of Gaussian data."""
    check_order(sampling_run(impl, "dpm++2m"), exact_start_at_1, 2)


@pytest.mark.complete
def test_order_one_converges_at_first_order(impl: Implementation):
    """Eq. dpm-solver.first, compared with the exact flow of Gaussian data."""
    check_order(sampling_run(impl, "dpm++1"), exact_start_at_1, 1)


@pytest.mark.complete
def test_every_step_of_a_long_trajectory_is_extrapolated(impl: Implementation):
    """Eq. dpm-solver.second in each of 64 steps but the first and the last, of two samples."""
    betas, rows = tuple(np.linspace(0.01, 0.1, 64).tolist()), np.float64([[0.5], [-1.25]])
    times = tuple(range(len(betas), -1, -1))
    spec = SamplingSpec(betas, "dpm++2m", times, lambda x_t, t: np.sin(3 * x_t + t))
    _, states, predictions = impl.trajectory(spec, rows, [rows] * (len(times) - 2))
    path, unit = chains.Path(betas, "dpm++2m", times), mpf(impl.unit_roundoff)
    for k, (before, t, s) in enumerate(zip(times, times[1:], times[2:], strict=False), start=1):
        per = roundings(betas, False, s, t)
        for where in elements(rows):
            last, prediction, state = (
                mpf(each[where]) for each in (predictions[k - 1], predictions[k], states[k])
            )
            prediction, error = extrapolated(path, s, t, before, prediction, last, per)
            want = one_step(path, s, t, prediction, state, mpf(0), per)
            check(f"x_{s}", where, states[k + 1], want.exact, unit * (want.error + error))
