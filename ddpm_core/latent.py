"""Latents: the law that an encoder gives, what trains it, and the scale on which it is diffused."""

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
"""encoder(x) -> (batch, 2 channels, ...): means of the latents, then logs of their variances."""
Decoder = Callable[[Tensor], Tensor]
"""decoder(z) -> x, of latents as the encoder gives them."""


def posterior_of(
    moments: Float[Tensor, "batch moments *position"],
) -> Gaussian:
    """q(z | x) from an encoder's answer: means, and behind them as many logs of variances.

    Eq. latent.posterior; Kingma & Welling 2013 (arXiv:1312.6114), appendix C.2. Raises ValueError
    for an odd number of channels.
    """
    check_event("moments", moments)
    if moments.ndim < 2 or moments.shape[1] % 2:
        raise ValueError(
            f"moments have shape {tuple(moments.shape)}; an encoder answers in twice the channels "
            "of its latents, means first and then logs of variances"
        )
    mean, log_var = moments.chunk(2, dim=1)
    return Gaussian(mean, log_var.exp())


# --- what trains an autoencoder ------------------------------------------------------------------


@dataclass(frozen=True)
class AutoencoderLoss:
    """What an autoencoder is trained by, and its parts, of each sample."""

    total: Loss
    reconstruction: Float[Tensor, " batch"]  # mean squared error
    gradient: Float[Tensor, " batch"]  # the same of differences between neighbours
    kl: Float[Tensor, " batch"]  # in nats, of all latents of a sample


def autoencoder_loss(
    x: Float[Tensor, "batch channels height width"],
    x_hat: Float[Tensor, "batch channels height width"],
    q: Gaussian,
    kl_weight: float,
    gradient_weight: float = 0.0,
) -> AutoencoderLoss:
    """Squared error + kl_weight KL(q || N(0, 1)) / (numbers of an image) + that of edges, weighted.

    Eq. latent.loss: with a weight of twice a variance it is the bound of a decoder that has this
    variance, in units of it. x_hat: what is decoded from a draw of q. Half precision is compared in
    float32.
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
    """The mean squared error of differences between neighbours, down and across, added up.

    Eq. latent.gradient: what is blurred has too small ones. Images of 2 x 2 pixels at least.
    """
    check_same_event("x", x, "x_hat", x_hat)
    if x.ndim != 4 or min(x.shape[2:]) < 2:
        raise ValueError(
            f"images of shape {tuple(x.shape)} have no neighbours both ways; (batch, channels, "
            "height, width) with at least 2 x 2 pixels have, or leave the gradient term out"
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
                f"{tuple(self.scale.shape)}; both need one number for each channel"
            )
        for channel, value in enumerate(self.scale.tolist()):
            if not 0 < value < float("inf"):
                raise ValueError(
                    f"the scale of channel {channel} is {value}; it must be finite and above 0. A "
                    "channel that never changes has none: train with fewer latent channels"
                )

    @classmethod
    def measured(cls, latents: Float[Tensor, "n channels *position"]) -> "LatentScale":
        """Mean and standard deviation of each channel over all latents and positions.

        Eq. latent.shift and latent.spread: these very latents, once scaled, have variance 1.
        Raises ValueError for a channel that does not vary.
        """
        check_event("latents", latents)
        channels = latents.transpose(0, 1).flatten(1)
        moments = [torch.var_mean(each.double(), correction=0) for each in channels]
        var, mean = (torch.stack(each) for each in zip(*moments, strict=True))
        return cls(mean.cpu(), var.sqrt().cpu())

    def apply(self, z: Float[Tensor, "batch channels *position"]) -> Tensor:
        """(z - shift) / scale. Eq. latent.scale."""
        shift, scale = self._along(z)
        return ((z.to(shift.dtype) - shift) / scale).to(z.dtype)

    def undo(self, y: Float[Tensor, "batch channels *position"]) -> Tensor:
        """scale y + shift, the inverse of `apply`. Eq. latent.unscale."""
        shift, scale = self._along(y)
        return torch.addcmul(shift, scale, y.to(shift.dtype)).to(y.dtype)

    def apply_to_distribution(self, q: Gaussian) -> Gaussian:
        """The law of what `apply` makes of a draw of q: Eq. latent.scale, variances by scale^2."""
        _, scale = self._along(q.mean)
        return Gaussian(
            self.apply(q.mean), (q.var.to(scale.dtype) / scale.square()).to(q.var.dtype)
        )

    def _along(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Shift and scale with their axis along z's channels, like z in device and precision."""
        check_event("latents", z)
        if z.ndim < 2 or z.shape[1] != len(self.shift):
            raise ValueError(
                f"latents of shape {tuple(z.shape)} have not the {len(self.shift)} channels that "
                "were measured; the second axis is that of the channels"
            )
        shape = (-1, *[1] * (z.ndim - 2))
        shift, scale = (
            each.to(compute_dtype(z)).to(z.device).reshape(shape)
            for each in (self.shift, self.scale)
        )
        return shift, scale


@dataclass(frozen=True, eq=False)
class LatentSpace:
    """An autoencoder with its scale: images to scaled latents, which are diffused, and back."""

    encoder: Encoder
    decoder: Decoder
    scale: LatentScale

    def distribution(self, x: Float[Tensor, " batch *image"]) -> Gaussian:
        """q(y | x) of the scaled latents. Eq. latent.posterior and latent.scale."""
        return self.scale.apply_to_distribution(posterior_of(self.encoder(x)))

    def encode(
        self,
        x: Float[Tensor, " batch *image"],
        noise: Float[Tensor, "batch channels *position"] | None = None,
    ) -> Float[Tensor, "batch channels *position"]:
        """The mean of the scaled latents or, with noise, a draw of them. Eq. latent.posterior."""
        distribution = self.distribution(x)
        return distribution.mean if noise is None else distribution.sample(noise)

    def decode(
        self, y: Float[Tensor, "batch channels *position"]
    ) -> Float[Tensor, " batch *image"]:
        """What scaled latents stand for. Eq. latent.unscale."""
        return self.decoder(self.scale.undo(y))


def latent_bound(
    x_0: Float[Tensor, " batch *image"],
    y: Float[Tensor, " batch *latent"],
    distribution: Gaussian,
    decoder: Gaussian,
    nats: Float[Tensor, " batch"],
    grey_levels: int | None,
) -> Float[Tensor, " batch"]:
    """An unbiased estimate of a bound on -log p(x_0) of each sample, in nats, by its latents.

    Eq. latent.bound: y is drawn from `distribution`, q(y | x_0); nats are -log p(y) or a bound on
    it; `decoder` is p(x_0 | y), of grey levels or, if `grey_levels` is None, a density. y,
    distribution and nats have the same unit, scaled or not. With the density of latents and the
    decoder that Bayes' rule gives for q, the result is -log p(x_0) for every y.
    """
    says = (
        log_density(decoder, x_0)
        if grey_levels is None
        else log_grey_level(decoder, x_0, grey_levels)
    )
    spent = flat(log_density(distribution, y)).sum(1)
    return spent + nats - flat(says).sum(1)
