"""The blocks of the networks: residual, attention, downsampling, upsampling."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

GROUP_CHANNELS = 16  # smaller GroupNorm groups average too few values on small images


def group_norm(channels: int) -> nn.GroupNorm:
    """Return a GroupNorm with the most groups of at least GROUP_CHANNELS channels each."""
    most = max(1, channels // GROUP_CHANNELS)
    return nn.GroupNorm(max(g for g in range(1, most + 1) if channels % g == 0), channels)


def zero_init(layer: nn.Conv2d) -> nn.Conv2d:
    """Set every parameter of the layer to 0 and return it, so that its branch starts as 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


class ResidualBlock(nn.Module):
    """skip(x) + conv(dropout(SiLU(conv(scale * norm(x) + shift)))).

    scale and shift are affine in the embedding of timestep and class. There is one norm and one
    SiLU per block, because their saved activations take most of the memory of a training step.
    """

    def __init__(self, channels_in: int, channels_out: int, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm = group_norm(channels_in)
        self.modulation = nn.Linear(embedding, 2 * channels_in)
        self.conv_in = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = zero_init(nn.Conv2d(channels_out, channels_out, 3, padding=1))
        same = channels_in == channels_out
        self.skip = nn.Identity() if same else nn.Conv2d(channels_in, channels_out, 1)

    def forward(
        self,
        x: Float[Tensor, "batch channels_in height width"],
        embedding: Float[Tensor, "batch embedding"],
    ) -> Float[Tensor, "batch channels_out height width"]:
        scale, shift = self.modulation(embedding)[:, :, None, None].chunk(2, dim=1)
        h = self.conv_in(torch.addcmul(shift, self.norm(x), 1 + scale))
        out: Tensor = self.skip(x) + self.conv_out(self.dropout(F.silu(h)))
        return out


class SelfAttention(nn.Module):
    """x + attention over all positions, in heads of HEAD_CHANNELS channels.

    Accelerators use the fused kernel; on the CPU plain products are faster at these sizes
    (benchmarks/unet.py).
    """

    HEAD_CHANNELS = 64

    def __init__(self, channels: int) -> None:
        super().__init__()
        most = max(1, channels // self.HEAD_CHANNELS)
        self.heads = max(h for h in range(1, most + 1) if channels % h == 0)
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zero_init(nn.Conv2d(channels, channels, 1))

    def forward(
        self, x: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        size = x.shape[-2:]
        qkv = self.qkv(self.norm(x)).flatten(2).transpose(1, 2)  # (batch, positions, 3 channels)
        q, k, v = qkv.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        if x.device.type == "cpu":
            weights = (q / math.sqrt(q.shape[-1]) @ k.transpose(-2, -1)).softmax(dim=-1)
            h = weights @ v
        else:
            h = F.scaled_dot_product_attention(q, k, v)
        h = h.permute(0, 1, 3, 2).flatten(1, 2).unflatten(2, size)  # heads joined into channels
        out: Tensor = x + self.out(h)
        return out


class Downsample(nn.Module):
    """A 3 x 3 convolution with stride 2, which halves the size, rounded up."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, stride=2, padding=1)

    def forward(
        self, x: Float[Tensor, "batch channels_in height width"]
    ) -> Float[Tensor, "batch channels_out half_height half_width"]:
        h: Tensor = self.conv(x)
        return h


class Upsample(nn.Module):
    """A convolution at the low resolution, then nearest-neighbour upsampling to `size`."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, 3, padding=1)

    def forward(
        self, x: Float[Tensor, "batch channels_in height width"], size: tuple[int, int]
    ) -> Float[Tensor, "batch channels_out larger_height larger_width"]:
        return F.interpolate(self.conv(x), size=size, mode="nearest")
