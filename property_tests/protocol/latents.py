"""The part of the surface under test that speaks of latents."""

from typing import Protocol

from .nouns import Array, Coder, Normal, Scale


class Latents(Protocol):
    """What an implementation offers of them; moments are (batch, 2 channels, *position)."""

    def latent_draw(self, moments: Array, noise: Array) -> Array:
        """Latents of means moments[:, :channels], the rest being the logs of their variances."""

    def latent_kl(self, moments: Array) -> Array:
        """KL(N(mean, variance) || N(0, 1)) of all latents of each sample in nats, (batch,)."""

    def autoencoder_loss(
        self, x: Array, x_hat: Array, moments: Array, kl_weight: float, gradient_weight: float
    ) -> Array:
        """The loss of each image (batch, channels, height, width), which is (batch,).

        The mean squared error, kl_weight KL / (numbers of an image), and gradient_weight times the
        mean squares of what errors differ by from the pixel above and from the pixel to the left.
        """

    def latent_scale(self, latents: Array) -> Scale:
        """Mean and standard deviation of each channel, over samples and positions."""

    def to_latents(self, coder: Coder, x: Array, noise: Array | None) -> Array:
        """Scaled latents of x: their means or, with noise, a draw."""

    def from_latents(self, coder: Coder, y: Array) -> Array:
        """What the decoder makes of scaled latents."""

    def draw_latents(self, coder: Coder, x: Array, seed: int) -> Array:
        """The same draw with the implementation's own noise, another one for each x and seed."""

    def latent_bound(
        self,
        x_0: Array,
        y: Array,
        distribution: Normal,
        decoder: Normal,
        nats: Array,
        grey_levels: int | None,
    ) -> Array:
        """log q(y | x_0) + nats - log p(x_0 | y) of each sample, where nats are -log p(y).

        `distribution` is q(y | x_0), `decoder` p(x_0 | y), a density where grey_levels is None.
        """
