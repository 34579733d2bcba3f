"""The methods of our own implementation on latents."""

from collections.abc import Callable

import torch

from ddpm_core.latent import (
    LatentScale,
    LatentSpace,
    autoencoder_loss,
    latent_bound,
    posterior_of,
)
from ddpm_core.losses import kl_to_noise
from ddpm_core.storage.saved_autoencoder import draw_noise

from ...protocol import Array, Autoencoder, AutoencoderTerms, Gaussian, Scale
from .arrays import array, gaussian_tensors, given, made, tensor


class Latents:
    """The methods of `protocol.Implementation` on latents, in float64."""

    def latent_draw(self, moments: Array, noise: Array) -> Array:
        return array(posterior_of(tensor(moments)).sample(tensor(noise)))

    def latent_kl(self, moments: Array) -> Array:
        return array(kl_to_noise(posterior_of(tensor(moments))))

    def autoencoder_loss(
        self, x: Array, x_hat: Array, moments: Array, kl_weight: float, gradient_weight: float
    ) -> Array:
        arguments = tensor(x), tensor(x_hat), posterior_of(tensor(moments))
        loss = autoencoder_loss(*arguments, kl_weight, gradient_weight)
        return array(loss.total.per_sample)

    def autoencoder_terms(
        self, x: Array, x_hat: Array, moments: Array, kl_weight: float, gradient_weight: float
    ) -> AutoencoderTerms:
        arguments = tensor(x), tensor(x_hat), posterior_of(tensor(moments))
        loss = autoencoder_loss(*arguments, kl_weight, gradient_weight)
        return AutoencoderTerms(*(array(getattr(loss, each)) for each in AutoencoderTerms._fields))

    def latent_scale(self, latents: Array) -> Scale:
        found = LatentScale.measured(tensor(latents))
        return Scale(array(found.shift), array(found.scale))

    def to_latents(self, autoencoder: Autoencoder, x: Array, noise: Array | None) -> Array:
        drawn = None if noise is None else tensor(noise)
        return array(_space(autoencoder).encode(tensor(x), drawn))

    def from_latents(self, autoencoder: Autoencoder, y: Array) -> Array:
        return array(_space(autoencoder).decode(tensor(y)))

    def draw_latents(self, autoencoder: Autoencoder, x: Array, seed: int) -> Array:
        distribution = _space(autoencoder).distribution(tensor(x))
        noise = draw_noise(seed, distribution.mean, torch.arange(len(x), device="cpu"))
        return array(distribution.sample(noise))

    def latent_bound(
        self,
        x_0: Array,
        y: Array,
        distribution: Gaussian,
        decoder: Gaussian,
        nats: Array,
        grey_levels: int | None,
    ) -> Array:
        both = gaussian_tensors(distribution), gaussian_tensors(decoder)
        return array(latent_bound(tensor(x_0), tensor(y), *both, tensor(nats), grey_levels))


def _scale(shift: tuple[float, ...], scale: tuple[float, ...]) -> LatentScale:
    return LatentScale(
        *(torch.tensor(each, dtype=torch.float64, device="cpu") for each in (shift, scale))
    )


def _space(autoencoder: Autoencoder) -> LatentSpace:
    def on_tensors(function: Callable[[Array], Array]) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: tensor(function(given(x)))

    scale = made(_scale, *(tuple(each.tolist()) for each in autoencoder.scale))
    return LatentSpace(on_tensors(autoencoder.encoder), on_tensors(autoencoder.decoder), scale)
