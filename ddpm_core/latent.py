"""Latents: the encoder's distribution, the autoencoder's loss, and the scale for diffusion."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core._types import Gaussian, check_event, check_same_event, compute_dtype, flat
from ddpm_core.losses import (
    Loss,
    kl_to_noise,
    l_simple,
    log_density,
    log_grey_level,
)

Encoder = Callable[[Tensor], Tensor]
"""encoder(x) -> (batch, 2 channels, ...): means of the latents, then their log variances."""
Decoder = Callable[[Tensor], Tensor]
"""decoder(z) -> x, for latents on the encoder's scale."""


def posterior_of(
    moments: Float[Tensor, "batch moments *position"],
) -> Gaussian:
    """Return q(z | x) from an encoder's output: means, then as many log variances.

    Eq. latent.posterior; Kingma & Welling 2013 (arXiv:1312.6114), appendix C.2. Raises ValueError
    for an odd number of channels.
    """
    check_event("moments", moments)
    if moments.ndim < 2 or moments.shape[1] % 2:
        raise ValueError(
            f"moments have shape {tuple(moments.shape)}; an encoder must output twice the channels "
            "of its latents: means, then log variances"
        )
    mean, log_var = moments.chunk(2, dim=1)
    return Gaussian(mean, log_var.exp())


# --- the loss of an autoencoder -----------------------------------------------------------------


@dataclass(frozen=True)
class AutoencoderLoss:
    """The loss of an autoencoder and its terms, per sample."""

    total: Loss
    reconstruction: Float[Tensor, " batch"]  # mean squared error
    gradient: Float[Tensor, " batch"]  # mean squared error of neighbour differences
    kl: Float[Tensor, " batch"]  # in nats, over all latents of a sample


def autoencoder_loss(
    x: Float[Tensor, "batch channels height width"],
    x_hat: Float[Tensor, "batch channels height width"],
    q: Gaussian,
    kl_weight: float,
    gradient_weight: float = 0.0,
) -> AutoencoderLoss:
    """Return squared error + kl_weight KL(q || N(0, 1)) / (numbers of an image) + weighted edges.

    Eq. latent.loss: if kl_weight is twice a variance, the first two terms are, up to a factor and
    a constant, the bound of a decoder of that variance. x_hat: decoded from a draw of q. The edge
    term is `gradient_error`. Half precision is compared in float32.
    """
    work = compute_dtype(x_hat)
    x, x_hat = x.to(work), x_hat.to(work)
    error = l_simple(x_hat, x).per_sample
    kl = kl_to_noise(Gaussian(q.mean.to(work), q.var.to(work)))
    edges = gradient_error(x_hat, x) if gradient_weight else torch.zeros_like(error)
    total = error + kl_weight * kl / math.prod(x.shape[1:]) + gradient_weight * edges
    return AutoencoderLoss(Loss(total), error, edges, kl)


def gradient_error(
    x_hat: Float[Tensor, "batch channels height width"],
    x: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, " batch"]:
    """Return the mean squared error of neighbour differences, vertical plus horizontal.

    Eq. latent.gradient: in blurred images these differences are too small. Images have at least
    2 x 2 pixels.
    """
    check_same_event("x", x, "x_hat", x_hat)
    if x.ndim != 4 or min(x.shape[2:]) < 2:
        raise ValueError(
            f"images of shape {tuple(x.shape)} have no neighbours both ways; use (batch, channels, "
            "height, width) with at least 2 x 2 pixels, or omit the gradient term"
        )
    error = x_hat - x
    down, across = (flat(error.diff(dim=axis).square()).mean(1) for axis in (2, 3))
    return down + across


# --- the scale on which latents are diffused -----------------------------------------------------


