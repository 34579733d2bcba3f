"""How far a piece of work is, where there is no terminal, and where there is one."""

import io
import sys
import time

import pytest

from ddpm_core.training import progress as module
from ddpm_core.training.progress import progress


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
