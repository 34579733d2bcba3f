"""python -m ddpm_core.evaluate RUN: how likely its test images are, and how real its samples."""

import sys
from pathlib import Path

from ddpm_core.cli.options import parse
from ddpm_core.cli.output_command import run_output_command
from ddpm_core.evaluation.config import EvaluateConfig


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate, write, and return the exit code: see `make`."""
    config = parse(EvaluateConfig, "evaluate", arguments)

    def files() -> list[Path]:
        from ddpm_core.evaluation.evaluate import evaluate  # torch only once --help is answered

        return evaluate(config)

    return run_output_command("evaluate", files, on_interrupt="the same command resumes")


if __name__ == "__main__":
    sys.exit(main())
