"""python -m ddpm_core.train: train a denoising diffusion model, or go on where it stopped."""

import sys
from typing import TYPE_CHECKING

from ddpm_core.cli.options import parse
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.start import start

if TYPE_CHECKING:
    from ddpm_core.training.loop import Run


def main(arguments: list[str] | None = None) -> int:
    """Parse, run, and return the exit code: see `start`."""
    config = parse(TrainConfig, "train", arguments)

    def prepare() -> "Run":
        from ddpm_core.training.diffusion_run import (
            DiffusionRun,  # torch only once --help is answered
        )

        return DiffusionRun.prepare(config)

    return start("train", config, prepare)


if __name__ == "__main__":
    sys.exit(main())
