"""Checks of every output of an implementation against the protocol."""

import functools
import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import pytest
from hypothesis import currently_in_test_context

from ..evidence import evidence
from ..oracles.table import FLOAT32, of_a_table
from .nouns import Gaussian
from .precisions import PRECISIONS, Precision
from .protocol import Implementation
from .shapes import SHAPES, fields_of

SECONDS = 60  # time limit of a call, which normally takes milliseconds
SOON = 1e-6  # seconds until an alarm that is due; 0 would cancel it
COARSE_RANGE = 1e6  # a dtype whose largest number is below this may overflow: float16
NOT_OFFERED = "not offered: "  # a skip with this reason has its own column in the report

NAMES = {*dir(Implementation), *Implementation.__annotations__}


class ProtocolError(AssertionError):
    """An invalid output: wrong type or shape, not a number, or not in time."""


class TimeLimitError(ProtocolError):
    """A call that exceeded the time limit."""


def exceed_time_limit(message: str) -> NoReturn:
    """Raise from one place, so that Hypothesis recognizes a repeated failure as the same."""
    raise TimeLimitError(message)


class Checked:
    """`inner` with checked outputs: float64 arrays of the right shape without NaN.

    A method that is missing is not offered. A call that raises NotImplementedError is declined,
    which ends the example, or a check that has none.
    """

    def __init__(self, inner: Implementation, precision: Precision | None = None) -> None:
        self._inner = inner
        self._precision = precision  # of the samples, None for the implementation's own
        self._timed_out: dict[str, str] = {}  # method: message

    def in_precision(self, *names: str) -> "Checked":
        """Return the same for samples of other dtypes, with checked outputs, too."""
        *_, coarsest = [each for each in PRECISIONS if each.name in names]
        inner = self.__getattr__("in_precision")(*names)  # skips if not offered
        return Checked(inner, coarsest)

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(name)  # Hypothesis and pytest look up names of their own
        method = getattr(self._inner, name, None)
        if method is None and name in Implementation.__annotations__:
            raise ProtocolError(f"{self._inner!r} has no attribute {name!r}, which is required")
        if method is None:
            evidence.record_declined(name, "the adapter has no such method")
            pytest.skip(f"{NOT_OFFERED}{name}")
        if not callable(method):
            table = name == "unit_roundoff" and of_a_table()
            return max(method, FLOAT32) if table else method

        @functools.wraps(method)
        def checked(*arguments: Any, **named: Any) -> Any:
            what = f"{getattr(self._inner, 'name', self._inner)}.{name}"
            if name in self._timed_out:  # one method must not cost an hour
                exceed_time_limit(f"{self._timed_out[name]} and is not called again")
            try:
                with time_limit(what):
                    output = method(*arguments, **named)
            except TimeLimitError as error:
                self._timed_out[name] = str(error)
                raise
            except NotImplementedError as error:
                decline(name, str(error))
            except Exception as error:  # re-raised with a note
                if not isinstance(error, AssertionError):
                    error.add_note(f"raised by {what}; see protocol.Implementation.{name}")
                raise
            evidence.record_answer(name)
            if name in SHAPES:
                largest = self._precision.largest if self._precision else math.inf
                check_output(what, output, fields := fields_of(name, arguments, named), largest)
                if [each for each, _ in fields] == ["mean", "var"]:
                    output = Gaussian(*output)
                if self._precision is None:  # the diagnosis repeats the call in float64
                    evidence.record_call(name, arguments, named, output)
            return output

        return checked


def decline(name: str, why: str) -> NoReturn:
    """End the example, or the check if it has none: the implementation does not answer a call."""
    evidence.record_declined(name, why)
    if currently_in_test_context():
        raise evidence.Declined(why)
    pytest.skip(f"{NOT_OFFERED}{name}" + (f", {why}" if why else ""))


def check_output(
    what: str, output: Any, fields: list[tuple[str, tuple[int, ...]]], largest: float = math.inf
) -> None:
    """Raise ProtocolError unless the output consists of finite float64 arrays of these shapes.

    Where samples have a small `largest` number, as in float16, infinities are compared with the
    exact numbers instead.
    """
    parts = output if len(fields) > 1 else (output,)
    if not isinstance(parts, tuple) or len(parts) != len(fields):
        names = ", ".join(name for name, _ in fields)
        raise ProtocolError(f"{what} returned a {type(output).__name__}; it must be ({names})")
    for value, (field, shape) in zip(parts, fields, strict=True):
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            kind = getattr(value, "dtype", type(value).__name__)
            raise ProtocolError(f"{what}: {field} is {kind}; it must be a NumPy float64 array")
        if value.shape != shape:
            raise ProtocolError(f"{what}: {field} has shape {value.shape}; it must be {shape}")
        wrong = ~np.isfinite(value) if largest > COARSE_RANGE else np.isnan(value)
        if wrong.any() and not of_a_table():  # there it may be 0 / 0, and is compared below
            first = tuple(map(int, np.argwhere(wrong)[0]))
            raise ProtocolError(f"{what}: {field} is {value[first]} at {first}")


@contextmanager
def time_limit(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Raise ProtocolError inside a call that takes too long (on systems with alarm signals).

    An alarm that is set already, such as that of pytest-timeout, rings at its own time: before the
    limit, or with what is left of it after the call.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    if 0 < left <= seconds:
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        exceed_time_limit(f"{what} did not return within {seconds:g} s")

    start = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            left -= time.monotonic() - start
            signal.setitimer(signal.ITIMER_REAL, max(left, SOON), interval)
