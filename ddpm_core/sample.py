"""python -m ddpm_core.sample RUN: sample images with the EMA weights of a run."""

import sys
from pathlib import Path

from ddpm_core.cli.options import parse
from ddpm_core.cli.output_command import run_output_command
from ddpm_core.generation.config import SampleConfig


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code of `run_output_command`."""
    config = parse(SampleConfig, "sample", arguments)

    def files() -> list[Path]:
        # After parsing, because --help must not import torch.
        from ddpm_core.generation.generate_images import draw

        return draw(config)

    return run_output_command("sample", files, on_interrupt="nothing was written")


if __name__ == "__main__":
    sys.exit(main())
