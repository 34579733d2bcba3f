"""From a parsed command to what it does, and to an exit code."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from ddpm_core.cli.options import usage_error
from ddpm_core.cli.progress import say
from ddpm_core.cli.signals import Stop
from ddpm_core.training.run_config import RunConfig

if TYPE_CHECKING:
    from ddpm_core.training.loop import Run


def start(command: str, config: RunConfig, prepare: Callable[[], "Run"]) -> int:
    """Prepare, run to the end or to a signal, and return the exit code.

    0 done, 1 failed, 2 usage, 3 not verified, 130 and 143 interrupted. prepare: imports torch.
    """
    with ExitStack() as stack:
        stop = stack.enter_context(Stop())

        from ddpm_core.gate.admission import NotVerified
        from ddpm_core.storage.run_lock import RunLock, RunLocked, check_writable

        try:
            run = prepare()
            check_writable(run.folder)
            if not config.dry_run:
                stack.enter_context(RunLock(run.folder))
            run.resume()
        except NotVerified as refusal:
            print(f"ddpm_core.{command}: {refusal}", file=sys.stderr)
            return 3
        except (ValueError, TypeError, OSError, RunLocked) as error:
            usage_error(command, str(error))
        if config.dry_run:
            say(run.plan())
            say("dry run: all of this is in order, and nothing was written")
            return 0
        if run.is_done():
            mark = f", {run.watermark}" if run.watermark else ""
            say(f"finished{mark}: see {run.folder}/report.html; another --out-dir starts afresh")
            return 0
        say(run.plan())
        return run.finish(stop)
