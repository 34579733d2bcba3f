"""How fast a deterministic sampler nears the path that it follows, where that path is known.

Data N(m, c) in one dimension: the probability-flow ODE leads a state along with its distance from
the mean of its level, in standard deviations of the level. The family of schedules has T = n
levels, uniform in log-SNR between two finite ends; states are read at t = 1, the last of them, for
the step from there to data is longer than any other.
"""

import math
from collections.abc import Callable

import numpy as np

from ..oracles import gaussian
from ..oracles.exact import kernel
from ..protocol import Array, Betas, Chain, Denoiser, Implementation

ENDS = 8.0, -8.0  # the log-SNR of t = 1 and of t = T
NUMBERS = (64, 128, 256, 512)
START = np.float64([[1.25]])
DATA = gaussian.MultivariateGaussian(np.float64([0.75]), np.float64([[0.25]]))

Run = Callable[[Betas, Denoiser], None]
"""Leads START down, or up and down; what it comes to is the last state that is seen at t = 1."""


def slope(run: Run, want: Callable[[Betas], Array]) -> float:
    """The exponent p with which the error at t = 1 falls as n^-p from the first n to the last."""
    first, last = (abs(_seen(run, n) - want(family(n))).max() for n in (NUMBERS[0], NUMBERS[-1]))
    return math.log(first / last) / math.log(NUMBERS[-1] / NUMBERS[0])


def down(impl: Implementation, sampler: str) -> Run:
    """START led down every level to data."""

    def run(betas: Betas, denoiser: Denoiser) -> None:
        every = tuple(range(len(betas), -1, -1))
        noises: list[Array] = [START] * (len(betas) - 1)
        impl.sample(Chain(betas, sampler, every, denoiser), START, noises)

    return run


def family(n: int) -> Betas:
    """The betas of n levels, uniform in log-SNR."""
    alpha_bar = 1 / (1 + np.exp(-np.linspace(*ENDS, n)))
    return tuple((1 - alpha_bar / np.append(1.0, alpha_bar[:-1])).tolist())


def flow(betas: Betas) -> Array:
    """Where START at t = T comes from at t = 1."""
    return carried(betas, START, len(betas), 1)


def carried(betas: Betas, x: Array, t: int, s: int) -> Array:
    """The states at level s that the exact path leads to from x at level t; level 0 is data."""
    mean_s, std_s = _level(betas, s)
    mean_t, std_t = _level(betas, t)
    return mean_s + (x - mean_t) * (std_s / std_t)


def _level(betas: Betas, t: int) -> tuple[Array, Array]:
    scale, var = (float(each) for each in kernel(betas, 0, t))
    return scale * DATA.mean, np.sqrt(scale**2 * DATA.covariance[0] + var)


def _seen(run: Run, n: int) -> Array:
    betas, seen = family(n), {}

    def denoiser(x_t: Array, t: int) -> Array:
        seen[t] = x_t
        return gaussian.denoiser(betas, DATA, t)(x_t)

    run(betas, denoiser)
    return seen[1]
