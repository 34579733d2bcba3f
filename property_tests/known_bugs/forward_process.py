"""Known bugs of the forward process."""

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas, Draw, Times
from .registry import bfloat16, column, known, table


@known(
    "F02-q-sample-missing-sqrt",
    "Ryota-Kawamura/How-Diffusion-Models-Work #1",
    "the noise is scaled by 1 - alpha_bar without the root",
    "test_forward_process.py::test_sample_is_mean_plus_scaled_noise",
)
class MissingRoot(DdpmCore):
    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        alpha_bar = column(table(betas)[t], x_0)
        return np.sqrt(alpha_bar) * x_0 + (1 - alpha_bar) * noise


@known(
    "F06-add-noise-ignores-argument",
    "huggingface/diffusers PR #3839",
    "new noise is drawn, so that the target is independent of x_t",
    "test_losses.py::test_training_sample_contains_the_returned_noise",
)
class IgnoresNoise(DdpmCore):
    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        t, noise, _ = super().training_draw(betas, x_0, seed)
        other = np.random.default_rng(seed).standard_normal(x_0.shape)
        return Draw(t, noise, self.q_sample(betas, x_0, t, other))


@known(
    "F09-coef-not-reshaped",
    "DSaurus/threestudio-3dgs #17; IrisRainbowNeko/HCP-Diffusion PR #82",
    "a coefficient of shape (batch,) times (batch, ..., width): no error if batch == width",
    "test_forward_process.py::test_sample_is_mean_plus_scaled_noise",
)
class CoefficientAlongWidth(DdpmCore):
    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        if x_0.shape[-1] != len(t):
            return super().q_sample(betas, x_0, t, noise)
        alpha_bar = table(betas)[t]
        return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise


@known(
    "F11-add-noise-in-bf16",
    "huggingface/diffusers PR #9004",
    "alpha_bar is cast to bfloat16 before 1 - alpha_bar is computed: no noise at small t",
    "test_forward_process.py::test_sample_is_mean_plus_scaled_noise",
)
class Bfloat16AlphaBar(DdpmCore):
    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        alpha_bar = column(bfloat16(table(betas))[t], x_0)
        return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise
