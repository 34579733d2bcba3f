"""The run directory: its files, resuming, and the input that is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core.storage.run_lock import run_lock
from ddpm_core.training import diffusion_run as diffusion
from ddpm_core.training import run_directory
from ddpm_core.training.trained import load_trained
from tests.training.miniature_runs import fingerprint, refused, train


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


def archive(path, images, **more):
    np.savez(path, images=images, **more)
    return f"npz:{path}"


@pytest.mark.usefixtures("undrawn")
def test_equal_data_and_an_equal_device_resume_under_another_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)
    flags = ("--learning-rate-decay", "constant")
    spec = archive("x.npz", images)
    assert train(tmp_path / "run", *flags, "--dataset", spec, "--device", "auto", steps=1) == 0
    (tmp_path / "elsewhere").mkdir()
    shutil.move("x.npz", "elsewhere/y.npz")
    for steps, spec in ((2, "npz:elsewhere/y.npz"), (3, "npz:./elsewhere/../elsewhere/y.npz")):
        assert train(tmp_path / "run", *flags, "--dataset", spec, steps=steps) == 0
    assert json.loads((tmp_path / "run" / "status.json").read_text())["step"] == 3
    assert json.loads((tmp_path / "run" / "data.json").read_text())["warnings"] == []


@pytest.mark.usefixtures("undrawn")
def test_changed_data_are_refused_or_marked_on_everything_that_follows(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)
    flags = ("--dataset", archive(tmp_path / "x.npz", images), "--learning-rate-decay", "constant")
    assert train(tmp_path / "run", *flags, steps=1) == 0
    images[0, 0, 0] ^= 1
    archive(tmp_path / "x.npz", images)
    refusal = refused(capsys, lambda given: train(tmp_path / "run", *given, steps=2), *flags)
    assert "step-000001 was trained on other data than npz:" in refusal
    assert "pass --data-changed ok to train on, or choose another --out-dir" in refusal
    assert train(tmp_path / "run", *flags, "--data-changed", "ok", steps=2) == 0
    assert train(tmp_path / "run", *flags, steps=3) == 0
    (warning,) = json.loads((tmp_path / "run" / "data.json").read_text())["warnings"]
    assert warning.startswith("DATA CHANGED after step 1 (digest ")
    assert capsys.readouterr().out.count(warning) == 2
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert f'<p class="strip">{warning}</p>' in page
    assert warning in load_trained(tmp_path / "run", torch.device("cpu")).remarks
    archive(tmp_path / "x.npz", images[:, :4, :4])
    more = (*flags, "--data-changed", "ok")
    refusal = refused(capsys, lambda given: train(tmp_path / "run", *given, steps=4), *more)
    assert "digest" in refusal
    assert "--data-changed ok" not in refusal  # the network takes images of another size


@pytest.mark.usefixtures("undrawn")
def test_other_classes_are_refused_for_a_conditional_run_in_any_case(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)
    labels = np.arange(24) % 2
    path, out = tmp_path / "x.npz", tmp_path / "run"
    spec = archive(path, images, labels=labels, class_names=["a", "b"])
    flags = ("--dataset", spec, "--conditional", "--learning-rate-decay", "constant")
    assert train(out, *flags, steps=1) == 0
    archive(path, images, labels=labels, class_names=["b", "a"])
    more = (*flags, "--data-changed", "ok")
    refusal = refused(capsys, lambda given: train(out, *given, steps=2), *more)
    assert "(classes a, b, now b, a); restore the data, or choose another --out-dir" in refusal
