"""Known bugs of DDIM and of solvers of the probability-flow ODE."""

from itertools import pairwise

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas, SamplingSpec
from .registry import known, table


def predicted_noise(alpha_bar: Array, x0_hat: Array, x_t: Array, t: int) -> Array:
    """Return the noise prediction that corresponds to x0_hat."""
    return (x_t - np.sqrt(alpha_bar[t]) * x0_hat) / np.sqrt(1 - alpha_bar[t])


@known(
    "A05-ddim-uses-prev-table-twice",
    "lucidrains/denoising-diffusion-pytorch #81",
    "both ends of a step use the table shifted by one: alpha_bar one timestep early",
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
        eps = predicted_noise(alpha_bar, x0_hat, x_t, t)
        at_t, at_s = alpha_bar[t - 1], alpha_bar[s - 1]
        sigma = eta * np.sqrt((1 - at_t / at_s) * (1 - at_s) / (1 - at_t))
        direction = np.sqrt(1 - at_s - sigma**2)
        return np.sqrt(at_s) * x0_hat + direction * eps + sigma * noise


@known(
    "A33-inverse-ddim-wrong-level",
    "huggingface/diffusers #5145, PR #5832",
    "inversion predicts the noise at one timestep and removes it at another",
    "test_ddim.py::test_inversion_evaluates_at_the_current_timestep",
)
class WrongTimestepOfInversion(DdpmCore):
    def encode(self, spec: SamplingSpec, x: Array, timestep: int) -> Array:
        alpha_bar = table(spec.betas)
        for s, t in pairwise(t for t in reversed(spec.times) if t >= timestep):
            eps = predicted_noise(alpha_bar, spec.denoiser(x, t), x, t)
            x_0 = (x - np.sqrt(1 - alpha_bar[s]) * eps) / np.sqrt(alpha_bar[s])
            x = np.sqrt(alpha_bar[t]) * x_0 + np.sqrt(1 - alpha_bar[t]) * eps
        return x


@known(
    "A23-2m-uses-previous-h",
    "crowsonkb/k-diffusion #56",
    "the exponential factor is that of the preceding step",
    "test_dpm_solver.py::test_output_distribution_matches_the_recursion",
    sampler="dpm++2m",
    event=(2,),
)
class PreviousStepLength(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        alpha_bar, x, previous, h_previous = table(spec.betas), x_T, None, None
        for t, s in pairwise(spec.times):
            x0_hat = spec.denoiser(x, t)
            if s == 0:
                return x0_hat
            snr_ratio = alpha_bar[s] / (1 - alpha_bar[s]) * (1 - alpha_bar[t]) / alpha_bar[t]
            h = used = np.log(snr_ratio) / 2
            extrapolated = x0_hat
            if previous is not None:
                extrapolated = x0_hat + h / (2 * h_previous) * (x0_hat - previous)
                used = h_previous
            sigmas = np.sqrt((1 - alpha_bar[s]) / (1 - alpha_bar[t]))
            x = sigmas * x - np.sqrt(alpha_bar[s]) * np.expm1(-used) * extrapolated
            previous, h_previous = x0_hat, h
        return x


@known(
    "N07-ddim-x0-of-eps-rederived",
    "openai/improved-diffusion #110",
    "eps is recomputed from an unclipped x0_hat: the same number",
    "test_ddim.py::test_output_distribution_matches_the_recursion",
    benign=True,
    eta=0.7,
    event=(2,),
)
class NoiseRecomputed(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        alpha_bar = table(spec.betas)

        def rederived(x_t: Array, t: int) -> Array:
            x0_hat = spec.denoiser(x_t, t)
            eps = predicted_noise(alpha_bar, x0_hat, x_t, t)
            return (x_t - np.sqrt(1 - alpha_bar[t]) * eps) / np.sqrt(alpha_bar[t])

        return super().sample(spec._replace(denoiser=rederived), x_T, noises)
