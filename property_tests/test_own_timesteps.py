"""The timesteps that an implementation chooses itself: its samplers visit them, and more help."""

from contextlib import suppress
from itertools import pairwise

import numpy as np
import pytest

from .calls.call import reused, same
from .calls.paused import Interrupt
from .chains import weak_order
from .chains.convergence import DATA, exact_flow
from .chains.output_distributions import check_output_distribution
from .evidence import evidence
from .oracles import gaussian
from .protocol import SAMPLERS, Array, Implementation, SamplingSpec
from .protocol.contract import NOT_OFFERED
from .strategies import PRODUCTION, known

ORACLE = "the exact mean and covariance for the timesteps that it reports"

HUNDRED = known("HUNDRED", np.linspace(1e-3, 0.1, 100).tolist())
STEPS = (1, 2, 7, 33, 50, 60, 99)  # of HUNDRED: divisors, others, and more than half
WITHOUT_NOISE = ("ddim", "dpm++1", "dpm++2m", "heun")


@pytest.mark.complete
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_output_distribution_is_that_of_its_timesteps(impl: Implementation, sampler, steps):
    """Eq. ancestral.step, ddim.step, dpm-solver.first and heun.step along its own timesteps.

    A step that goes elsewhere than to the next of them changes the mean and the covariance.
    """
    times = impl.own_timesteps(HUNDRED, sampler, steps)
    if any(t != int(t) for t in times):
        pytest.skip(f"{NOT_OFFERED}timesteps that are integers")
    assert all(s < t for t, s in pairwise(times)), f"{times} do not decrease"
    assert (times[0] <= len(HUNDRED), times[-1]) == (True, 0), f"{times} of T = {len(HUNDRED)}"
    eta = 0.7 if sampler == "ddim" else 0.0
    check_output_distribution(impl, sampler, eta, (2,), HUNDRED, times)


@pytest.mark.complete
@pytest.mark.parametrize("sampler", WITHOUT_NOISE)
def test_error_does_not_grow_with_more_steps(impl: Implementation, sampler):
    """Eq. ddim.euler, dpm-solver.first, dpm-solver.second and heun.step at T = 1000.

    The error is the distance of x_0 to the exact trajectories from five states at the first of its
    timesteps. Near the end it is that of the step to the data, and of timesteps that are integers:
    below a hundredth of the first error, growth does not count.
    """
    x, errors = np.linspace(-2.0, 2.0, 5).reshape(5, 1), []
    for steps in (8, 30, 120, 480, 600):
        times = impl.own_timesteps(PRODUCTION, sampler, steps)
        denoisers = {t: gaussian.denoiser(PRODUCTION, DATA, t) for t in times[:-1]}
        spec = SamplingSpec(PRODUCTION, sampler, times, lambda x, t, of=denoisers: of[t](x))
        x_0 = impl.sample(spec, x, [x] * (len(times) - 2))
        errors.append(float(np.abs(x_0 - exact_flow(PRODUCTION, x, times[0], 0)).max()))
    found = ", ".join(f"{error:.3g}" for error in errors)
    floor = errors[0] / 100
    assert all(b <= 1.5 * max(a, floor) for a, b in pairwise(errors)), f"errors grow: {found}"
    assert errors[-1] < errors[0] / 2, f"the error hardly falls: {found}"


@pytest.mark.complete
def test_moments_converge_with_the_order_that_is_claimed(impl: Implementation):
    """Eq. ddim.euler, dpm-solver.second and heun.step, and of any other sampler, with noise or not.

    Mean and standard deviation of Gaussian data, before the step to the data, by noise tape.
    """
    for sampler, order in impl.claimed_orders().items():
        with evidence.example():
            weak_order.check_order(impl, sampler, order)


@pytest.mark.complete
def test_runs_along_its_own_timesteps_leave_nothing_behind(impl: Implementation):
    """A run of one object is repeated, after a run of other steps, and after an abandoned one."""
    x = np.linspace(-2.0, 2.0, 5).reshape(5, 1)
    for sampler in impl.claimed_orders():
        with evidence.example(), reused(impl):
            first = [run_of_its_own(impl, sampler, 7, x)]
            run_of_its_own(impl, sampler, 12, 2 * x)
            same([run_of_its_own(impl, sampler, 7, x)], first, f"{sampler} after other steps")
            with suppress(Interrupt):
                run_of_its_own(impl, sampler, 7, 3 * x, evaluations=2)
            same([run_of_its_own(impl, sampler, 7, x)], first, f"{sampler} after an abandoned run")


def run_of_its_own(
    impl: Implementation, sampler: str, steps: int, x: Array, evaluations: float = np.inf
) -> Array:
    """Return x_0 of a run that is interrupted after so many evaluations."""
    times, left = impl.own_timesteps(HUNDRED, sampler, steps), iter(range(1, 10 * steps))

    def denoiser(x_t: Array, t: float) -> Array:
        if next(left) > evaluations:
            raise Interrupt
        return np.sin(x_t + t)

    spec = SamplingSpec(HUNDRED, sampler, times, denoiser, churn=2.0)
    return impl.sample(spec, x, [np.cos(x + i) for i in range(len(times) - 1)])
