"""python -m ddpm_core.evaluate RUN: how likely its test images are, and how real its samples."""

import sys

from ddpm_core.training.evaluate_config import EvaluateConfig
from ddpm_core.training.options import parse, usage_error


def main(arguments: list[str] | None = None) -> int:
    """Parse, evaluate, write; returns the exit code: 0 done, 2 usage, 130 interrupted."""
    config = parse(EvaluateConfig, "evaluate", arguments)

    from ddpm_core.training.evaluation import evaluate  # torch only once --help is answered

    try:
        written = evaluate(config)
    except (ValueError, OSError) as error:
        usage_error("evaluate", str(error))
    except KeyboardInterrupt:
        print("ddpm_core.evaluate: interrupted; the same command goes on", file=sys.stderr)
        return 130
    print("wrote", *written, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
