"""python -m ddpm_core.train_autoencoder: train an autoencoder for `train --latent`, or resume."""

import sys
from typing import TYPE_CHECKING

from ddpm_core.cli.options import parse
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.start import start

if TYPE_CHECKING:
    from ddpm_core.training.task import Task


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, and return the exit code: see `start`."""
    config = parse(AutoencoderConfig, "train_autoencoder", arguments)

    def prepare() -> "Task":
        from ddpm_core.training.autoencoder_run import (
            AutoencoderTask,  # torch only once --help is answered
        )

        return AutoencoderTask.prepare(config)

    return start("train_autoencoder", prepare)


if __name__ == "__main__":
    sys.exit(main())
