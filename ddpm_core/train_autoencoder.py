"""python -m ddpm_core.train_autoencoder: train an autoencoder for `train --latent`, or resume."""

import sys

from ddpm_core.cli.options import parse
from ddpm_core.cli.signals import stop_on_signal
from ddpm_core.cli.torch_defaults import usual_defaults
from ddpm_core.training.autoencoder_config import AutoencoderConfig


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, and return the exit code: see `train`."""
    config = parse(AutoencoderConfig, "train_autoencoder", arguments)
    with stop_on_signal() as stop, usual_defaults():  # and only then import torch: --help is quick
        from ddpm_core.training.autoencoder_run import AutoencoderTask
        from ddpm_core.training.loop import train

        return train("train_autoencoder", lambda: AutoencoderTask.prepare(config), stop)


if __name__ == "__main__":
    sys.exit(main())
