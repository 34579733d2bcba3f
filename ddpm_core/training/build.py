"""From a configuration to the things that a run is made of."""

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from typing import Any, cast

import torch
from torch import nn

from ddpm_core import __version__
from ddpm_core.networks.unet import UNet
from ddpm_core.randomness import keyed_seed
from ddpm_core.schedules import Schedule
from ddpm_core.training.diffusion_config import TrainConfig


def build_schedule(config: TrainConfig) -> Schedule:
    """The noise schedule that the options name; raises ValueError where T is too small for it."""
    try:
        schedule: Schedule = getattr(Schedule, config.schedule)(config.T)
    except ValueError as error:
        raise ValueError(
            f"--schedule {config.schedule} --T {config.T}: {str(error).split(';')[0]}. Pass a "
            "larger --T, or --schedule cosine, which takes any"
        ) from None
    return schedule.with_zero_terminal_snr() if config.zero_terminal_snr else schedule


def build_network(config: TrainConfig, channels: int, class_names: Sequence[str] = ()) -> UNet:
    """The U-Net that the options describe, initialised from the run's seed.

    Raises ValueError where --conditional is given data without classes.
    """
    if config.conditional and not class_names:
        raise ValueError(
            f"--conditional, but --dataset {config.dataset} has no classes: give it labels (for "
            "folder:DIR a folder for each class), or leave --conditional out"
        )
    multipliers = cast(tuple[int, ...], config.multipliers)  # what was None the preset has set
    levels = len(multipliers)
    attended = {i % levels for i in config.attention}
    with seeded(keyed_seed(config.seed, "initialisation")):
        network = UNet(
            channels,
            width=cast(int, config.width),
            multipliers=multipliers,
            blocks=cast(int, config.blocks),
            attention=[i in attended for i in range(levels)],
            dropout=config.dropout,
            classes=len(class_names) if config.conditional else None,
            fourier_frequencies=cast(tuple[int, ...], config.fourier_frequencies),
            learns_variance=config.learns_variance,
        )
    if config.channels_last:
        nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """The global generators seeded inside and left as they were outside.

    For what takes no generator of its own: initialisation and dropout.
    """
    kind = torch.device(device).type
    devices = [] if kind == "cpu" else [torch.device(device)]
    with torch.random.fork_rng(devices, device_type=kind if devices else "cuda"):
        torch.manual_seed(seed)
        yield


def group_parameters(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: matrices and kernels decay, gains and biases do not."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def environment(device: torch.device) -> Mapping[str, Any]:
    """What a reader needs to repeat the run: versions, machine, device, threads."""
    packages = ("torch", "numpy", "scipy", "safetensors", "scikit-learn")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "device": str(device),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "ddpm-core": __version__,
    } | {name: version(name) for name in packages}
