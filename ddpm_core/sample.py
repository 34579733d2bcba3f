"""python -m ddpm_core.sample RUN: draw images from the averaged weights of a run."""

import sys
from pathlib import Path

from ddpm_core.cli.options import parse
from ddpm_core.cli.output_command import run_output_command
from ddpm_core.generation.config import SampleConfig


def main(arguments: list[str] | None = None) -> int:
    """Parse, sample, write, and return the exit code: see `make`."""
    config = parse(SampleConfig, "sample", arguments)

    def files() -> list[Path]:
        from ddpm_core.generation.generate_images import draw  # torch only once --help is answered

        return draw(config)

    return run_output_command("sample", files, on_interrupt="nothing was written")


if __name__ == "__main__":
    sys.exit(main())
