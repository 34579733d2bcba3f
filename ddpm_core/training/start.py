"""From a parsed command to a run, and to an exit code."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ddpm_core.cli.options import usage_error
from ddpm_core.cli.progress import say
from ddpm_core.cli.signals import Stop

if TYPE_CHECKING:
    from ddpm_core.training.run_directory import RunDirectory
    from ddpm_core.training.task import Task


def start(command: str, prepare: Callable[[], "Task"]) -> int:
    """Prepare a task, train it to the end or to a signal, and return the exit code.

    0 done, 1 failed, 2 usage, 3 not verified, 130 and 143 interrupted. prepare: imports torch.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())

        from ddpm_core.gate.authorization import NotVerified
        from ddpm_core.storage.run_lock import RunLock, RunLocked, check_writable
        from ddpm_core.training.loop import train
        from ddpm_core.training.run_directory import RunDirectory

        try:
            run = RunDirectory(prepare())
            if run.task.config.dry_run:
                check_writable(run.path)
            else:
                stack.enter_context(RunLock(run.path))
            run.resume()
        except NotVerified as refusal:
            print(f"ddpm_core.{command}: {refusal}", file=sys.stderr)
            return 3
        except (ValueError, TypeError, OSError, RunLocked) as error:
            usage_error(command, str(error))
        if run.task.config.dry_run:
            say(plan(run))
            say("dry run: everything is in order, and nothing was written")
            return 0
        if run.is_done():
            suffix = f", {run.watermark}" if run.watermark else ""
            say(f"finished{suffix}: see {run.path}/report.html; another --out-dir starts afresh")
            return 0
        say(plan(run))
        return train(run, stop)


def plan(run: "RunDirectory") -> str:
    """Describe what is about to happen."""
    task, config, images = run.task, run.task.config, run.task.images
    real = images.images.is_floating_point()
    values = "continuous-valued" if real else f"{images.grey_levels} grey levels"
    lines = [
        f"{images.name}: {len(images.train):,} training, {len(images.validation):,} validation and "
        f"{len(images.test):,} test images of shape {images.shape}, {values}",
        task.describe(),
        f"{'resuming at' if run.step else 'from'} step {run.step:,} of {config.max_steps:,}, "
        f"{config.batch_size} images each, on {task.authorization.device} in {config.dtype}, "
        f"logged every {config.log_every}, to {run.path}",
        str(task.authorization),
    ]
    if config.warmup_steps > config.max_steps:
        lines.append(
            f"NOTE: the learning rate warms up over {config.warmup_steps:,} steps; lower "
            "--warmup-steps to reach its peak"
        )
    return "\n".join(lines)
