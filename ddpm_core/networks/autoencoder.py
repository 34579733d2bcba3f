"""A convolutional autoencoder: images to the moments of smaller latents, and back."""

import math
from itertools import pairwise

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from ddpm_core.networks.unet import group_norm, resampling, zero_init

FACTORS = (2, 4, 8)


class PlainBlock(nn.Module):
    """x + conv(SiLU(conv(SiLU(norm(x))))): a residual block without conditioning."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = group_norm(channels)
        self.conv_in = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_out = zero_init(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        out: Tensor = x + self.conv_out(F.silu(self.conv_in(F.silu(self.norm(x)))))
        return out


class Autoencoder(nn.Module):
    """encode(x) -> moments of latents, `factor` times smaller along each side; decode(z) -> images.

    Squares of 2 x 2 pixels are moved to the channels first, and back last, so that no block works
    at full size. The first stage has `width` channels, and each further halving adds a stage of
    2 * width channels. Height and width of an image must be divisible by `factor`.
    """

    def __init__(
        self,
        image_channels: int,
        latent_channels: int = 4,
        factor: int = 4,
        width: int = 32,
        blocks: int = 1,
    ) -> None:
        super().__init__()
        if factor not in FACTORS:
            raise ValueError(f"factor = {factor} must be one of {', '.join(map(str, FACTORS))}")
        if min(image_channels, latent_channels, width, blocks) < 1:
            raise ValueError(
                f"image_channels = {image_channels}, latent_channels = {latent_channels}, width = "
                f"{width}, blocks = {blocks}: each must be at least 1"
            )
        self.factor = factor
        self.latent_channels = latent_channels
        widths = [width] + [2 * width] * (int(math.log2(factor)) - 1)
        coarsest, steps = widths[-1], list(pairwise(widths))

        def stage(channels: int) -> nn.Sequential:
            return nn.Sequential(*(PlainBlock(channels) for _ in range(blocks)))

        self.stem = nn.Conv2d(4 * image_channels, width, 3, padding=1)
        self.down = nn.ModuleList(map(stage, widths))
        self.downsample = nn.ModuleList(resampling(a, b, stride=2) for a, b in steps)
        self.moments = nn.Conv2d(coarsest, 2 * latent_channels, 3, padding=1)
        self.open = nn.Conv2d(latent_channels, coarsest, 3, padding=1)
        self.up = nn.ModuleList(map(stage, widths))
        self.upsample = nn.ModuleList(resampling(b, a) for a, b in steps)
        self.norm = group_norm(width)
        self.head = nn.Conv2d(width, 4 * image_channels, 3, padding=1)

    def encode(
        self, x: Float[Tensor, "batch image_channels height width"]
    ) -> Float[Tensor, "batch moments small_height small_width"]:
        """Return the means of the latents, then their log variances, along the channels."""
        height, width = x.shape[-2:]
        if height % self.factor or width % self.factor:
            raise ValueError(
                f"images of {height} x {width} pixels are not divisible by factor = {self.factor}; "
                "crop or resize them, or use a smaller factor"
            )
        h = self.stem(F.pixel_unshuffle(x, 2))
        for i, stage in enumerate(self.down):
            h = stage(self.downsample[i - 1](h) if i else h)
        moments: Tensor = self.moments(h)
        return moments

    def decode(
        self, z: Float[Tensor, "batch latent_channels small_height small_width"]
    ) -> Float[Tensor, "batch image_channels height width"]:
        """Return the images decoded from latents."""
        h = self.open(z)
        for i, stage in reversed(list(enumerate(self.up))):
            h = stage(h)
            if i:
                size = (2 * h.shape[-2], 2 * h.shape[-1])
                h = F.interpolate(self.upsample[i - 1](h), size, mode="nearest")
        image: Tensor = F.pixel_shuffle(self.head(F.silu(self.norm(h))), 2)
        return image
