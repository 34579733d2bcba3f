"""python -m ddpm_core.train: train a denoising diffusion model, or resume its run."""

import sys
from typing import TYPE_CHECKING

from ddpm_core.cli.options import parse
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.start import start

if TYPE_CHECKING:
    from ddpm_core.training.task import Task


def main(arguments: list[str] | None = None) -> int:
    """Parse, train, and return the exit code: see `start`."""
    config = parse(TrainConfig, "train", arguments)

    def prepare() -> "Task":
        from ddpm_core.training.diffusion_run import (
            DiffusionTask,  # torch only once --help is answered
        )

        return DiffusionTask.prepare(config)

    return start("train", prepare)


if __name__ == "__main__":
    sys.exit(main())