@dataclass(frozen=True, eq=False)
class LatentScale:
    """Shift and scale of each channel, in float64, that give latents mean 0 and variance 1."""

    shift: Float64[Tensor, " channels"]
    scale: Float64[Tensor, " channels"]

    def __post_init__(self) -> None:
        if self.shift.ndim != 1 or self.shift.shape != self.scale.shape:
            raise ValueError(
                f"shift and scale have shapes {tuple(self.shift.shape)} and "
                f"{tuple(self.scale.shape)}; both need one number per channel"
            )
        for channel, value in enumerate(self.scale.tolist()):
            if not 0 < value < float("inf"):
                raise ValueError(
                    f"the scale of channel {channel} is {value}; it must be finite and above 0. A "
                    "constant channel has scale 0: train with fewer latent channels"
                )

    @classmethod
    def measured(cls, latents: Float[Tensor, "n channels *position"]) -> "LatentScale":
        """Measure mean and standard deviation of each channel over all latents and positions.

        Eq. latent.shift and latent.spread: these latents, once scaled, have variance exactly 1.
        Raises ValueError for a constant channel.
        """
        check_event("latents", latents)
        channels = latents.detach().transpose(0, 1).flatten(1)
        moments = [torch.var_mean(each.double(), correction=0) for each in channels]
        var, mean = (torch.stack(each) for each in zip(*moments, strict=True))
        return cls(mean.cpu(), var.sqrt().cpu())

    def apply(self, z: Float[Tensor, "batch channels *position"]) -> Tensor:
        """Return (z - shift) / scale. Eq. latent.scale."""
        shift, scale = self._along(z)
        return ((z.to(shift.dtype) - shift) / scale).to(z.dtype)

    def undo(self, y: Float[Tensor, "batch channels *position"]) -> Tensor:
        """Return scale y + shift, the inverse of `apply`. Eq. latent.unscale."""
        shift, scale = self._along(y)
        return torch.addcmul(shift, scale, y.to(shift.dtype)).to(y.dtype)

    def apply_to_distribution(self, q: Gaussian) -> Gaussian:
        """Return the distribution of `apply(z)` for z drawn from q. Eq. latent.scale."""
        _, scale = self._along(q.mean)
        return Gaussian(
            self.apply(q.mean), (q.var.to(scale.dtype) / scale.square()).to(q.var.dtype)
        )

    def _along(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return shift and scale along z's channel axis, on its device in its compute dtype."""
        check_event("latents", z)
        if z.ndim < 2 or z.shape[1] != len(self.shift):
            raise ValueError(
                f"latents of shape {tuple(z.shape)} do not have the {len(self.shift)} channels of "
                "the scale; the channels must be the second axis"
            )
        shape = (-1, *[1] * (z.ndim - 2))
        shift, scale = (
            each.to(compute_dtype(z)).to(z.device).reshape(shape)
            for each in (self.shift, self.scale)
        )
        return shift, scale


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """An autoencoder and its scale: encodes images to scaled latents, and decodes them."""

    encoder: Encoder
    decoder: Decoder
    scale: LatentScale

    def distribution(self, x: Float[Tensor, " batch *image"]) -> Gaussian:
        """Return q(y | x) of the scaled latents. Eq. latent.posterior and latent.scale."""
        return self.scale.apply_to_distribution(posterior_of(self.encoder(x.clone())))

    def encode(
        self,
        x: Float[Tensor, " batch *image"],
        noise: Float[Tensor, "batch channels *position"] | None = None,
    ) -> Float[Tensor, "batch channels *position"]:
        """Return the mean of the scaled latents or, given noise, a sample. Eq. latent.posterior."""
        distribution = self.distribution(x)
        return distribution.mean if noise is None else distribution.sample(noise)

    def decode(
        self, y: Float[Tensor, "batch channels *position"]
    ) -> Float[Tensor, " batch *image"]:
        """Decode scaled latents. Eq. latent.unscale."""
        return self.decoder(self.scale.undo(y))


def latent_bound(
    x_0: Float[Tensor, " batch *image"],
    y: Float[Tensor, " batch *latent"],
    distribution: Gaussian,
    decoder: Gaussian,
    nats: Float[Tensor, " batch"],
    grey_levels: int | None,
) -> Float[Tensor, " batch"]:
    """Return an unbiased estimate, per sample in nats, of a bound on -log p(x_0) from latents.

    Eq. latent.bound: y is drawn from `distribution`, q(y | x_0); nats are -log p(y) or a bound on
    it; `decoder` is p(x_0 | y), of grey levels or, if `grey_levels` is None, a density. y,
    distribution and nats have the same unit, scaled or not. With the density of latents and the
    decoder that Bayes' rule gives for q, the result is -log p(x_0) for every y.
    """
    log_likelihood = (
        log_density(decoder, x_0)
        if grey_levels is None
        else log_grey_level(decoder, x_0, grey_levels)
    )
    log_q = flat(log_density(distribution, y)).sum(1)
    return log_q + nats - flat(log_likelihood).sum(1)
