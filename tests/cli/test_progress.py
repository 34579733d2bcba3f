"""Output with a terminal, without one, and with a closed pipe or a full disk."""

import io
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from ddpm_core import evaluate, sample
from ddpm_core.cli import progress as module
from ddpm_core.cli.progress import progress, say
from tests.training.miniature_runs import after_step, train

pytestmark = pytest.mark.usefixtures("undrawn")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def print_every_update(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LINE_INTERVAL", 0)


@pytest.mark.usefixtures("print_every_update")
def test_log_gets_occasional_lines(capsys):
    with progress(4000, "bound", "evaluation") as bar:
        bar.update(1000)
        bar.update(3000)
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("bound: 1,000 of 4,000 evaluations, ") for line in lines) == 1
    assert lines[-1].startswith("bound: 4,000 of 4,000 evaluations, ")
    assert all(line.startswith("bound: ") and line.endswith(" left") for line in lines)


def test_no_line_is_printed_twice(monkeypatch, capsys):
    """tqdm's monitor thread, which lowers miniters > 1 and prints a line, must not run."""
    monkeypatch.setattr(module, "LINE_INTERVAL", 0.1)
    bar = progress(1000, "bound", "evaluation")
    with bar:
        for _ in range(40):
            time.sleep(0.01)
            bar.update()
        assert bar.miniters == 1
        assert not bar.dynamic_miniters
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(set(lines)) > 0


def test_short_work_prints_nothing(capsys):
    assert list(progress(range(3), "error", "timestep")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    list(progress(range(3), "error", "timestep"))
    assert "\rerror: 100%" in sys.stderr.getvalue()


@pytest.mark.usefixtures("print_every_update")
def test_nothing_is_printed_without_a_name(monkeypatch, capsys):
    list(progress(range(3), None, "timestep"))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    list(progress(range(3), None, "timestep"))
    assert sys.stderr.getvalue() == ""


@contextmanager
def closed_pipes(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """Replace standard output and standard error by closed pipes while entered."""
    with ExitStack() as stack, patch.context() as within:
        for name in ("stdout", "stderr"):
            reader, writer = os.pipe()
            os.close(reader)
            within.setattr(sys, name, stack.enter_context(os.fdopen(writer, "w")))
        yield


@pytest.mark.usefixtures("print_every_update")
def test_closed_pipe_does_not_affect_the_commands(tmp_path, monkeypatch):
    with closed_pipes(monkeypatch):
        assert train(tmp_path) == 0
        assert train(tmp_path, "--dry-run") == train(tmp_path) == 0
        few = ("--n", "1", "--strata", "2", "--samples", "0")
        assert evaluate.main([str(tmp_path), *few]) == 0
        assert sample.main([str(tmp_path), "--n", "1", "--steps", "2"]) == 0
    assert json.loads((tmp_path / "status.json").read_bytes())["state"] == "done"
    assert list((tmp_path / "generated").glob("*.png"))


def test_run_with_closed_pipes_still_stops_on_sigterm(tmp_path, monkeypatch):
    after_step(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with closed_pipes(monkeypatch):
        assert train(tmp_path) == 143
    assert json.loads((tmp_path / "status.json").read_bytes())["state"] == "interrupted"


def test_full_disk_does_not_affect_printing(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        say("discarded")
        say("also discarded")
        monkeypatch.undo()
