"""The run directory: its files, resuming, and the input that is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from ddpm_core.storage.run_lock import run_lock
from ddpm_core.training import diffusion_run as diffusion
from ddpm_core.training import run_directory
from tests.training.miniature_runs import fingerprint, train


def test_run_writes_the_documented_files(finished):
    names = {str(each.relative_to(finished)) for each in finished.rglob("*") if each.is_file()}
    wanted = "config.json env.json status.json metrics.jsonl timing.jsonl loss.png report.html"
    wanted += " denoising.gif samples/step-000008.png denoising/step-000008.png"
    wanted += " denoising/step-000008.npz checkpoints/LATEST.json"
    wanted += " checkpoints/step-000008/ema.safetensors"
    assert set(wanted.split()) <= names
    status = json.loads((finished / "status.json").read_text())
    assert (status["state"], status["step"]) == ("done", 8)
    assert "500 test images" in status["message"]


def test_finished_run_is_reported_and_unchanged(finished, capsys):
    before = fingerprint(finished)
    assert train(finished) == 0
    assert "finished" in capsys.readouterr().out
    assert fingerprint(finished) == before


def test_other_data_under_the_same_name_are_refused(finished, monkeypatch, capsys):
    monkeypatch.setattr(diffusion.Dataset, "digest", lambda self: "0" * 64)
    with pytest.raises(SystemExit):
        train(finished)
    assert "other data" in capsys.readouterr().err


def test_two_runs_cannot_share_a_folder(finished, capsys):
    with run_lock(finished), pytest.raises(SystemExit) as stopped:
        train(finished)
    assert stopped.value.code == 2
    assert "in use" in capsys.readouterr().err


def test_flipped_byte_is_refused_and_an_earlier_checkpoint_resumes(tmp_path, capsys, finished):
    train(tmp_path / "run")
    path = tmp_path / "run" / "checkpoints" / "step-000008" / "ema.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(SystemExit):
        train(tmp_path / "run")
    error = capsys.readouterr().err
    assert "ema.safetensors" in error
    older = tmp_path / "run" / "checkpoints" / "step-000006"
    assert f"--resume {older}" in error
    assert train(tmp_path / "run", "--resume", str(older)) == 0
    assert fingerprint(tmp_path / "run") == fingerprint(finished)


def test_resume_from_a_path_that_does_not_exist_is_refused(tmp_path, finished, capsys):
    sentence = "--resume always does not exist; pass auto, never, or the path of a checkpoint"
    newest = finished / "checkpoints" / "step-000008"
    for folder, hint in ((tmp_path, "\n"), (finished, f", such as {newest}\n")):
        with pytest.raises(SystemExit) as stopped:
            train(folder, "--resume", "always")
        assert stopped.value.code == 2
        assert capsys.readouterr().err.endswith(sentence + hint)


def test_unwritable_folder_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        train(tmp_path / "file")
    assert stopped.value.code == 2
    assert "File exists" in capsys.readouterr().err


def test_damaged_status_is_rewritten_and_damaged_metrics_are_reported(tmp_path, capsys, finished):
    train(tmp_path / "run")
    (tmp_path / "run" / "status.json").write_text('{"state": ')
    assert train(tmp_path / "run") == 0
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "done"
    assert fingerprint(tmp_path / "run") == fingerprint(finished)
    (tmp_path / "run" / "status.json").unlink()
    rows = (tmp_path / "run" / "metrics.jsonl").read_text()
    (tmp_path / "run" / "metrics.jsonl").write_text("not JSON\n" + rows)
    assert train(tmp_path / "run") == 1
    assert "metrics.jsonl, line 1 is not a JSON row with a step" in capsys.readouterr().err


def test_checkpoint_without_the_name_of_its_command_is_resumed(tmp_path, monkeypatch):
    """Checkpoints written before train_autoencoder existed lack it."""
    real = run_directory.save_checkpoint

    def older(folder, step, tensors, state, keep):
        state = {name: value for name, value in state.items() if name != "command"}
        return real(folder, step, tensors, state, keep)

    with monkeypatch.context() as patch:
        patch.setattr(run_directory, "save_checkpoint", older)
        assert train(tmp_path) == 0
    assert train(tmp_path) == 0


@pytest.mark.usefixtures("undrawn")
def test_what_was_left_out_of_a_folder_is_printed_and_in_the_report(tmp_path, capsys):
    pictures = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
    (tmp_path / "data").mkdir()
    for i, each in enumerate(pictures):
        Image.fromarray(each).save(tmp_path / "data" / f"{i:02}.png")
    (tmp_path / "data" / "12.png").touch()
    flags = ("--dataset", f"folder:{tmp_path / 'data'}", "--skip-unreadable")
    assert train(tmp_path / "run", *flags, steps=1) == 0
    line = f"folder:{tmp_path / 'data'}: 12 images used, skipped 1: 1 unreadable (12.png)"
    assert line in capsys.readouterr().out
    about = json.loads((tmp_path / "run" / "data.json").read_text())
    assert about["skipped"] == {"unreadable": {"files": 1, "first": ["12.png"]}}
    assert (about["train"], about["validation"], about["test"], about["used"]) == (10, 1, 1, 12)
    assert "<td>12.png</td>" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
