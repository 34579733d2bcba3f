"""Calls that stop at every evaluation of a function that they were given, so that they alternate.

A paused call runs in a thread of its own. Only one thread runs at a time, so the order is that of
the caller, and a failure repeats.
"""

import functools
import threading
from collections.abc import Callable
from typing import Any

from ..protocol.contract import SECONDS


class Interrupt(Exception):
    """Raised by a function of the caller, who abandons the call."""


class _Here(threading.local):
    """What a pausing function does in this thread."""

    call: "PausedCall | None" = None
    evaluations = 0  # of pausing functions until `raise_after`
    raise_after: int | None = None


_here = _Here()


def pausing(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, which stops a `PausedCall` before it is evaluated."""

    @functools.wraps(function)
    def paused(*arguments: Any) -> Any:
        if _here.call is not None:
            _here.call.pause()
        if _here.raise_after is not None:
            _here.evaluations += 1
            if _here.evaluations > _here.raise_after:
                raise Interrupt
        return function(*arguments)

    return paused


def interrupted(call: Callable[[], Any], evaluations: int) -> None:
    """Make the call, of which every evaluation after the first `evaluations` raises an error."""
    _here.evaluations, _here.raise_after = 0, evaluations
    try:
        call()
    except Interrupt:
        pass
    finally:
        _here.raise_after = None


class PausedCall:
    """A call in a thread, which starts at the first `advance`."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self.done = False
        self._call, self._output, self._error = call, None, None
        self._free = self._abandoned = False
        self._turn, self._stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def advance(self) -> None:
        """Run up to the next evaluation or to the end."""
        self._turn.release()
        self._wait()

    def release(self) -> None:
        """Run to the end without another stop, beside the caller; `output` waits for it."""
        self._free = True
        self._turn.release()

    def output(self) -> Any:
        """Return the output of a released or finished call, or raise its error."""
        if not self.done:
            self._wait()
        self._thread.join(SECONDS)
        if self._error is not None:
            raise self._error
        return self._output

    def abandon(self) -> None:
        """Raise an error from the evaluation at which the call stops."""
        self._abandoned = self._free = True
        self._turn.release()
        self._thread.join(SECONDS)

    def pause(self) -> None:
        """Wait for the next `advance`. Called by the call's own thread."""
        if not self._free:
            self._stopped.release()
            self._turn.acquire()
        if self._abandoned:
            raise Interrupt

    def _wait(self) -> None:
        assert self._stopped.acquire(timeout=SECONDS), f"a call waited for {SECONDS} s in a thread"

    def _run(self) -> None:
        self._turn.acquire()
        _here.call = self
        try:
            if not self._abandoned:
                self._output = self._call()
        except BaseException as error:  # raised again by `output`, "not offered" included
            self._error = error
        self.done = True
        self._stopped.release()
