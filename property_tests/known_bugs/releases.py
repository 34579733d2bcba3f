"""Known bugs of current releases; docs/findings.md has a program for each."""

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import ANCESTRAL, Array, Betas, Gaussian, SamplingSpec, Times
from .registry import column, known, table


@known(
    "F12-standard-deviations-subtracted",
    "lucidrains/imagen-pytorch #293; dalle2-pytorch 1.15.6",
    "the noise of a step is the difference of two standard deviations, not of their squares",
    "test_forward_process.py::test_kernel_is_the_composition_of_its_steps",
)
class DifferenceOfDeviations(DdpmCore):
    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Gaussian:
        low, high = (column(table(betas)[each], x_s) for each in (s, t))
        ratio = np.sqrt(high / low)
        added = np.sqrt(1 - high) - np.sqrt(1 - low) * ratio
        return Gaussian(ratio * x_s, added**2 + 0 * x_s)


@known(
    "P07-variance-of-the-timestep-before",
    "bionemo-moco 0.0.2.2",
    "the variance of a step from t is that of t - 1, because its table is shifted by one",
    "test_posterior.py::test_mean_and_variance_match_bayes",
    step="one step",
    part="var",
)
class ShiftedVariance(DdpmCore):
    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        before = np.maximum(s - 1, 0), np.maximum(t - 1, 1)
        mean = super().q_posterior(betas, x_0, x_t, s, t).mean
        return Gaussian(mean, super().q_posterior(betas, x_0, x_t, *before).var)

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        if variance != "fixed_small" or s == 0:
            return super().reverse_step(betas, variance, x0_hat, x_t, s, t, noise)
        times = np.full(len(x_t), s), np.full(len(x_t), t)
        mean, var = self.q_posterior(betas, x0_hat, x_t, *times)
        return mean + np.sqrt(var) * noise


@known(
    "A34-ancestral-step-of-one-timestep",
    "huggingface/diffusers PR #2076; MONAI 1.6.1",
    "each step goes to t - 1, however far the next of fewer timesteps is",
    "test_samplers.py::test_output_distribution_matches_the_recursion",
    variance="fixed_small",
    event=(2,),
)
class StepOfOneTimestep(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        if spec.sampler not in ANCESTRAL:
            return super().sample(spec, x_T, noises)
        x, remaining = x_T, [*noises, 0 * x_T]
        for t, noise in zip(spec.times[:-1], remaining, strict=False):
            x0_hat = spec.denoiser(x, t)
            x = self.reverse_step(spec.betas, spec.sampler, x0_hat, x, t - 1, t, noise)
        return x


@known(
    "A35-ddim-stride-of-t-over-n",
    "huggingface/diffusers #11347; MONAI 1.6.1",
    "each step goes T // n timesteps down, wherever the next of the timesteps is",
    "test_ddim.py::test_output_distribution_matches_the_recursion",
    event=(2,),
    eta=0.0,
)
class StrideOfTOverN(DdpmCore):
    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        if spec.sampler != "ddim":
            return super().sample(spec, x_T, noises)
        x, remaining = x_T, [*noises, 0 * x_T]
        stride = len(spec.betas) // len(spec.times[:-1])
        for t, noise in zip(spec.times[:-1], remaining, strict=False):
            x0_hat, s = spec.denoiser(x, t), max(t - stride, 0)
            x = self.ddim_step(spec.betas, spec.eta, x0_hat, x, s, t, noise)
        return x
