"""python -m ddpm_core.train: train a denoising diffusion model, or resume its run."""

import sys

from ddpm_core.cli.options import parse
from ddpm_core.cli.signals import stop_on_signal
from ddpm_core.cli.torch_defaults import usual_defaults
from ddpm_core.training.diffusion_config import TrainConfig


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, and return the exit code: see `train`."""
    config = parse(TrainConfig, "train", arguments)
    with stop_on_signal() as stop, usual_defaults():  # and only then import torch: --help is quick
        from ddpm_core.training.diffusion_run import DiffusionTask
        from ddpm_core.training.loop import train

        return train("train", lambda: DiffusionTask.prepare(config), stop)


if __name__ == "__main__":
    sys.exit(main())
