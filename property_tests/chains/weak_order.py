"""Order of convergence of a sampler's mean and standard deviation to those of the data.

For Gaussian data in one dimension, started from the exact marginal at its first timestep, a sampler
with N steps has a Gaussian output whose moments are off by N^-p; the noise tape gives both without
sampling. The schedule is uniform in log-SNR and far finer than the steps. The state is compared at
the last evaluation of the denoiser, because the step to the data is much longer than the others.
"""

import math

import numpy as np

from ..oracles import exact, gaussian
from ..protocol import CHURN, Array, Betas, Denoiser, Implementation, SamplingSpec
from ..statistics.noise_tape import moments
from .convergence import DATA

T, ENDS = 960, (3.0, -9.0)  # and the log-SNR of t = 1 and of t = T: the first steps are of order 1
UNEVEN = 70  # steps that do not divide T, and 1 more than a multiple of 3, too
STEPS = 64, 160  # divisors of T, even, and 1 more than a multiple of 3, for methods of 3 stages
LEAST = 0.85  # of the order that is claimed, up to 4; that of the order below is at most 0.75
CHURNED = 4.0  # the fraction of sigma that CHURN adds in all steps together
ROUNDINGS = 16  # of the state: a random walk of the errors of 160 steps


def _fine_schedule() -> Betas:
    alpha_bar = 1 / (1 + np.exp(-np.linspace(*ENDS, T)))
    return tuple((1 - alpha_bar / np.append(1.0, alpha_bar[:-1])).tolist())


FINE = _fine_schedule()


def marginal(t: float) -> tuple[float, float]:
    """Return the mean and standard deviation of x_t."""
    scale, var = (float(each) for each in exact.marginal(FINE, t))
    return scale * float(DATA.mean[0]), math.sqrt(scale**2 * float(DATA.covariance[0, 0]) + var)


def error_of(impl: Implementation, sampler: str, steps: int) -> tuple[float, float]:
    """Return the mean step, in timesteps, and the error at the last evaluation of the denoiser.

    It is the sum of the errors of mean and standard deviation.
    """
    times = impl.own_timesteps(FINE, sampler, steps)
    denoisers: dict[float, Denoiser] = {}
    last: list[tuple[float, Array]] = []

    def denoiser(x_t: Array, t: float) -> Array:
        if t not in denoisers:
            denoisers[t] = gaussian.denoiser(FINE, DATA, t)
        last[:] = [(t, x_t.copy())]
        return denoisers[t](x_t)

    def state(x_T: Array, noises: list[Array]) -> Array:
        mean, std = marginal(times[0])
        spec = SamplingSpec(FINE, sampler, times, denoiser, churn=CHURNED * (sampler in CHURN))
        impl.sample(spec, mean + std * x_T, noises)
        return last[0][1]

    found = moments(state, (1,), draws=len(times) - 2 + (sampler in CHURN), batch=2)
    mean, std = marginal(last[0][0])
    off = abs(float(found.mean[0]) - mean) + abs(math.sqrt(float(found.covariance[0, 0])) - std)
    return (times[0] - times[-2]) / (len(times) - 2), off


def check_order(impl: Implementation, sampler: str, order: float) -> None:
    """Fail if the error falls more slowly than with this order, or grows with uneven steps."""
    (h, first), (h_last, last) = (error_of(impl, sampler, steps) for steps in STEPS)
    ratio = h / h_last
    found = math.log(first / last) / math.log(ratio) if first and last else math.inf
    allowed = first * ratio ** (-LEAST * order) + ROUNDINGS * impl.unit_roundoff
    assert last <= allowed, (
        f"{sampler} converges with order {found:.3g}, not {order:g}: with {STEPS[0]} steps mean "
        f"and standard deviation are off by {first:.3g}, with {STEPS[1]} by {last:.3g}"
    )
    _, uneven = error_of(impl, sampler, UNEVEN)
    assert uneven <= 1.5 * first + ROUNDINGS * impl.unit_roundoff, (
        f"{sampler} is off by {uneven:.3g} with {UNEVEN} of {T} timesteps, more than with "
        f"{STEPS[0]}: {first:.3g}"
    )
