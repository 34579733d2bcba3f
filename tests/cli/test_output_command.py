"""Exit codes and messages of a command that writes files."""

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from ddpm_core.cli.output_command import run_output_command
from ddpm_core.storage.run_lock import RunLocked

pytestmark = pytest.mark.usefixtures("usual_signals")


def run(write: Callable[[], list[Path]]) -> int:
    return run_output_command("draw", write, on_interrupt="nothing was written")


def raises(error: BaseException) -> Callable[[], list[Path]]:
    def write() -> list[Path]:
        raise error

    return write


def test_written_paths_are_printed_one_a_line(capsys):
    assert run(lambda: [Path("a.png"), Path("b") / "c.npy"]) == 0
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("wrote\n  a.png\n  b/c.npy\n", "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_full_or_broken_disk_exits_1_with_a_remedy(number, capsys):
    assert run(raises(OSError(number, os.strerror(number), "a.png"))) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        f"ddpm_core.draw: [Errno {number}] {os.strerror(number)}: 'a.png'; free space, or choose "
        "another --out-dir\n"
    )


@pytest.mark.parametrize(
    "error",
    [
        ValueError("--n = 0 is below 1"),
        FileNotFoundError(errno.ENOENT, "No such file", "run"),
        RunLocked("run is in use by process 7"),
    ],
)
def test_errors_of_usage_exit_2_with_their_message(error, capsys):
    with pytest.raises(SystemExit) as stopped:
        run(raises(error))
    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"ddpm_core.draw: {error}\n"


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
        (signal.SIGUSR1, 128 + signal.SIGUSR1, "stopped by SIGUSR1"),
    ],
)
def test_signals_exit_128_plus_their_number_with_a_message(number, code, word, capsys):
    before = signal.getsignal(signal.SIGTERM)

    def write() -> list[Path]:
        os.kill(os.getpid(), number)
        return [Path("a.png")]

    assert run(write) == code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", f"ddpm_core.draw: {word}; nothing was written\n")
    assert signal.getsignal(signal.SIGTERM) == before


def test_out_of_memory_exits_1_with_a_remedy(capsys):
    assert run(raises(MemoryError())) == 1
    said = "ddpm_core.draw: out of memory (MemoryError); pass a smaller --batch-size\n"
    assert capsys.readouterr().err == said


def test_errors_of_the_program_are_not_hidden():
    with pytest.raises(ZeroDivisionError):
        run(raises(ZeroDivisionError()))
