"""Known bugs of latents: sampling, and the scale that is applied once in each direction."""

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Autoencoder, Scale
from .registry import known

ROUND_TRIP = "test_latent_scale.py::test_decoding_inverts_encoding"


@known(
    "Z01-scale-missing-at-decode",
    "huggingface/diffusers #5166",
    "latents are scaled before diffusion and decoded without unscaling",
    ROUND_TRIP,
)
class DecodedWithoutTheScale(DdpmCore):
    def from_latents(self, autoencoder: Autoencoder, y: Array) -> Array:
        return autoencoder.decoder(y)


@known(
    "Z02-shift-missing-at-encode",
    "huggingface/diffusers #8887, #8708",
    "training multiplies by the scale only, sampling also adds the shift",
    ROUND_TRIP,
)
class EncodedWithoutTheShift(DdpmCore):
    def to_latents(self, autoencoder: Autoencoder, x: Array, noise: Array | None) -> Array:
        unshifted = Scale(0 * autoencoder.scale.shift, autoencoder.scale.scale)
        return super().to_latents(autoencoder._replace(scale=unshifted), x, noise)


@known(
    "Z03-shift-missing-at-decode",
    "huggingface/diffusers PR #14671",
    "one pipeline subtracts the shift and never adds it back",
    ROUND_TRIP,
)
class DecodedWithoutTheShift(DdpmCore):
    def from_latents(self, autoencoder: Autoencoder, y: Array) -> Array:
        unshifted = Scale(0 * autoencoder.scale.shift, autoencoder.scale.scale)
        return super().from_latents(autoencoder._replace(scale=unshifted), y)


@known(
    "Z04-scaled-after-decoding",
    "priyammaz/PyTorch-Adventures #4",
    "the scale is applied to the image instead of its latents",
    ROUND_TRIP,
)
class ScaledAfterDecoding(DdpmCore):
    def from_latents(self, autoencoder: Autoencoder, y: Array) -> Array:
        shape = (1, -1, *[1] * (y.ndim - 2))
        scale, shift = (
            autoencoder.scale.scale.reshape(shape),
            autoencoder.scale.shift.reshape(shape),
        )
        return autoencoder.decoder(y) * scale + shift


@known(
    "Z05-scale-of-another-autoencoder",
    "hpcaitech/Open-Sora #493",
    "the scale of one released autoencoder is hard-coded for all of them",
    "test_latent_scale.py::test_scaled_latents_have_mean_0_and_variance_1",
)
class HardCodedScale(DdpmCore):
    def latent_scale(self, latents: Array) -> Scale:
        channels = latents.shape[1]
        return Scale(np.zeros(channels), np.full(channels, 1 / 0.18215))


@known(
    "Z06-std-is-variance",
    "rachtsingh/ibp_vae #3; rishikksh20/vae_tacotron2 #3",
    "the noise is multiplied by the exponential of the log variance, without the half",
    "test_latent.py::test_latent_sample_is_mean_plus_scaled_noise",
)
class StdIsVariance(DdpmCore):
    def latent_draw(self, moments: Array, noise: Array) -> Array:
        mean, log_var = np.split(moments, 2, axis=1)
        return mean + np.exp(log_var) * noise


@known(
    "Z07-kl-of-log-variances",
    "AntixK/PyTorch-VAE #69",
    "-(1 + log var - mean^2 - var) / 2, reported to confuse log variance and log std: it does not",
    "test_latent.py::test_latent_kl_is_the_divergence_from_standard_normal",
    benign=True,
)
class KlOfLogVariances(DdpmCore):
    def latent_kl(self, moments: Array) -> Array:
        mean, log_var = np.split(moments.reshape(len(moments), moments.shape[1], -1), 2, axis=1)
        return -0.5 * (1 + log_var - mean**2 - np.exp(log_var)).sum(axis=(1, 2))
