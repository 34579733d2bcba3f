"""Frame of a command that writes files: errors, interruption and exit codes."""

import errno
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT, SIGTERM

from ddpm_core.cli.failures import is_out_of_memory, one_line
from ddpm_core.cli.options import usage_error
from ddpm_core.cli.progress import say
from ddpm_core.cli.signals import Terminated, terminable
from ddpm_core.cli.torch_defaults import usual_defaults


def run_output_command(command: str, write: Callable[[], list[Path]], *, on_interrupt: str) -> int:
    """Call `write`, print the paths that it returns, and return the exit code.

    Exit codes: 0 done, 1 no space or memory, 2 usage, 128 + n after signal n (130 for SIGINT).

    write: imports torch, writes the files and returns their paths.
    on_interrupt: printed after an interruption; what was written, or how to resume.
    """
    from ddpm_core.storage.run_lock import RunLocked

    try:
        with terminable(), usual_defaults():
            written = write()
    except (ValueError, OSError, RunLocked) as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
            say(
                f"ddpm_core.{command}: {error}; free space, or choose another --out-dir", error=True
            )
            return 1
        usage_error(command, str(error))
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        remedy = "pass a smaller --batch-size"
        say(f"ddpm_core.{command}: out of memory ({one_line(error)}); {remedy}", error=True)
        return 1
    except KeyboardInterrupt as signal:
        number = int(signal.number if isinstance(signal, Terminated) else SIGINT)
        names = {int(SIGINT): "interrupted", int(SIGTERM): "terminated"}
        name = names.get(number, f"stopped by {signal}")
        say(f"ddpm_core.{command}: {name}; {on_interrupt}", error=True)
        return 128 + number
    say("\n  ".join(["wrote", *map(str, written)]))
    return 0
