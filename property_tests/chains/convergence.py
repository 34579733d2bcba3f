"""Order of convergence of deterministic samplers to the exact probability flow.

For data N(m, c) in one dimension, the probability-flow ODE keeps the distance of a state from the
mean, in standard deviations of the marginal. The schedules have T = n timesteps, uniform in log-SNR
between two finite ends. States are compared at t = 1, because the step from there to the data is
much longer than the others.
"""

import math
from collections.abc import Callable

import numpy as np

from ..oracles import gaussian
from ..oracles.exact import kernel
from ..oracles.table import of_a_table
from ..protocol import Array, Betas, Denoiser, Implementation, SamplingSpec

ENDS = 8.0, -8.0  # the log-SNR of t = 1 and of t = T
NUMBERS = (64, 128, 256, 512)  # of timesteps
COARSE = (32, 64)  # where rounding in float32 is below a fiftieth of the error of either order
START = np.float64([[1.25]])
DATA = gaussian.MultivariateGaussian(np.float64([0.75]), np.float64([[0.25]]))

Run = Callable[[Betas, Denoiser], None]
"""Runs a sampler from START; the last state passed to the denoiser at t = 1 is the result."""


def convergence_order(
    run: Run, want: Callable[[Betas], Array], numbers: tuple[int, ...] = NUMBERS
) -> float:
    """Return the exponent p of the error n^-p at t = 1, from the first and the last n."""
    first, last = (
        abs(_state_at_1(run, n) - want(schedule_family(n))).max() for n in (numbers[0], numbers[-1])
    )
    return math.log(first / last) / math.log(numbers[-1] / numbers[0])


def check_order(run: Run, want: Callable[[Betas], Array], order: int) -> None:
    """Fail unless the errors fall with this order.

    With the errors of a table in float32, fewer steps are taken, which are less close to the limit
    (2.10 for Heun's method): there a wrong order, which is off by 1, fails.
    """
    numbers, within = (COARSE, 0.25) if of_a_table() else (NUMBERS, 0.05)
    found = convergence_order(run, want, numbers)
    assert abs(found - order) <= within, f"the order of convergence is {found:.3g}, not {order}"


def sampling_run(impl: Implementation, sampler: str) -> Run:
    """Return a run of the sampler over all timesteps."""

    def run(betas: Betas, denoiser: Denoiser) -> None:
        every = tuple(range(len(betas), -1, -1))
        noises: list[Array] = [START] * (len(betas) - 1)
        impl.sample(SamplingSpec(betas, sampler, every, denoiser), START, noises)

    return run


def schedule_family(n: int) -> Betas:
    """Return the betas of n timesteps that are uniform in log-SNR."""
    alpha_bar = 1 / (1 + np.exp(-np.linspace(*ENDS, n)))
    return tuple((1 - alpha_bar / np.append(1.0, alpha_bar[:-1])).tolist())


def exact_start_at_1(betas: Betas) -> Array:
    """Return the exact state at t = 1 of the trajectory with START at t = T."""
    return exact_flow(betas, START, len(betas), 1)


def exact_flow(betas: Betas, x: Array, t: int, s: int) -> Array:
    """Return the exact states at timestep s of the trajectories with x at timestep t; 0 is data."""
    mean_s, std_s = _marginal(betas, s)
    mean_t, std_t = _marginal(betas, t)
    return mean_s + (x - mean_t) * (std_s / std_t)


def _marginal(betas: Betas, t: int) -> tuple[Array, Array]:
    scale, var = (float(each) for each in kernel(betas, 0, t))
    return scale * DATA.mean, np.sqrt(scale**2 * DATA.covariance[0] + var)


def _state_at_1(run: Run, n: int) -> Array:
    betas, states = schedule_family(n), {}

    def denoiser(x_t: Array, t: int) -> Array:
        states[t] = x_t
        return gaussian.denoiser(betas, DATA, t)(x_t)

    run(betas, denoiser)
    return states[1]
