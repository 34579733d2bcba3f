"""Signal handlers for the tests of the command line."""

import signal
from collections.abc import Iterator

import pytest

from ddpm_core.cli.signals import SIGNALS


def unhandled(number: int, frame: object) -> None:
    pytest.fail(f"{signal.Signals(number).name} was not handled")


@pytest.fixture
def usual_signals() -> Iterator[None]:
    """SIGINT interrupts, though a process in the background ignores it; others fail a test."""
    usual = dict.fromkeys(SIGNALS, unhandled) | {signal.SIGINT: signal.default_int_handler}
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
