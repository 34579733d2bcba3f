"""python -m ddpm_core.sample RUN: draw images from the averaged weights of a run."""

import sys

from ddpm_core.training.options import parse, usage_error
from ddpm_core.training.sample_config import SampleConfig


def main(arguments: list[str] | None = None) -> int:
    """Parse, sample, write; returns the exit code: 0 done, 2 usage."""
    config = parse(SampleConfig, "sample", arguments)

    from ddpm_core.training.drawing import draw  # torch only once --help is answered

    try:
        written = draw(config)
    except (ValueError, OSError) as error:
        usage_error("sample", str(error))
    print("wrote", *written, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
