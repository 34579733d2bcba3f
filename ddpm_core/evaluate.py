"""python -m ddpm_core.evaluate RUN: likelihood of the test images and quality of the samples."""

import sys
from pathlib import Path

from ddpm_core.cli.options import parse
from ddpm_core.cli.output_command import run_output_command
from ddpm_core.evaluation.config import EvaluateConfig


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit code of `run_output_command`."""
    config = parse(EvaluateConfig, "evaluate", arguments)

    def files() -> list[Path]:
        # After parsing, because --help must not import torch.
        from ddpm_core.evaluation.evaluate import evaluate

        return evaluate(config)

    return run_output_command("evaluate", files, on_interrupt="the same command resumes")


if __name__ == "__main__":
    sys.exit(main())
