"""Bugs of DDIM and of the solvers of the probability-flow ODE."""

from itertools import pairwise

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas, SamplingSpec
from .registry import known, table


def noise_in(alpha_bar: Array, x0_hat: Array, x_t: Array, t: int) -> Array:
    """What a network that predicts the noise would have said."""
    return (x_t - np.sqrt(alpha_bar[t]) * x0_hat) / np.sqrt(1 - alpha_bar[t])


@known(
    "A05-ddim-uses-prev-table-twice",
    "lucidrains/denoising-diffusion-pytorch #81",
    "both ends of a step are read from the table that is shifted by one: alpha_bar one level early",
    "test_ddim.py::test_step_has_the_given_variance_and_keeps_the_marginals",
    step="any",
    eta=0.3,
)
class PreviousTableTwice(DdpmCore):
    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        if s == 0:
            return x0_hat
        alpha_bar = table(betas)
        eps, at, to = noise_in(alpha_bar, x0_hat, x_t, t), alpha_bar[t - 1], alpha_bar[s - 1]
        sigma = eta * np.sqrt((1 - at / to) * (1 - to) / (1 - at))
        along = np.sqrt(1 - to - sigma**2)
        return np.sqrt(to) * x0_hat + along * eps + sigma * noise


@known(
    "A33-inverse-ddim-wrong-level",
    "huggingface/diffusers #5145, PR #5832",
    "on the way up the noise is predicted at one level and taken out at another",
    "test_ddim.py::test_inversion_evaluates_at_the_current_timestep",
)
class WrongLevelOnTheWayUp(DdpmCore):
    def encode(self, spec: SamplingSpec, x: Array, timestep: int) -> Array:
        alpha_bar = table(spec.betas)
        for s, t in pairwise(t for t in reversed(spec.times) if t >= timestep):
            eps = noise_in(alpha_bar, spec.denoiser(x, t), x, t)
            x_0 = (x - np.sqrt(1 - alpha_bar[s]) * eps) / np.sqrt(alpha_bar[s])
            x = np.sqrt(alpha_bar[t]) * x_0 + np.sqrt(1 - alpha_bar[t]) * eps
        return x


@known(
    "A23-2m-uses-previous-h",
    "crowsonkb/k-diffusion #56",
    "the exponential factor is that of the step before",
    "test_dpm_solver.py::test_output_distribution_matches_the_recursion",
    sampler="dpm++2m",
    event=(2,),
)
class PreviousStepLength(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        alpha_bar, x, before, h_before = table(spec.betas), x_T, None, None
        for t, s in pairwise(spec.times):
            x0_hat = spec.denoiser(x, t)
            if s == 0:
                return x0_hat
            gain = alpha_bar[s] / (1 - alpha_bar[s]) * (1 - alpha_bar[t]) / alpha_bar[t]
            h = used = np.log(gain) / 2
            extrapolated = x0_hat
            if before is not None:
                extrapolated = x0_hat + h / (2 * h_before) * (x0_hat - before)
                used = h_before
            sigmas = np.sqrt((1 - alpha_bar[s]) / (1 - alpha_bar[t]))
            x = sigmas * x - np.sqrt(alpha_bar[s]) * np.expm1(-used) * extrapolated
            before, h_before = x0_hat, h
        return x


@known(
    "N07-ddim-x0-of-eps-rederived",
    "openai/improved-diffusion #110",
    "eps is worked out again from x0_hat where nothing was clipped: the same number",
    "test_ddim.py::test_output_distribution_matches_the_recursion",
    right=True,
    eta=0.7,
    event=(2,),
)
class NoiseWorkedOutAgain(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        alpha_bar = table(spec.betas)

        def again(x_t: Array, t: int) -> Array:
            x0_hat = spec.denoiser(x_t, t)
            eps = noise_in(alpha_bar, x0_hat, x_t, t)
            return (x_t - np.sqrt(1 - alpha_bar[t]) * eps) / np.sqrt(alpha_bar[t])

        return super().sample(spec._replace(denoiser=again), x_T, noises)
