"""Sinusoidal embeddings of timesteps, and Fourier features of pixel values."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

MAX_PERIOD = 10_000.0  # in timesteps: the lowest frequency does not repeat for T up to 4000


def timestep_embedding(
    t: Int[Tensor, " batch"], width: int, max_period: float = MAX_PERIOD
) -> Float[Tensor, "batch width"]:
    """Return sin(omega_i t) for i = 0..h-1, then cos(omega_i t), in float32.

    Eq. embeddings.sinusoidal, after Vaswani et al. (2017), 3.5: h = width / 2 frequencies
    omega_i = max_period^(-i / h), decreasing from 1. t is multiplied as an integer by float64
    frequencies (float32 on a device without float64), because bfloat16 cannot distinguish 937 from
    936. Raises ValueError for an odd width, TypeError for a t that is not an integer.
    """
    if width < 2 or width % 2:
        raise ValueError(f"width = {width} must be even and at least 2; half sines, half cosines")
    if t.dtype.is_floating_point or t.ndim != 1:
        raise TypeError(
            f"t has dtype {t.dtype} and shape {tuple(t.shape)}; pass integers of shape (batch,)"
        )
    precision = torch.float32 if t.device.type == "mps" else torch.float64
    power = torch.arange(width // 2, dtype=precision, device=t.device) / (width // 2)
    angle = t.to(precision)[:, None] * (-math.log(max_period) * power).exp()
    return torch.cat([angle.sin(), angle.cos()], dim=1).float()


def fourier_features(
    x: Float[Tensor, "batch channels height width"], frequencies: Sequence[int]
) -> Float[Tensor, "batch more_channels height width"]:
    """Append sin(2^k pi x) and cos(2^k pi x) to x as channels, for each k in `frequencies`.

    Eq. embeddings.fourier; Kingma et al. (2021), Appendix C.3. They resolve grey levels where noise
    is small: frequency k has period 2^(1 - k), and L grey levels are 2 / (L - 1) apart. Angles of
    half precision are computed in float32.
    """
    precise = x.to(torch.promote_types(x.dtype, torch.float32))
    angles = [2**k * math.pi * precise for k in frequencies]
    features = [f.to(x.dtype) for angle in angles for f in (angle.sin(), angle.cos())]
    return torch.cat([x, *features], dim=1)
