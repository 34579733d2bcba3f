"""Every end of a run: one sentence, a true status, and the last good step on the disk."""

import json
import os
import signal

import pytest
import torch

from ddpm_core.storage.checkpoint import latest_checkpoint
from ddpm_core.training import diffusion_run, run_directory
from ddpm_core.training.autoencoder_run import AutoencoderTask
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.ema import Ema
from tests.training.miniature_runs import Crash, after_step, crash, encode, fingerprint, train

pytestmark = pytest.mark.usefixtures("undrawn")


def status_of(folder):
    return json.loads((folder / "status.json").read_text())


def raises(error):
    def fail(*given, **named):
        raise error

    return fail


def failing_at(real, number, error):
    """Return `real`, whose call `number` (from 0) raises `error` in its place."""
    calls = []

    def call(*given, **named):
        calls.append(0)
        if len(calls) == number + 1:
            raise error
        return real(*given, **named)

    return call


def test_out_of_memory_saves_the_last_step_and_resumes_to_the_same_bits(
    finished, tmp_path, monkeypatch, capsys
):
    error = torch.OutOfMemoryError("CUDA out of memory")
    with monkeypatch.context() as patch:
        patch.setattr(DiffusionTask, "step", failing_at(DiffusionTask.step, 5, error))
        assert train(tmp_path) == 1
    said = capsys.readouterr().err
    assert (
        "out of memory (OutOfMemoryError: CUDA out of memory); pass a smaller --batch-size" in said
    )
    assert "The last good checkpoint is" in said
    assert latest_checkpoint(tmp_path / "checkpoints").name == "step-000005"
    status = status_of(tmp_path)
    assert (status["state"], status["step"]) == ("failed", 5)
    assert status["message"] in said
    assert not (tmp_path / "traceback.txt").exists()
    assert "failed" in (tmp_path / "report.html").read_text()
    assert train(tmp_path) == 0
    assert fingerprint(tmp_path) == fingerprint(finished)


