"""SIGINT and SIGTERM as a flag that a loop polls, or as an exception."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType

from ddpm_core.cli.progress import say


@dataclass
class Stop:
    """A stop request, and the signal that made it."""

    requested: signal.Signals | None = None

    @property
    def exit_code(self) -> int:
        """Exit code by the shell's convention: 130 for SIGINT, 143 for SIGTERM, else 0."""
        return 0 if self.requested is None else 128 + self.requested


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Yield a Stop: the first SIGINT or SIGTERM sets `requested`, the second acts as usual.

    Python delivers signals to the main thread alone, so that in another one nothing is set.
    """
    stop = Stop()

    def request(number: int, frame: FrameType | None) -> None:
        stop.requested = signal.Signals(number)
        say(f"\n{stop.requested.name}: saving after this step; repeat the signal to stop at once")
        usual.close()

    with ExitStack() as usual:  # restores the handlers
        for each in (signal.SIGINT, signal.SIGTERM) if _in_main_thread() else ():
            usual.callback(signal.signal, each, signal.signal(each, request))
        yield stop


class Terminated(KeyboardInterrupt):
    """SIGTERM as an exception, like KeyboardInterrupt for SIGINT."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated on SIGTERM while entered; only the main thread gets signals."""
    if not _in_main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
