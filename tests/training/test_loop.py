"""The training loop of a command: resuming, signals, failures and the plan."""

import dataclasses
import json
import os
import signal

import numpy as np
import pytest
import torch

from ddpm_core.storage.checkpoint import latest_checkpoint
from ddpm_core.training import diffusion_run as diffusion
from ddpm_core.training import step
from ddpm_core.training.loop import plan
from ddpm_core.training.run_directory import RunDirectory
from tests.data.datasets_written import GREY, write_npz
from tests.training.miniature_runs import Crash, after_step, crash, fingerprint, train
from tests.training.recorded_steps import SMALL

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize("number", [1, 6])
def test_crashed_run_resumes_to_the_same_bits(finished, tmp_path, monkeypatch, number):
    with monkeypatch.context() as patch:
        after_step(patch, number, crash)
        with pytest.raises(Crash):
            train(tmp_path / "run")
    assert train(tmp_path / "run") == 0
    assert fingerprint(tmp_path / "run") == fingerprint(finished)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        (signal.SIGUSR1, 128 + signal.SIGUSR1),
    ],
)
def test_signal_saves_and_the_same_command_resumes(finished, tmp_path, monkeypatch, number, code):
    with monkeypatch.context() as patch:
        after_step(patch, 4, lambda: os.kill(os.getpid(), number))
        assert train(tmp_path / "run") == code
    assert latest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-000005"
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "interrupted"
    assert train(tmp_path / "run") == 0
    assert fingerprint(tmp_path / "run") == fingerprint(finished)


def test_signal_before_the_first_step_saves_step_0(finished, tmp_path, monkeypatch):
    real = diffusion.DiffusionTask.preview

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(diffusion.DiffusionTask, "preview", interrupted)
        assert train(tmp_path / "run") == 130
    assert latest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-000000"
    assert train(tmp_path / "run") == 0
    assert fingerprint(tmp_path / "run") == fingerprint(finished)


def test_other_seed_gives_other_weights(finished, tmp_path):
    assert train(tmp_path / "run", "--seed", "1") == 0
    ours, theirs = fingerprint(tmp_path / "run"), fingerprint(finished)
    assert ours["model.safetensors"] != theirs["model.safetensors"]


def test_training_does_not_change_the_global_generator(tmp_path):
    before = torch.get_rng_state()
    train(tmp_path / "run", steps=2)
    assert torch.equal(before, torch.get_rng_state())


def test_accumulation_changes_neither_loss_nor_gradient(tmp_path):
    """Without the division by the number of micro-batches they would differ by a factor 2.

    The first prediction is 0, so the losses are the same numbers in either split. A gradient sums
    n = images x pixels terms of random sign in another order: sqrt(n) u of the sum of their
    magnitudes (Higham & Mary 2019), which is sqrt(n) times the sum itself; twice that for slack.
    """
    rows = []
    for parts in ("1", "2"):
        folder = tmp_path / parts
        train(folder, "--accumulate", parts, "--dropout", "0", "--log-every", "1", steps=1)
        lines = (folder / "metrics.jsonl").read_text().splitlines()
        rows.append(next(row for row in map(json.loads, lines) if "grad_norm" in row))
    assert rows[0]["loss"] == rows[1]["loss"]
    terms = 8 * 8 * 8
    assert rows[0]["grad_norm"] == pytest.approx(rows[1]["grad_norm"], rel=2 * terms * 2.0**-24)


def test_non_finite_loss_stops_before_the_update(tmp_path, monkeypatch, capsys):
    real = step.l_simple

    def broken(prediction, target):
        if real_calls.append(0) or len(real_calls) == 5:
            prediction = (
                prediction * torch.tensor([1.0, float("nan"), *[1.0] * 6])[:, None, None, None]
            )
        return real(prediction, target)

    real_calls: list[int] = []
    monkeypatch.setattr(step, "l_simple", broken)
    assert train(tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert "loss of step 5" in error
    assert "t = [" in error
    assert "training images [" in error
    assert "step-000004" in error
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["step"]) == ("failed", 4)
    monkeypatch.undo()
    assert train(tmp_path / "run") == 0, "the run resumes from the last good checkpoint"


def test_one_test_image_has_no_standard_error(tmp_path, capsys):
    data = write_npz(tmp_path / "few.npz", images=GREY[:12])
    assert train(tmp_path / "run", "--dataset", f"npz:{data}", steps=1) == 0
    assert "one image: no error bar" in capsys.readouterr().out
    result = json.loads((tmp_path / "run" / "test.json").read_text())
    assert (result["images"], result["standard_error"]) == (1, None)


def test_plan_states_grey_levels_or_continuous_values(tmp_path):
    images = np.linspace(-1, 1, 640, dtype=np.float32).reshape(40, 4, 4)
    np.savez(tmp_path / "real.npz", images=images)
    real = dataclasses.replace(SMALL, dataset=f"npz:{tmp_path / 'real.npz'}", multipliers=(1,))
    for config, values in ((real, "(1, 4, 4), continuous-valued"), (SMALL, "(1, 8, 8), 17 grey")):
        assert f"test images of shape {values}" in plan(
            RunDirectory(diffusion.DiffusionTask.prepare(config))
        )


def test_plan_states_classes_and_label_dropout():
    config = dataclasses.replace(SMALL, conditional=True, label_dropout=0.25)
    described = diffusion.DiffusionTask.prepare(config).describe()
    assert (
        ", class-conditional (10 classes, label dropout 25 %); predicts eps in pixels" in described
    )
    assert "class" not in diffusion.DiffusionTask.prepare(SMALL).describe()


def test_dry_run_writes_nothing(tmp_path, capsys):
    assert train(tmp_path / "run", "--dry-run") == 0
    assert not (tmp_path / "run").exists()
    plan = capsys.readouterr().out
    assert "1,200 training" in plan
    assert "NOTE" not in plan
    assert train(tmp_path / "run", "--dry-run", "--warmup-steps", "9") == 0
    note = "NOTE: the learning rate warms up over 9 steps; lower --warmup-steps to reach its peak"
    assert note in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        train(tmp_path / "file" / "run", "--dry-run")
    assert f"{tmp_path / 'file'} is not a writable folder" in capsys.readouterr().err
