"""Known bugs of conversions, losses, seeds, images, averages and embeddings."""

import numpy as np
from numpy.typing import NDArray

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Averages, Betas, Draw, Times
from .registry import bfloat16, known


@known(
    "C03-v-sign-proposed",
    "huggingface/diffusers #1481",
    "x_0 = sqrt(alpha_bar) x_t + sqrt(1 - alpha_bar) v: the sign that the report asked for",
    "test_parameterization.py::test_conversion_solves_the_definitions",
    source="v",
    target="x0",
)
class VSign(DdpmCore):
    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        sign = -1 if source == "v" else 1
        return super().convert(betas, source, target, sign * value, x_t, t)


@known(
    "L13-timesteps-exclude-zero",
    "dome272/Diffusion-Models-pytorch @0a909fc",
    "timestep 1 is never trained",
    "test_losses.py::test_training_samples_follow_the_marginal",
    betas=(0.1, 0.5, 0.3, 0.8),
)
class FirstTimestepNeverTrained(DdpmCore):
    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        t, noise, _ = super().training_draw(betas, x_0, seed)
        t = np.where(t == 1, 2, t)
        return Draw(t, noise, self.q_sample(betas, x_0, t, noise))


@known(
    "L04-min-snr-zero-terminal",
    "TiankaiHang/Min-SNR-Diffusion-Training PR #4; huggingface/diffusers PR #5177",
    "min(SNR, gamma) / SNR where SNR is 0",
    "test_losses.py::test_min_snr_weight_at_zero_snr_is_its_limit",
    betas=(0.1, 0.5, 0.3, 0.8),
    name="eps",
    limit=1,
)
class ZeroOverZero(DdpmCore):
    def loss_weight(
        self, betas: Betas, name: str, t: Times, gamma: float, zero_terminal: bool
    ) -> Array:
        of_x0 = super().loss_weight(betas, "x0", t, gamma, zero_terminal)
        snr = super().loss_weight(betas, "x0", t, np.inf, zero_terminal)
        correct = super().loss_weight(betas, name, t, gamma, zero_terminal)
        with np.errstate(invalid="ignore"):
            return of_x0 / snr if name == "eps" else correct


@known(
    "L11-weight-cross-product",
    "Tencent-Hunyuan/UniRL #447; HannesStark/boltzgen PR #230",
    "losses (batch,) times weights (batch, 1): every loss is multiplied by every weight",
    "test_losses.py::test_each_sample_loss_has_its_own_weight",
)
class EveryWeight(DdpmCore):
    def weighted_loss(self, prediction: Array, target: Array, weight: Array) -> Array:
        return (self.loss(prediction, target) * weight[:, None]).mean(axis=0)


@known(
    "L19-seed-zero-is-falsy",
    "huggingface/diffusers PR #10964",
    "`if seed:` treats seed 0 as no seed, so that its runs are not reproducible",
    "test_contract.py::test_equal_seeds_give_equal_draws",
)
class SeedZero(DdpmCore):
    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        fresh = int(np.random.SeedSequence().entropy % 2**32)
        return super().training_draw(betas, x_0, seed or fresh)


@known(
    "L21-data-not-normalised",
    "lucidrains/denoising-diffusion-pytorch 16c9ae7; mlcommons/training #721",
    "images are in [0, 1]",
    "test_images.py::test_grey_levels_span_minus_one_to_one",
    grey_levels=17,
)
class UnitRange(DdpmCore):
    def to_unit_range(self, images: NDArray[np.uint8], grey_levels: int) -> Array:
        return images / (grey_levels - 1)


@known(
    "E02-ema-buffers-not-copied",
    "lucidrains/ema-pytorch #8",
    "the copy retains its initial buffers",
    "test_ema.py::test_buffers_are_copied",
)
class StaleBuffers(DdpmCore):
    def ema(self, decay: float, weights: Array, buffers: Array) -> Averages:
        return super().ema(decay, weights, buffers)._replace(buffers=buffers[0])


@known(
    "T04-timestep-through-bf16",
    "huggingface/diffusers #9405; modelscope/DiffSynth-Studio PR #1025",
    "t is cast to bfloat16 before the sinusoid: 937 becomes 936",
    "test_embeddings.py::test_entries_are_sines_and_cosines_of_their_angles",
)
class TimeInBfloat16(DdpmCore):
    def embedding(self, t: Times, width: int) -> Array:
        return super().embedding(bfloat16(t.astype(np.float64)).astype(np.int64), width)
