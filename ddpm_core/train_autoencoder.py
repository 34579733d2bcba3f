"""python -m ddpm_core.train_autoencoder: train an autoencoder for `train --latent`, or go on."""

import sys
from typing import TYPE_CHECKING

from ddpm_core.cli.options import parse
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.start import start

if TYPE_CHECKING:
    from ddpm_core.training.loop import Run


def main(arguments: list[str] | None = None) -> int:
    """Parse, run, and return the exit code: see `start`."""
    config = parse(AutoencoderConfig, "train_autoencoder", arguments)

    def prepare() -> "Run":
        from ddpm_core.training.autoencoder_run import (
            AutoencoderRun,  # torch, once --help is answered
        )

        return AutoencoderRun.prepare(config)

    return start("train_autoencoder", config, prepare)


if __name__ == "__main__":
    sys.exit(main())
