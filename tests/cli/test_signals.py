"""Signals: the first sets a flag or raises, and the handlers are restored."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from ddpm_core.cli.signals import SIGNALS, Terminated, stop_on_signal, terminable

BOTH = (signal.SIGINT, signal.SIGTERM)
POLITE = tuple(getattr(signal, n) for n in ("SIGHUP", "SIGUSR1") if hasattr(signal, n))
pytestmark = pytest.mark.usefixtures("usual_signals")
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def handlers() -> list[object]:
    return [signal.getsignal(each) for each in SIGNALS]


def test_without_a_signal_nothing_is_requested_and_the_exit_code_is_0(capsys):
    with stop_on_signal() as stop:
        assert (stop.requested, stop.exit_code) == (None, 0)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("number", BOTH)
def test_first_signal_sets_the_flag_the_exit_code_and_prints_a_message(number, capsys):
    with stop_on_signal() as stop:
        os.kill(os.getpid(), number)
        assert stop.requested == number
    assert stop.exit_code == CODES[number]
    said = f"\n{number.name}: saving after this step; repeat the signal to stop at once\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize("number", POLITE)
def test_hangup_and_usr1_set_the_flag_and_may_be_repeated(number, capsys):
    """A terminal that closes sends SIGHUP twice; Slurm sends SIGTERM after SIGUSR1."""
    with stop_on_signal() as stop:
        for each in (number, number, signal.SIGTERM):
            os.kill(os.getpid(), each)
        assert stop.exit_code == 128 + number
    assert capsys.readouterr().out == f"\n{number.name}: saving after this step\n"


@pytest.mark.parametrize("number", POLITE)
def test_hangup_and_usr1_raise_terminated_with_their_number(number):
    with pytest.raises(Terminated) as caught, terminable():
        os.kill(os.getpid(), number)
    assert (caught.value.number, str(caught.value)) == (number, number.name)


@pytest.mark.parametrize("number", POLITE)
def test_an_ignored_signal_stays_ignored(number):
    """As SIGHUP is under nohup."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with terminable(), stop_on_signal() as stop:
            os.kill(os.getpid(), number)
    finally:
        signal.signal(number, before)
    assert stop.requested is None


@pytest.mark.parametrize("first", BOTH)
def test_second_sigint_interrupts_at_once(first):
    with stop_on_signal():
        os.kill(os.getpid(), first)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_second_sigterm_ends_the_process():
    program = (
        "import os, signal\n"
        "from ddpm_core.cli.signals import stop_on_signal\n"
        "with stop_on_signal():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('first', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('second', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == -signal.SIGTERM
    assert done.stdout.split()[-1] == b"first"


@pytest.mark.parametrize("fails", [False, True])
def test_stop_on_signal_restores_the_handlers(fails):
    before = handlers()
    try:
        with stop_on_signal():
            assert all(now != usual for now, usual in zip(handlers(), before, strict=True))
            if fails:
                raise ValueError
    except ValueError:
        pass
    assert handlers() == before


def test_sigterm_raises_terminated_and_the_handler_is_restored():
    """Terminated is a KeyboardInterrupt, so `except Exception` does not catch it."""
    before = handlers()
    with pytest.raises(Terminated), terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert handlers() == before
    assert issubclass(Terminated, KeyboardInterrupt)


def test_sigint_remains_a_keyboard_interrupt_while_terminable():
    with pytest.raises(KeyboardInterrupt) as caught, terminable():
        os.kill(os.getpid(), signal.SIGINT)
    assert not isinstance(caught.value, Terminated)


def test_another_thread_has_no_handlers_and_works():
    """Signals belong to the main thread, as in a notebook server or a sweep agent."""
    found = []

    def work():
        before = handlers()
        with terminable(), stop_on_signal() as stop:
            found.append((stop.exit_code, handlers() == before))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(0, True)]
