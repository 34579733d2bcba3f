"""Sinusoids: of the time, and of pixel values."""

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

MAX_PERIOD = 10_000.0  # in levels: the slowest wave does not repeat within T = 1000, or 4000


def timestep_embedding(
    t: Int[Tensor, " batch"], width: int, max_period: float = MAX_PERIOD
) -> Float[Tensor, "batch width"]:
    """[sin(omega_0 t) ... sin(omega_{h-1} t) | cos(omega_0 t) ... cos(omega_{h-1} t)], float32.

    Eq. embeddings.sinusoidal, after Vaswani et al. (2017), 3.5: h = width / 2 frequencies
    omega_i = max_period^(-i / h), from 1 down. t stays an integer until it meets a float64
    frequency (float32 where the device has no float64), since bfloat16 cannot tell 937 from 936.
    Raises ValueError for an odd width, TypeError for a t that is not an integer.
    """
    if width < 2 or width % 2:
        raise ValueError(f"width = {width} must be even and at least 2: half sines, half cosines")
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
    """x with sin(2^k pi x) and cos(2^k pi x) behind it for each octave k, as further channels.

    Eq. embeddings.fourier; Kingma et al. (2021), Appendix C.3. They resolve grey levels where noise
    is small: octave k repeats every 2^(1 - k), and levels lie 2 / (levels - 1) apart.
    """
    angles = [2**k * math.pi * x for k in frequencies]
    features = [f for angle in angles for f in (angle.sin(), angle.cos())]
    return torch.cat([x, *features], dim=1)
