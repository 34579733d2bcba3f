"""From options to the things that a run is made of."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from ddpm_core.data.dataset import Dataset, load_dataset
from ddpm_core.data.reading import listed
from ddpm_core.gate.authorization import Authorization, authorize
from ddpm_core.networks.unet import UNet
from ddpm_core.randomness import keyed_seed
from ddpm_core.schedules import Schedule
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.run_config import DataOptions, RunConfig


def authorize_run(config: RunConfig, schedule: Schedule) -> Authorization:
    """Pass the gate with the run's options; raises as `authorize` does."""
    torch.backends.cudnn.deterministic = True  # a run on a GPU repeats its bits, too
    return authorize(
        schedule,
        config.device,
        autocast=config.dtype == "bf16",
        path=config.certificate,
        required=config.require_verified,
        unverified=config.unverified,
    )


def build_dataset(options: DataOptions) -> Dataset:
    """Return the dataset of the options; raises as `load_dataset` does."""
    return load_dataset(
        options.dataset,
        options.image_size,
        background=options.background,
        skip_unreadable=options.skip_unreadable,
        grey_levels=options.grey_levels,
        split_by_class=options.split == "by-class",
    )


def check_classes(dataset: Dataset) -> None:
    """Refuse classes that a conditional network would be asked for without having seen them."""
    counts = images_per_class(dataset)
    held_out = torch.cat([dataset.validation, dataset.test])
    shown = set() if dataset.labels is None else set(dataset.labels[held_out].tolist())
    unseen = [
        name
        for label, name in enumerate(dataset.class_names)
        if not counts[label] and label in shown
    ]
    if unseen:
        raise ValueError(
            f"--conditional, but these classes of {dataset.name} have no training image: "
            f"{listed(unseen, 20)}. Add images, or remove the classes"
        )


def images_per_class(dataset: Dataset) -> list[int]:
    """Return the number of training images of each class; [] without classes."""
    if dataset.labels is None:
        return []
    count = len(dataset.class_names)
    return torch.bincount(dataset.labels[dataset.train], minlength=count).tolist()


def build_schedule(config: TrainConfig) -> Schedule:
    """Return the noise schedule of the options; raises ValueError where T is too small for it."""
    try:
        schedule: Schedule = getattr(Schedule, config.schedule)(config.T)
    except ValueError as error:
        raise ValueError(
            f"--schedule {config.schedule} --T {config.T}: {str(error).split(';')[0]}. Pass a "
            "larger --T, or --schedule cosine, which takes any"
        ) from None
    return schedule.with_zero_terminal_snr() if config.zero_terminal_snr else schedule


def build_network(config: TrainConfig, channels: int, class_names: Sequence[str] = ()) -> UNet:
    """Return the U-Net of the options, initialised from the run's seed.

    Raises ValueError where --conditional is given data without classes.
    """
    if config.conditional and not class_names:
        raise ValueError(
            f"--conditional, but --dataset {config.dataset} has no classes: give it labels (for "
            "folder:DIR a folder for each class), or leave --conditional out"
        )
    depth = len(config.multipliers or ())
    attended = {i % depth for i in config.attention}
    # The options that the network has by the same names; the preset has set what was None.
    same = ("width", "multipliers", "blocks", "dropout", "fourier_frequencies", "learns_variance")
    options: dict[str, Any] = {name: getattr(config, name) for name in same}
    options["attention"] = [i in attended for i in range(depth)]
    options["classes"] = len(class_names) if config.conditional else None
    with seeded(keyed_seed(config.seed, "initialisation")):
        network = UNet(channels, **options)
    if config.channels_last:
        nn.utils.convert_conv2d_weight_memory_format(network, torch.channels_last)
    return network


@contextmanager
def seeded(seed: int, device: torch.device | str = "cpu") -> Iterator[None]:
    """Seed the global generators inside, and restore them outside.

    For what takes no generator of its own: initialisation and dropout.
    """
    kind = torch.device(device).type
    devices = [] if kind == "cpu" else [torch.device(device)]
    with torch.random.fork_rng(devices, device_type=kind if devices else "cuda"):
        torch.manual_seed(seed)
        yield
