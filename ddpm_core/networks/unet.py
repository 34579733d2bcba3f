"""A compact U-Net for any number of channels, any height and width, and optional class labels."""

import math
from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from ddpm_core.networks.embeddings import fourier_features, timestep_embedding

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


def resampling(channels_in: int, channels_out: int, stride: int = 1) -> nn.Sequential:
    """Return the 3 x 3 convolution beside a change of resolution; checkpoints name it conv."""
    conv = nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1)
    return nn.Sequential(OrderedDict(conv=conv))


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


class Stage(nn.Module):
    """The residual blocks of one resolution, each followed by attention if `attention`."""

    def __init__(
        self,
        channels_in: int,
        channels: int,
        blocks: int,
        attention: bool,
        embedding: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ResidualBlock(before, channels, embedding, dropout)
            for before in [channels_in] + [channels] * (blocks - 1)
        )
        self.attention = nn.ModuleList(
            SelfAttention(channels) if attention else nn.Identity() for _ in range(blocks)
        )

    def forward(
        self,
        x: Float[Tensor, "batch channels_in height width"],
        embedding: Float[Tensor, "batch embedding"],
    ) -> Float[Tensor, "batch channels height width"]:
        for block, attention in zip(self.blocks, self.attention, strict=True):
            x = attention(block(x, embedding))
        return x


class UNet(nn.Module):
    """network(x_t, t, labels) -> a tensor of x_t's shape, which is 0 everywhere at initialisation.

    There is one resolution per multiplier, with width * multiplier channels and half the size of
    the previous one, rounded up, so any height and width are accepted. The output of each encoder
    stage is concatenated to the input of the decoder stage at its resolution. attention: one flag
    per resolution; default: the lowest alone. classes: the number of class labels; samples without
    one use an embedding of their own. fourier_frequencies: see `fourier_features`. learns_variance:
    output twice the channels, the second half for the variance.
    """

    def __init__(
        self,
        image_channels: int,
        width: int = 32,
        multipliers: Sequence[int] = (1, 2, 4),
        blocks: int = 1,
        attention: Sequence[bool] | None = None,
        dropout: float = 0.0,
        classes: int | None = None,
        fourier_frequencies: Sequence[int] = (),
        learns_variance: bool = False,
    ) -> None:
        super().__init__()
        if image_channels < 1 or width < 2 or width % 2 or blocks < 1 or not multipliers:
            raise ValueError(
                f"image_channels = {image_channels}, width = {width}, blocks = {blocks}, "
                f"multipliers = {tuple(multipliers)}: each must be at least 1, "
                "and width must be even, for sines and cosines"
            )
        widths = [width * multiplier for multiplier in multipliers]
        attended = [False] * (len(widths) - 1) + [True] if attention is None else list(attention)
        if len(attended) != len(widths):
            raise ValueError(
                f"attention has {len(attended)} flags for {len(widths)} multipliers; pass one each"
            )
        embedding = 4 * width
        self.width = width
        self.embed_time = nn.Sequential(
            nn.Linear(width, embedding), nn.SiLU(), nn.Linear(embedding, embedding)
        )
        self.classes = classes
        self.embed_class = None if classes is None else nn.Embedding(classes + 1, embedding)

        def stages(inputs: int) -> nn.ModuleList:
            return nn.ModuleList(
                Stage(inputs * channels, channels, blocks, here, embedding, dropout)
                for channels, here in zip(widths, attended, strict=True)
            )

        steps = list(pairwise(widths))
        self.fourier_frequencies = tuple(fourier_frequencies)
        inputs = 1 + 2 * len(self.fourier_frequencies)
        self.stem = nn.Conv2d(image_channels * inputs, widths[0], 3, padding=1)
        self.down = stages(inputs=1)
        self.downsample = nn.ModuleList(
            resampling(fine, coarse, stride=2) for fine, coarse in steps
        )
        self.middle = ResidualBlock(widths[-1], widths[-1], embedding, dropout)
        self.up = stages(inputs=2)
        self.upsample = nn.ModuleList(resampling(coarse, fine) for fine, coarse in steps)
        self.norm = group_norm(widths[0])
        out_channels = image_channels * (1 + learns_variance)
        self.head = zero_init(nn.Conv2d(widths[0], out_channels, 3, padding=1))

    def forward(
        self,
        x_t: Float[Tensor, "batch channels height width"],
        t: Int[Tensor, " batch"],
        labels: Int[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch out_channels height width"]:
        """Return the prediction; t: integer timesteps.

        labels: 0..classes - 1, or `classes` for no label; default: no labels.
        """
        embedding = self.embed_time(timestep_embedding(t, self.width))
        if self.embed_class is not None and self.classes is not None:
            labels = torch.full_like(t, self.classes) if labels is None else labels
            embedding = embedding + self.embed_class(labels)
        elif labels is not None:
            raise ValueError("labels need a U-Net with classes; this one has classes = None")
        embedding = F.silu(embedding)
        h = self.stem(fourier_features(x_t, self.fourier_frequencies))
        skips = []
        for i, stage in enumerate(self.down):
            h = stage(self.downsample[i - 1](h) if i else h, embedding)
            skips.append(h)
        h = self.middle(h, embedding)
        for i, stage in reversed(list(enumerate(self.up))):
            h = stage(torch.cat([h, skips[i]], dim=1), embedding)
            if i:
                h = F.interpolate(self.upsample[i - 1](h), skips[i - 1].shape[-2:], mode="nearest")
        image: Tensor = self.head(F.silu(self.norm(h)))
        return image
