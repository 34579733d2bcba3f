"""The part of the interface on latents."""

from typing import Protocol

from .nouns import Array, Autoencoder, AutoencoderTerms, Gaussian, Scale


class Latents(Protocol):
    """The methods on latents; moments have the shape (batch, 2 channels, *position)."""

    def latent_draw(self, moments: Array, noise: Array) -> Array:
        """Return latents with means moments[:, :channels]; the rest are their log variances."""

    def latent_kl(self, moments: Array) -> Array:
        """Return KL(N(mean, variance) || N(0, 1)), summed over each sample in nats, (batch,)."""

    def autoencoder_loss(
        self, x: Array, x_hat: Array, moments: Array, kl_weight: float, gradient_weight: float
    ) -> Array:
        """Return the loss of each image (batch, channels, height, width), of shape (batch,).

        It is the mean squared error, plus kl_weight KL / (elements of an image), plus
        gradient_weight times the mean squared differences of the error between neighbouring pixels,
        vertically and horizontally.
        """

    def autoencoder_terms(
        self, x: Array, x_hat: Array, moments: Array, kl_weight: float, gradient_weight: float
    ) -> AutoencoderTerms:
        """Return the unweighted terms that are reported with that loss; gradient_weight > 0."""

    def latent_scale(self, latents: Array) -> Scale:
        """Return mean and standard deviation of each channel, over samples and positions."""

    def to_latents(self, autoencoder: Autoencoder, x: Array, noise: Array | None) -> Array:
        """Return scaled latents of x: their means or, with noise, a sample."""

    def from_latents(self, autoencoder: Autoencoder, y: Array) -> Array:
        """Decode scaled latents."""

    def draw_latents(self, autoencoder: Autoencoder, x: Array, seed: int) -> Array:
        """Sample with the implementation's own noise, which depends on x and seed."""

    def latent_bound(
        self,
        x_0: Array,
        y: Array,
        distribution: Gaussian,
        decoder: Gaussian,
        nats: Array,
        grey_levels: int | None,
    ) -> Array:
        """Return log q(y | x_0) + nats - log p(x_0 | y) of each sample, where nats = -log p(y).

        `distribution` is q(y | x_0). `decoder` is p(x_0 | y), a density if grey_levels is None.
        """
