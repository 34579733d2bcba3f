"""A command that writes files: run it, name the files, and return an exit code."""

import errno
import sys
from collections.abc import Callable
from pathlib import Path

from ddpm_core.cli.options import usage_error
from ddpm_core.cli.progress import say
from ddpm_core.cli.signals import Terminated, terminable


def make(command: str, files: Callable[[], list[Path]], *, left: str) -> int:
    """Make files, say which, and return the exit code.

    0 done, 1 a disk that is full or broken, 2 usage, 130 and 143 interrupted.

    files: imports torch, writes and returns the paths. left: what an interruption leaves.
    """
    from ddpm_core.storage.run_lock import RunLocked

    try:
        with terminable():
            written = files()
    except (ValueError, OSError, RunLocked) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            say(f"ddpm_core.{command}: {error}; make room, or name another --out-dir", error=True)
            return 1
        usage_error(command, str(error))
    except KeyboardInterrupt as signal:
        terminated = isinstance(signal, Terminated)
        name = "terminated" if terminated else "interrupted"
        print(f"ddpm_core.{command}: {name}; {left}", file=sys.stderr)
        return 143 if terminated else 130
    say("\n  ".join(["wrote", *map(str, written)]))
    return 0
