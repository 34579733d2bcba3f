"""python -m ddpm_core.train: train a denoising diffusion model, or go on where it stopped."""

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ddpm_core.training.config import TrainConfig
from ddpm_core.training.options import parse, usage_error
from ddpm_core.training.signals import Stop

if TYPE_CHECKING:
    from ddpm_core.training.loop import Run


def main(arguments: list[str] | None = None) -> int:
    """Parse, run, and return the exit code.

    0 done, 1 failed, 2 usage, 3 not verified, 130 and 143 interrupted.
    """
    config = parse(TrainConfig, "train", arguments)

    with ExitStack() as stack:
        stop = stack.enter_context(Stop())

        from ddpm_core.gate.admission import NotVerified
        from ddpm_core.training.files import RunLock, RunLocked, check_writable
        from ddpm_core.training.loop import Run  # torch only once --help is answered

        try:
            run = Run.prepare(config)
            check_writable(run.folder)
            if not config.dry_run:
                stack.enter_context(RunLock(run.folder))
            run.resume()
        except NotVerified as refusal:
            print(f"ddpm_core.train: {refusal}", file=sys.stderr)
            return 3
        except (ValueError, TypeError, OSError, RunLocked) as error:
            usage_error("train", str(error))
        if config.dry_run:
            print(plan(run))
            print("dry run: all of this is in order, and nothing was written")
            return 0
        if run.is_done():
            mark = f", {run.watermark}" if run.watermark else ""
            print(f"finished{mark}: see {run.folder}/report.html; another --out-dir starts afresh")
            return 0
        print(plan(run), flush=True)
        return run.finish(stop)


def plan(run: "Run") -> str:
    """What is about to happen, for a person."""
    config, data = run.config, run.dataset
    weights = sum(p.numel() for p in run.trainee.network.parameters())
    told = ""
    if config.conditional:
        share = f"{config.label_dropout:.0%} of them withheld"
        told = f", told which of {len(data.class_names)} classes, {share},"
    return (
        f"{data.name}: {len(data.train):,} training, {len(data.validation):,} validation and "
        f"{len(data.test):,} test images of shape {data.shape}, {data.levels} grey levels\n"
        f"U-Net of {weights:,} parameters{told} predicts {config.parameterization} on the "
        f"{config.schedule} schedule, T = {config.T}\n"
        f"{'goes on at' if run.step else 'from'} step {run.step:,} of "
        f"{config.max_steps:,}, {config.batch_size} images each, on "
        f"{run.device} in {config.dtype}, reported every {config.log_every}, to {run.folder}\n"
        f"{run.admission}"
    )


if __name__ == "__main__":
    sys.exit(main())
