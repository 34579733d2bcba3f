"""The evaluate command: the files that it lists, and its exit codes."""

import os
import signal
from pathlib import Path

import pytest

from ddpm_core.evaluate import main
from ddpm_core.evaluation import evaluate as evaluation
from tests.commands import help_without_heavy_imports
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def run(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_runs.train(tmp_path_factory.mktemp("runs") / "run")


def test_help_does_not_import_torch():
    assert "--strata" in help_without_heavy_imports("evaluate")


def test_command_lists_the_files_written(run, tmp_path, capsys):
    few = ("--n", "2", "--strata", "2", "--samples", "0")
    assert main([str(run), "--out-dir", str(tmp_path), *few]) == 0
    out = capsys.readouterr().out
    listed = [Path(line.strip()) for line in out.partition("\nwrote\n")[2].splitlines()]
    assert [each.suffix for each in listed] == [".json", ".png"]
    assert all(each.stat().st_size > 0 for each in listed)


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_signal_leaves_finished_batches_cached(
    run, tmp_path, monkeypatch, capsys, number, code, word
):
    real, before = evaluation.bound_sums, signal.getsignal(signal.SIGTERM)

    def interrupted(config, trained, dataset, indices, *rest):
        if len(list((tmp_path / "bound").glob("*.npz"))) == 1:
            os.kill(os.getpid(), number)
        return real(config, trained, dataset, indices, *rest)

    monkeypatch.setattr(evaluation, "bound_sums", interrupted)
    flags = ["--n", "4", "--batch-size", "2", "--samples", "0"]
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background: ignored
    try:
        assert main([str(run), "--out-dir", str(tmp_path), *flags]) == code
    finally:
        signal.signal(signal.SIGINT, usual)
    assert f"ddpm_core.evaluate: {word}; the same command resumes" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    assert len(list((tmp_path / "bound").glob("*.npz"))) == 1
    assert not list(tmp_path.glob("*.json"))
