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

from ...protocol import Array, Autoencoder, Gaussian, Scale
from .arrays import gaussian_tensors, tensor


class Latents:
    """The methods of `protocol.Implementation` on latents, in float64."""

    def latent_draw(self, moments: Array, noise: Array) -> Array:
        return posterior_of(tensor(moments)).sample(tensor(noise)).numpy()

    def latent_kl(self, moments: Array) -> Array:
        return kl_to_noise(posterior_of(tensor(moments))).numpy()

    def autoencoder_loss(
        self, x: Array, x_hat: Array, moments: Array, kl_weight: float, gradient_weight: float
    ) -> Array:
        arguments = tensor(x), tensor(x_hat), posterior_of(tensor(moments))
        loss = autoencoder_loss(*arguments, kl_weight, gradient_weight)
        return loss.total.per_sample.numpy()

    def latent_scale(self, latents: Array) -> Scale:
        found = LatentScale.measured(tensor(latents))
        return Scale(found.shift.numpy(), found.scale.numpy())

    def to_latents(self, autoencoder: Autoencoder, x: Array, noise: Array | None) -> Array:
        given = None if noise is None else tensor(noise)
        return _space(autoencoder).encode(tensor(x), given).numpy()

    def from_latents(self, autoencoder: Autoencoder, y: Array) -> Array:
        return _space(autoencoder).decode(tensor(y)).numpy()

    def draw_latents(self, autoencoder: Autoencoder, x: Array, seed: int) -> Array:
        distribution = _space(autoencoder).distribution(tensor(x))
        noise = draw_noise(seed, distribution.mean, torch.arange(len(x)))
        return distribution.sample(noise).numpy()

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
        return latent_bound(tensor(x_0), tensor(y), *both, tensor(nats), grey_levels).numpy()


def _space(autoencoder: Autoencoder) -> LatentSpace:
    def on_tensors(function: Callable[[Array], Array]) -> Callable[[torch.Tensor], torch.Tensor]:
        return lambda x: tensor(function(x.numpy()))

    scale = LatentScale(tensor(autoencoder.scale.shift), tensor(autoencoder.scale.scale))
    return LatentSpace(on_tensors(autoencoder.encoder), on_tensors(autoencoder.decoder), scale)
