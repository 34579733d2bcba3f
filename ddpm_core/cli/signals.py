"""SIGINT, SIGTERM, SIGHUP and SIGUSR1 as a flag that a loop polls, or as an exception."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from ddpm_core.cli.progress import say

# A closed terminal sends SIGHUP twice, Slurm SIGUSR1 before SIGTERM; Windows has neither.
WARNINGS = tuple(getattr(signal, name) for name in ("SIGHUP", "SIGUSR1") if hasattr(signal, name))
SIGNALS = (signal.SIGINT, signal.SIGTERM, *WARNINGS)


@dataclass
class Stop:
    """A stop request, and the signal that made it."""

    requested: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """Exit code by the shell's convention: 128 + n for signal n, else 0."""
        return 0 if self.requested is None else 128 + self.requested


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Yield a Stop: the first of SIGNALS sets `requested`.

    After a SIGINT or SIGTERM the next signal acts as usual. A SIGHUP that is ignored, as under
    nohup, stays so. Python delivers signals to the main thread alone, so that in another one
    nothing is set.
    """
    stop = Stop()

    def request(number: int, frame: FrameType | None) -> None:
        again = "" if number in WARNINGS else "; repeat the signal to stop at once"
        if stop.requested is None:
            stop.requested = signal.Signals(number)
            say(f"\n{stop.requested.name}: saving after this step{again}")
        if again:
            usual.close()

    with ExitStack() as usual:  # restores the handlers
        for each in _handled():
            usual.callback(signal.signal, each, signal.signal(each, request))
        yield stop


class Terminated(KeyboardInterrupt):
    """SIGTERM, SIGHUP or SIGUSR1 as an exception, like KeyboardInterrupt for SIGINT."""

    def __init__(self, number: int = signal.SIGTERM) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated on SIGTERM, SIGHUP or SIGUSR1 while entered, in the main thread."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    with ExitStack() as usual:
        for each in _handled():
            if each != signal.SIGINT:
                usual.callback(signal.signal, each, signal.signal(each, terminate))
        yield


def _handled() -> list[signal.Signals]:
    """Return the signals to handle in this thread: only the main thread gets any."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [
        each
        for each in SIGNALS
        if each not in WARNINGS or signal.getsignal(each) is not signal.SIG_IGN
    ]
