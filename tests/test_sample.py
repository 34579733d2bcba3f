"""The sample command: the files that it lists, and its exit codes."""

from pathlib import Path

import pytest

from ddpm_core.generation import generate_images as drawing
from ddpm_core.sample import main
from tests.commands import help_without_heavy_imports
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def run(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "digits"
    return shared_runs.train(folder, "--multipliers", "1", "2")


def test_help_does_not_import_torch():
    assert "--timestep-spacing" in help_without_heavy_imports("sample")


def test_command_lists_the_files_written(run, capsys):
    assert main([str(run), "--n", "4", "--steps", "5", "--gif"]) == 0
    written = [Path(line.strip()) for line in capsys.readouterr().out.splitlines()[1:]]
    assert [each.name for each in written] == [
        f"step-000002-seed-0-4-samples-5-steps.{s}" for s in ("npy", "png", "gif")
    ]
    assert all(each.stat().st_size > 0 for each in written)


def test_interruption_exits_130_with_a_message(run, tmp_path, monkeypatch, capsys):
    def interrupted(*given, **named):
        raise KeyboardInterrupt

    monkeypatch.setattr(drawing, "generate", interrupted)
    assert main([str(run), "--out-dir", str(tmp_path)]) == 130
    assert "ddpm_core.sample: interrupted; nothing was written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
