"""Heun's method: second order, with two network evaluations per step."""

from itertools import pairwise

import pytest
from hypothesis import example, given

from .chains.convergence import check_order, exact_start_at_1, sampling_run
from .chains.output_distributions import EVENTS, X_T, check_output_distribution, paths
from .protocol import Array, Implementation, SamplingSpec
from .strategies import LONG, PRODUCTION, STEEP

ORACLE = "the closed-form flow of Gaussian data; the timesteps of the evaluations"


@pytest.mark.parametrize("event", EVENTS, ids=str)
@given(case=paths)
@example(case=(PRODUCTION, LONG))
def test_output_distribution_matches_the_recursion(impl: Implementation, event, case):
    """Eq. heun.step: exact mean and covariance of the output, for any times."""
    check_output_distribution(impl, "heun", 0.0, event, *case)


@pytest.mark.complete
def test_convergence_is_second_order(impl: Implementation):
    """Eq. heun.step, compared with the exact flow of Gaussian data."""
    check_order(sampling_run(impl, "heun"), exact_start_at_1, 2)


@given(case=paths)
@example(case=(STEEP, (4, 2, 1, 0)))
def test_evaluates_both_ends_of_a_step_but_never_the_data(impl: Implementation, case):
    """Eq. heun.step: the last step uses one slope only."""
    betas, times = case
    evaluated: list[int] = []

    def denoiser(x_t: Array, t: int) -> Array:
        evaluated.append(t)
        return x_t / 2

    impl.sample(SamplingSpec(betas, "heun", times, denoiser), X_T, [X_T] * (len(times) - 2))
    both_ends = [end for step in pairwise(times[:-1]) for end in step]
    assert evaluated == [*both_ends, times[-2]], f"evaluated at {evaluated} along {times}"
