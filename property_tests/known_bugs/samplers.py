"""Known bugs of the posterior and of ancestral samplers."""

from itertools import pairwise

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas, Gaussian, SamplingSpec, Times, Trajectory
from .registry import column, known, table


@known(
    "P04-prev-zero-at-start",
    "gmongaras/Diffusion_models_from_scratch @024e5ac",
    "alpha_bar before the first step is 0 instead of 1: x_0 is ignored there",
    "test_posterior.py::test_mean_and_variance_match_bayes",
    step="one step",
    part="mean",
)
class PrevZero(DdpmCore):
    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        alpha_bar = table(betas)
        at_t, at_s = alpha_bar[t], np.where(s == 0, 0.0, alpha_bar[s])
        alpha = alpha_bar[t] / alpha_bar[s]
        coef_x0 = column(np.sqrt(at_s) * (1 - alpha) / (1 - at_t), x_0)
        coef_xt = column(np.sqrt(alpha) * (1 - at_s) / (1 - at_t), x_0)
        var = column((1 - alpha) * (1 - at_s) / (1 - at_t), x_0)
        return Gaussian(coef_x0 * x_0 + coef_xt * x_t, var + 0 * x_0)


@known(
    "P09-eps-coefficient-one-minus-alpha-bar",
    "coleygroup/shepherd PR #14",
    "the reverse mean subtracts (1 - alpha_bar) / sqrt(1 - alpha_bar) eps instead of beta / ...",
    "test_samplers.py::test_step_is_posterior_mean_plus_scaled_noise",
    step="one step",
    variance="fixed_small",
)
class EpsCoefficient(DdpmCore):
    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        alpha_bar = table(betas)
        alpha, sigma = alpha_bar[t] / alpha_bar[s], np.sqrt(1 - alpha_bar[t])
        eps = (x_t - np.sqrt(alpha_bar[t]) * x0_hat) / sigma
        mean = (x_t - (1 - alpha_bar[t]) / sigma * eps) / np.sqrt(alpha)
        correct = super().reverse_step(betas, variance, x0_hat, x_t, s, t, 0 * noise)
        return mean + super().reverse_step(betas, variance, x0_hat, x_t, s, t, noise) - correct


@known(
    "A02-predicted-noise-reused",
    "IDEALLab/EngiOpt #66",
    "the network's noise prediction is used instead of fresh noise",
    "test_samplers.py::test_output_distribution_matches_the_recursion",
    variance="fixed_small",
    event=(2,),
)
class PredictedNoise(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        betas, variance, times, denoiser, *_ = spec
        alpha_bar, x = table(betas), x_T
        for t, s in pairwise(times):
            x0_hat = denoiser(x, t)
            eps = (x - np.sqrt(alpha_bar[t]) * x0_hat) / np.sqrt(1 - alpha_bar[t])
            x = self.reverse_step(betas, variance, x0_hat, x, s, t, eps)
        return x


@known(
    "A19-state-in-half-precision",
    "ddpm_core before 0.1.0",
    "the state has the dtype of the network: bfloat16 rounds each step, and loses the small ones",
    "test_state_precision.py::test_state_of_half_precision_is_as_accurate_as_float32",
    sampler="ddim",
    path="slow",
)
class HalfState(DdpmCore):
    def trajectory(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Trajectory:
        states, predictions = [x_T], []
        for (t, s), noise in zip(pairwise(spec.times), noises, strict=True):
            x_t = states[-1]
            predictions.append(spec.denoiser(x_t, t))
            step = spec.betas, spec.eta, predictions[-1], x_t, s, t, noise
            states.append(self.ddim_step(*step))
        return Trajectory(np.array(spec.times), np.stack(states), np.stack([*predictions, x_T]))
