"""python -m ddpm_core.train: train a denoising diffusion model, or go on where it stopped."""

import sys
from contextlib import ExitStack

from ddpm_core.training.config import TrainConfig
from ddpm_core.training.options import parse, usage_error
from ddpm_core.training.signals import Stop


def main(arguments: list[str] | None = None) -> int:
    """Parse, run, and return the exit code: 0 done, 1 failed, 2 usage, 130 and 143 interrupted."""
    config = parse(TrainConfig, "train", arguments)

    with ExitStack() as stack:
        stop = stack.enter_context(Stop())

        from ddpm_core.training.files import RunLock, RunLocked, check_writable
        from ddpm_core.training.loop import Run  # torch only once --help is answered

        try:
            run = Run.prepare(config)
            check_writable(run.folder)
            if not config.dry_run:
                stack.enter_context(RunLock(run.folder))
            run.resume()
        except (ValueError, TypeError, OSError, RunLocked) as error:
            usage_error("train", str(error))
        if config.dry_run:
            print(run.plan())
            print("dry run: all of this is in order, and nothing was written")
            return 0
        return run.finish(stop)


if __name__ == "__main__":
    sys.exit(main())
