"""Known bugs of the variational bound, and a benign variant."""

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas, Denoiser, Gaussian, Times
from .registry import column, known, table


@known(
    "V02-prior-std-is-variance",
    "Michedev/DDPMs-Pytorch @08cff5b",
    "the prior's term uses the variance 1 - alpha_bar as a standard deviation",
    "test_likelihood.py::test_each_term_is_a_kl_or_a_decoder_likelihood",
    variance="fixed_small",
)
class PriorStdIsVariance(DdpmCore):
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
        terms = super().vlb_of_denoiser(betas, variance, x_0, denoiser, noises, grey_levels, times)
        signal = table(betas)[times[0]]
        mean, std = np.sqrt(signal) * x_0, 1 - signal
        each = (std**2 + mean**2 - 1) / 2 - np.log(std)
        return np.concatenate([terms[:-1], each.reshape(1, len(x_0), -1).sum(axis=2)])


@known(
    "P05-learned-range-linear",
    "huggingface/diffusers PR #2090",
    "a learned variance is interpolated between the two ends, not between their logs",
    "test_learned_variance.py::test_learned_variance_interpolates_in_log_space",
)
class LinearInterpolation(DdpmCore):
    def learned_kernel(
        self, betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
    ) -> Gaussian:
        low, high = (
            super(LinearInterpolation, self).learned_kernel(betas, x0_hat, x_t, end, s, t)
            for end in (0 * interpolation, 0 * interpolation + 1)
        )
        return Gaussian(low.mean, interpolation * high.var + (1 - interpolation) * low.var)

    def learned_step(
        self,
        betas: Betas,
        x0_hat: Array,
        x_t: Array,
        interpolation: Array,
        s: int,
        t: int,
        noise: Array,
    ) -> Array:
        times = np.full(len(x_t), s), np.full(len(x_t), t)
        mean, var = self.learned_kernel(betas, x0_hat, x_t, interpolation, *times)
        return mean + np.sqrt(var) * noise if s else mean


@known(
    "P06-learned-range-strided-max",
    "huggingface/diffusers PR #3006",
    "the upper end of a learned variance is that of one step, for any stride",
    "test_learned_variance.py::test_learned_variance_interpolates_in_log_space",
)
class UpperEndOfOneStep(DdpmCore):
    def learned_kernel(
        self, betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
    ) -> Gaussian:
        mean, var = super().learned_kernel(betas, x0_hat, x_t, interpolation, s, t)
        alpha_bar = table(betas)
        one, whole = (column(1 - alpha_bar[t] / alpha_bar[low], x_t) for low in (t - 1, s))
        return Gaussian(mean, var * (one / whole) ** interpolation)


@known(
    "N03-kl-via-std",
    "openai/improved-diffusion #119",
    "2 (log std2 - log std1) where others write log var2 - log var1: the same number",
    "test_losses.py::test_gaussian_kl_matches_the_densities",
    benign=True,
)
class KlByStds(DdpmCore):
    def gaussian_kl(self, left: Gaussian, right: Gaussian) -> Array:
        logs = 2 * (np.log(np.sqrt(right.var)) - np.log(np.sqrt(left.var)))
        return (logs + (left.var + (left.mean - right.mean) ** 2) / right.var - 1) / 2