def test_out_of_memory_at_the_first_step_leaves_the_options_free(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(DiffusionTask, "step", raises(MemoryError()))
        assert train(tmp_path, steps=2) == 1
    assert status_of(tmp_path)["state"] == "failed"
    assert train(tmp_path, "--batch-size", "4", steps=2) == 0


def test_accumulate_may_change_when_a_run_resumes(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(DiffusionTask, "step", failing_at(DiffusionTask.step, 1, MemoryError()))
        assert train(tmp_path, steps=2) == 1
    assert train(tmp_path, "--accumulate", "2", steps=2) == 0


def test_a_step_that_was_half_updated_is_not_saved(finished, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Ema, "update", failing_at(Ema.update, 4, RuntimeError("half")))
        assert train(tmp_path) == 1
    assert latest_checkpoint(tmp_path / "checkpoints").name == "step-000003"
    assert "RuntimeError: half. The last good checkpoint is" in status_of(tmp_path)["message"]
    assert "in update" in (tmp_path / "traceback.txt").read_text()
    assert train(tmp_path) == 0
    assert fingerprint(tmp_path) == fingerprint(finished)


def test_weights_that_are_not_finite_are_not_saved(tmp_path, monkeypatch):
    def broken(task, step):
        if step == 4:
            next(task.state.network.parameters()).data.fill_(torch.inf)
            raise RuntimeError("diverged")
        return real(task, step)

    real = DiffusionTask.step
    monkeypatch.setattr(DiffusionTask, "step", broken)
    assert train(tmp_path) == 1
    assert latest_checkpoint(tmp_path / "checkpoints").name == "step-000003"


def test_a_full_disk_is_reported_with_the_checkpoint_that_remains(tmp_path, monkeypatch, capsys):
    full = failing_at(run_directory.save_checkpoint, 1, OSError(28, "No space left on device"))
    monkeypatch.setattr(run_directory, "save_checkpoint", full)
    assert train(tmp_path, steps=6) == 1
    assert "No space left on device. The last good checkpoint is" in capsys.readouterr().err
    assert status_of(tmp_path)["state"] == "failed"


@pytest.mark.parametrize("name", ["denoising_grid", "write_report"])
def test_a_preview_or_report_that_fails_is_a_warning_until_the_end(
    name, tmp_path, monkeypatch, capsys
):
    module = diffusion_run if name == "denoising_grid" else run_directory
    with monkeypatch.context() as patch:
        patch.setattr(module, name, raises(ValueError("no such colour")))
        assert train(tmp_path, steps=1) == 0
    what = "preview" if name == "denoising_grid" else "report"
    warning = f"WARNING: no {what} at step 1: ValueError: no such colour"
    assert capsys.readouterr().err.count(warning) >= 2  # at once, and at the end
    status = status_of(tmp_path)
    assert status["state"] == "done"
    assert warning in status["warnings"]
    if what == "preview":
        assert warning in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("steps", [4, 8])
def test_the_step_is_saved_before_its_preview_which_is_made_up_for(
    steps, finished, tmp_path, monkeypatch
):
    """A kill in a preview costs neither the step nor the preview."""
    number = {4: 1, 8: 2}[steps]  # the first is that of step 0
    flags = ("--sample-every", "4")
    assert train(tmp_path / "whole", *flags) == 0
    with monkeypatch.context() as patch:
        patch.setattr(DiffusionTask, "preview", failing_at(DiffusionTask.preview, number, Crash()))
        with pytest.raises(Crash):
            train(tmp_path / "cut", *flags)
    assert latest_checkpoint(tmp_path / "cut" / "checkpoints").name == f"step-{steps:06d}"
    assert train(tmp_path / "cut", *flags) == 0
    assert fingerprint(tmp_path / "cut") == fingerprint(tmp_path / "whole")


def test_a_failed_test_error_keeps_the_last_step_and_is_repeated(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(DiffusionTask, "test_error", raises(MemoryError()))
        assert train(tmp_path, steps=2) == 1
    assert status_of(tmp_path)["state"] == "failed"
    assert train(tmp_path, steps=2) == 0
    assert status_of(tmp_path)["state"] == "done"


def test_a_killed_run_is_reported_by_the_next_start(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        after_step(patch, 4, crash)
        with pytest.raises(Crash):
            train(tmp_path)
    assert status_of(tmp_path)["state"] == "running"
    holder = {"pid": 77, "host": "node", "started": "2026-01-01"}
    (tmp_path / ".lock.json").write_text(json.dumps(holder))
    with pytest.raises(SystemExit):
        train(tmp_path, "--seed", "9")  # the status is true even if this start is refused
    assert status_of(tmp_path)["state"] == "interrupted"
    note = "NOTE: process 77 on node since 2026-01-01 was killed in"
    assert note in status_of(tmp_path)["message"]
    assert note in capsys.readouterr().err
    assert train(tmp_path) == 0
    assert "was killed" not in capsys.readouterr().err


def test_a_second_signal_stops_at_once_with_a_status(tmp_path, monkeypatch, capsys):
    def twice():
        os.kill(os.getpid(), signal.SIGTERM)
        signal.default_int_handler(signal.SIGINT, None)

    after_step(monkeypatch, 4, twice)
    assert train(tmp_path) == 143
    assert status_of(tmp_path)["state"] == "interrupted"
    assert "stopped at once; the same command resumes" in capsys.readouterr().err


def test_an_interrupted_run_has_its_state_in_the_report(tmp_path, monkeypatch):
    after_step(monkeypatch, 0, lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert train(tmp_path) == 143
    assert "<b>interrupted</b>" in (tmp_path / "report.html").read_text()


def test_an_autoencoder_ends_in_the_same_ways(tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderTask, "step", failing_at(AutoencoderTask.step, 2, MemoryError()))
        patch.setattr(AutoencoderTask, "preview", raises(RuntimeError("no picture")))
        assert encode(tmp_path, steps=4) == 1
    said = capsys.readouterr().err
    assert "pass a smaller --batch-size, or a smaller --width" in said
    assert "WARNING: no preview at step 0: RuntimeError: no picture" in said
    assert latest_checkpoint(tmp_path / "checkpoints").name == "step-000002"
    assert encode(tmp_path, steps=4) == 0
