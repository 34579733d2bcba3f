"""Benign variants: reported as bugs, but correct. The suite must not flag them."""

from typing import Any

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import (
    Array,
    Averages,
    Betas,
    Denoiser,
    Gaussian,
    Layout,
    Times,
)
from .registry import column, known, table


@known(
    "N01-cosine-steps-over-steps",
    "lucidrains/denoising-diffusion-pytorch #19",
    "linspace(0, T + 1, T + 1) / (T + 1) is linspace(0, T, T + 1) / T",
    "test_schedules.py::test_built_in_schedules_match_their_definition",
    benign=True,
    family="cosine",
    T=21,
)
class CosineStepsOverSteps(DdpmCore):
    unit_roundoff = 2.0**-50  # its cosines and quotients lose precision

    def schedule(self, name: str, T: int) -> Array:
        if name != "cosine":
            return super().schedule(name, T)
        x = np.linspace(0, T + 1, T + 1) / (T + 1)
        f = np.cos((x + 0.008) / 1.008 * np.pi / 2) ** 2
        return table(tuple(np.minimum(1 - f[1:] / f[:-1], 0.999)))


@known(
    "N05-ema-lerp-argument-order",
    "openai/guided-diffusion #26",
    "targ * rate + src * (1 - rate), with the rate as the decay",
    "test_ema.py::test_average_is_the_weighted_sum_of_all_weights",
    benign=True,
)
class EmaByProducts(DdpmCore):
    def ema(self, decay: float, weights: Array, buffers: Array) -> Averages:
        decays, _, last = super().ema(decay, weights, buffers)
        rows, average = [], weights[0]
        for d, weight in zip(decays, weights[1:], strict=True):
            average = average * d + weight * (1 - d)
            rows.append(average)
        return Averages(decays, np.array(rows), last)


@known(
    "N11-fixed-large-variance",
    "jhbastek/PhysicsInformedDiffusionModels #4; aqlaboratory/genie #5; zoubohao #18",
    "a table of beta_t whose first entry is the posterior variance at t = 2: never used",
    "test_samplers.py::test_step_is_posterior_mean_plus_scaled_noise",
    benign=True,
    step="one step",
    variance="fixed_large",
)
class FirstEntryOfTimestepTwo(DdpmCore):
    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        mean = self.q_posterior(betas, x0_hat, x_t, np.array([s]), np.array([t])).mean
        table = np.float64(betas)
        if len(betas) > 1:
            table[0] = self.q_posterior(betas, x_t, x_t, np.array([1]), np.array([2])).var.flat[0]
        return mean + (np.sqrt(table[t - 1]) * noise if s > 0 else 0)


@known(
    "N09-sin-cos-interleaved",
    "huggingface/diffusers #3981; facebookresearch/DiT #78",
    "sin, cos, sin, cos, ... with that layout declared",
    "test_embeddings.py::test_entries_are_sines_and_cosines_of_their_angles",
    benign=True,
)
class Interleaved(DdpmCore):
    def embedding(self, t: Times, width: int) -> Array:
        halves = super().embedding(t, width).reshape(len(t), 2, width // 2)
        return np.swapaxes(halves, 1, 2).reshape(len(t), width)

    def embedding_layout(self) -> Layout:
        return super().embedding_layout()._replace(interleaved=True)


@known(
    "N12-what-vanishes-is-rounded",
    "libraries that compute 1 - alpha_bar by subtraction, in float64",
    "1 - alpha_bar_0 is a unit of rounding instead of 0",
    "test_posterior.py::test_mean_and_variance_match_bayes",
    benign=True,
    step="any",
    part="mean",
)
class NearlyNoNoiseInData(DdpmCore):
    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        mean, var = super().q_posterior(betas, x_0, x_t, s, t)
        noise = column(1 - table(betas)[t], x_0)
        unit = (column(s, x_0) == 0) * 2.0**-53
        return Gaussian(mean + unit * (x_0 == 0) * x_t / noise, var + unit)


@known(
    "N13-decoder-variance-of-timestep-two",
    "hojonathanho/diffusion; openai/guided-diffusion and openai/improved-diffusion",
    "the decoder has the posterior variance at t = 2, with that convention declared",
    "test_losses.py::test_reverse_kernel_is_the_posterior_at_the_prediction",
    benign=True,
    variance="fixed_large",
)
class DecoderOfTimestepTwo(DdpmCore):
    def decoder_variance(self, variance: str) -> str:
        return "beta_tilde_2"

    def reverse_kernel(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: Times, t: Times
    ) -> Gaussian:
        mean, var = super().reverse_kernel(betas, variance, x0_hat, x_t, s, t)
        if len(betas) == 1:
            return Gaussian(mean, var)
        beta_1, beta_2 = betas[:2]
        to_beta_tilde_2 = beta_2 / (beta_1 + beta_2 * (1 - beta_1))
        factor = np.where((s == 0) & (t == 1), to_beta_tilde_2, 1.0)
        return Gaussian(mean, var * column(factor, x_t))

    def vlb_of_denoiser(
        self,
        betas: Betas,
        variance: str,
        x_0: Array,
        denoiser: Denoiser,
        noises: list[Array],
        grey_levels: int | None,
        times: tuple[int, ...],
    ) -> Array:
        def reverse(x_t: Array, s: Times, t: Times) -> Gaussian:
            return self.reverse_kernel(betas, variance, denoiser(x_t, int(t[0])), x_t, s, t)

        return self.vlb_terms(betas, x_0, reverse, noises, grey_levels, times)

    def stratified_vlb_of_denoiser(
        self, betas: Betas, variance: str, x_0: Array, denoiser: Any, *options: Any
    ) -> Array:
        def reverse(x_t: Array, s: Times, t: Times) -> Gaussian:
            return self.reverse_kernel(betas, variance, denoiser(x_t, t), x_t, s, t)

        return self.stratified_vlb(betas, x_0, reverse, *options)
