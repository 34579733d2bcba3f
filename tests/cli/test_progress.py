"""What a command says, where there is a terminal, where there is none, and where nobody reads."""

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


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EVERY", 0)


@pytest.mark.usefixtures("always")
def test_a_log_has_a_line_now_and_then(capsys):
    with progress(4000, "bound", "call") as bar:
        bar.update(1000)
        bar.update(3000)
    lines = capsys.readouterr().err.splitlines()
    assert sum(line.startswith("bound: 1,000 of 4,000 calls, ") for line in lines) == 1
    assert lines[-1].startswith("bound: 4,000 of 4,000 calls, ")
    assert all(line.startswith("bound: ") and line.endswith(" left") for line in lines)


def test_a_long_piece_of_work_is_not_written_of_twice(monkeypatch, capsys):
    """As by tqdm's monitor, a thread that lowers a number of items above 1 and writes a line."""
    monkeypatch.setattr(module, "EVERY", 0.1)
    bar = progress(1000, "bound", "call")
    with bar:
        for _ in range(40):
            time.sleep(0.01)
            bar.update()
        assert bar.miniters == 1
        assert not bar.dynamic_miniters
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == len(set(lines)) > 0


def test_what_is_soon_done_prints_nothing(capsys):
    assert list(progress(range(3), "error", "level")) == [0, 1, 2]
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    list(progress(range(3), "error", "level"))
    assert "\rerror: 100%" in sys.stderr.getvalue()


@pytest.mark.usefixtures("always")
def test_without_a_name_nothing_is_shown(monkeypatch, capsys):
    list(progress(range(3), None, "level"))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys, "stderr", Terminal())
    list(progress(range(3), None, "level"))
    assert sys.stderr.getvalue() == ""


@contextmanager
def unread(patch: pytest.MonkeyPatch) -> Iterator[None]:
    """While entered, standard output and standard error are pipes whose reader has left."""
    with ExitStack() as stack, patch.context() as within:
        for name in ("stdout", "stderr"):
            reader, writer = os.pipe()
            os.close(reader)
            within.setattr(sys, name, stack.enter_context(os.fdopen(writer, "w")))
        yield


@pytest.mark.usefixtures("always")
def test_a_reader_that_left_changes_nothing(tmp_path, monkeypatch):
    with unread(monkeypatch):
        assert train(tmp_path) == 0
        assert train(tmp_path, "--dry-run") == train(tmp_path) == 0
        few = ("--n", "1", "--strata", "2", "--samples", "0")
        assert evaluate.main([str(tmp_path), *few]) == 0
        assert sample.main([str(tmp_path), "--n", "1", "--steps", "2"]) == 0
    assert json.loads((tmp_path / "status.json").read_bytes())["state"] == "done"
    assert list((tmp_path / "generated").glob("*.png"))


def test_a_run_that_nobody_reads_of_stops_as_any(tmp_path, monkeypatch):
    after_step(monkeypatch, 1, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with unread(monkeypatch):
        assert train(tmp_path) == 143
    assert json.loads((tmp_path / "status.json").read_bytes())["state"] == "interrupted"


def test_a_full_disk_for_what_is_said_changes_nothing(monkeypatch):
    with open("/dev/full", "w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        say("nothing of this is kept")
        say("nor of this")
        monkeypatch.undo()
