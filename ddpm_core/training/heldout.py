"""The error on held-out images, at fixed timesteps with fixed noise."""

import math

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ddpm_core._types import Parameterization
from ddpm_core.cli.progress import progress
from ddpm_core.denoiser import Network, network_output
from ddpm_core.forward_process import q_sample
from ddpm_core.learned_variance import split_range
from ddpm_core.losses import l_simple, prediction_target
from ddpm_core.parameterization import convert
from ddpm_core.randomness import keyed_noise
from ddpm_core.schedules import Schedule

AT_A_TIME = 256  # images in memory together


def spread_times(T: int, count: int) -> tuple[int, ...]:
    """Return the midpoints of `count` equal intervals of 1..T (at most T of them).

    The mean over them approximates the mean over t uniform on 1..T.
    """
    count = min(count, T)
    return tuple(math.ceil((2 * k + 1) * T / (2 * count)) for k in range(count))


@torch.no_grad()
def heldout_errors(
    network: Network,
    schedule: Schedule,
    parameterization: Parameterization,
    images: Float[Tensor, " images channels height width"],
    times: tuple[int, ...],
    seed: int,
    measure: Parameterization | None = None,
    labels: Int64[Tensor, " images"] | None = None,
    device: torch.device | str = "cpu",
    name: str | None = None,
    learns_variance: bool = False,
) -> Float64[Tensor, "times images"]:
    """Return the mean squared error of each image at each time, of the prediction as `measure`.

    The noise is keyed by (seed, t, image), so every preview, run and network meets the same noise.
    measure: the parameterization that the prediction is converted to; default: the network's own.
    labels: class labels, for a conditional network. name: of a progress bar. learns_variance: the
    network has twice the channels, predictions first.
    """
    measure = measure or parameterization
    rows = []
    for t in progress(times, name, "timestep"):
        for part in torch.arange(len(images), device="cpu").split(AT_A_TIME):
            noise = keyed_noise(images.shape[1:], seed, "held-out", t, part.tolist()).to(device)
            x_0 = images[part].to(device)
            x_t = q_sample(schedule, x_0, t, noise)
            cond = None if labels is None else labels[part].to(device)
            of_t = torch.full(x_t.shape[:1], t, device=x_t.device)
            value = network_output(network, x_t, of_t, cond, None, 2 if learns_variance else 1)
            value = split_range(value)[0] if learns_variance else value
            value = convert(schedule, parameterization, measure, value, x_t, t)
            target = prediction_target(schedule, measure, x_0, noise, t)
            rows.append(l_simple(value, target).per_sample.double().cpu())
    return torch.cat(rows).reshape(len(times), len(images))


def by_decile(errors: Float64[Tensor, "times images"]) -> list[float]:
    """Return the mean error in each decile of the times, from little noise to much."""
    return [float(part.mean()) for part in errors.tensor_split(10) if len(part)]


def mean_and_standard_error(
    errors: Float64[Tensor, "times images"],
) -> tuple[float, float | None]:
    """Return the mean over times and images, and its standard error over images (None for one)."""
    each = errors.mean(0)
    spread_out = float(each.std() / math.sqrt(len(each))) if len(each) > 1 else None
    return float(each.mean()), spread_out
