"""SIGINT and SIGTERM as a flag that a loop polls, or as an exception."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

from ddpm_core.cli.progress import say


class Stop:
    """Stop request: the first SIGINT or SIGTERM sets `requested`, the second acts as usual."""

    def __init__(self) -> None:
        self.requested: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    @property
    def exit_code(self) -> int:
        """Exit code by the shell's convention: 130 for SIGINT, 143 for SIGTERM, else 0."""
        return 0 if self.requested is None else 128 + self.requested

    def __enter__(self) -> "Stop":
        for each in (signal.SIGINT, signal.SIGTERM):
            self._before[each] = signal.signal(each, self._request)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._restore()

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.requested = signal.Signals(number)
        say(f"\n{self.requested.name}: saving after this step; repeat the signal to stop at once")
        self._restore()

    def _restore(self) -> None:
        for each, handler in self._before.items():
            signal.signal(each, handler)


class Terminated(KeyboardInterrupt):
    """SIGTERM as an exception, like KeyboardInterrupt for SIGINT."""


@contextmanager
def terminable() -> Iterator[None]:
    """Raise Terminated on SIGTERM while entered."""

    def terminate(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
