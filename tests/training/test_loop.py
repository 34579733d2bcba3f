"""The train command: what it leaves behind, how it stops, and how it goes on."""

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from ddpm_core.storage.checkpoint import latest_checkpoint
from ddpm_core.storage.run_lock import RunLock
from ddpm_core.training import diffusion_run as diffusion
from ddpm_core.training import run_directory, step
from tests.data.datasets_written import GREY, write_npz
from tests.training.miniature_runs import Crash, after_step, crash, fingerprint, train


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    assert train(folder) == 0
    return folder


def test_a_run_leaves_what_the_documentation_lists(finished):
    names = {str(each.relative_to(finished)) for each in finished.rglob("*") if each.is_file()}
    wanted = "config.json env.json status.json metrics.jsonl timing.jsonl loss.png report.html"
    wanted += " denoising.gif samples/step-000008.png denoising/step-000008.png"
    wanted += " denoising/step-000008.npz checkpoints/LATEST.json"
    wanted += " checkpoints/step-000008/ema.safetensors"
    assert set(wanted.split()) <= names
    status = json.loads((finished / "status.json").read_text())
    assert (status["state"], status["step"]) == ("done", 8)
    assert "500 test images" in status["message"]


@pytest.mark.parametrize("number", [1, 6])
def test_a_crashed_run_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch, number):
    with monkeypatch.context() as patch:
        after_step(patch, number, crash)
        with pytest.raises(Crash):
            train(tmp_path / "run")
    assert train(tmp_path / "run") == 0
    assert fingerprint(tmp_path / "run") == fingerprint(finished)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_same_command_goes_on(finished, tmp_path, monkeypatch, number, code):
    with monkeypatch.context() as patch:
        after_step(patch, 4, lambda: os.kill(os.getpid(), number))
        assert train(tmp_path / "run") == code
    assert latest_checkpoint(tmp_path / "run" / "checkpoints").name == "step-000005"
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "interrupted"
    assert train(tmp_path / "run") == 0
    assert fingerprint(tmp_path / "run") == fingerprint(finished)


def test_a_signal_before_the_first_step_saves_too(finished, tmp_path, monkeypatch):
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


def test_a_finished_run_says_so_and_changes_nothing(finished, capsys):
    before = fingerprint(finished)
    assert train(finished) == 0
    assert "finished" in capsys.readouterr().out
    assert fingerprint(finished) == before


def test_another_seed_gives_another_run(finished, tmp_path):
    assert train(tmp_path / "run", "--seed", "1") == 0
    ours, theirs = fingerprint(tmp_path / "run"), fingerprint(finished)
    assert ours["model.safetensors"] != theirs["model.safetensors"]


def test_training_leaves_the_global_generator_alone(tmp_path):
    before = torch.get_rng_state()
    train(tmp_path / "run", steps=2)
    assert torch.equal(before, torch.get_rng_state())


def test_accumulation_changes_neither_loss_nor_gradient(tmp_path):
    """A division that is forgotten shows as a factor 2.

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


def test_a_loss_that_is_not_finite_stops_before_the_update(tmp_path, monkeypatch, capsys):
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
    assert "step-000003" in error
    status = json.loads((tmp_path / "run" / "status.json").read_text())
    assert (status["state"], status["step"]) == ("failed", 4)
    monkeypatch.undo()
    assert train(tmp_path / "run") == 0, "the last good checkpoint goes on"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (["--seed", "3"], "--seed 0, not 3"),
        (["--width", "16"], "--width 8, not 16"),
        (["--resume", "never"], "already holds step-000008"),
        (["--resume", "nowhere/step-000001"], "nowhere/step-000001"),
        (["--dataset", "digitz"], "digits"),
        (["--dataset", "idx:nowhere"], "nowhere"),
        (["--device", "cuda", "--unverified", "to see that it is not there"], "--device cuda"),
        (["--device", "gpu"], "--device gpu is unknown"),
        (["--unverified", "no reason"], "--unverified 'no reason' is no reason"),
        (["--batch-size", "0"], "--batch-size = 0"),
        (["--batch-sise", "4"], "--batch-size"),
        (["--accumulate", "3"], "--accumulate"),
        (["--denoise-at", "21"], "t = 21"),
        (["--zero-terminal-snr"], "--parameterization v"),
        (["--schedule", "linear"], "--schedule cosine"),
        (["--learning-rate", "inf"], "--learning-rate = inf"),
        (["--weight-decay", "nan"], "--weight-decay = nan"),
        (["--fourier-frequencies", "200"], "--fourier-frequencies has 200, outside 0..16"),
        (["--width", "7"], "--width = 7 must be even"),
        (["--dtype", "float16"], "bf16"),
        (["--config", "nowhere.toml"], "nowhere.toml is no file"),
    ],
)
def test_bad_usage_exits_2_with_a_sentence(finished, capsys, more, sentence):
    before = fingerprint(finished)
    with pytest.raises(SystemExit) as stopped:
        train(finished, *more)
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert fingerprint(finished) == before


def test_other_data_under_the_same_name_are_refused(finished, monkeypatch, capsys):
    monkeypatch.setattr(diffusion.Dataset, "digest", lambda self: "0" * 64)
    with pytest.raises(SystemExit):
        train(finished)
    assert "other data" in capsys.readouterr().err


def test_two_runs_cannot_share_a_folder(finished, capsys):
    with RunLock(finished), pytest.raises(SystemExit) as stopped:
        train(finished)
    assert stopped.value.code == 2
    assert "in use" in capsys.readouterr().err


def test_a_flipped_byte_is_found_and_the_older_checkpoint_still_serves(tmp_path, capsys, finished):
    train(tmp_path / "run")
    victim = tmp_path / "run" / "checkpoints" / "step-000008" / "ema.safetensors"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    with pytest.raises(SystemExit):
        train(tmp_path / "run")
    error = capsys.readouterr().err
    assert "ema.safetensors" in error
    older = tmp_path / "run" / "checkpoints" / "step-000006"
    assert f"--resume {older}" in error
    assert train(tmp_path / "run", "--resume", str(older)) == 0
    assert fingerprint(tmp_path / "run") == fingerprint(finished)


def test_a_run_with_one_test_image_ends_well(tmp_path, capsys):
    data = write_npz(tmp_path / "few.npz", images=GREY[:12])
    assert train(tmp_path / "run", "--dataset", f"npz:{data}", steps=1) == 0
    assert "one image: no error bar" in capsys.readouterr().out
    result = json.loads((tmp_path / "run" / "test.json").read_text())
    assert (result["images"], result["standard_error"]) == (1, None)


def test_a_run_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as stopped:
        train(tmp_path / "file")
    assert stopped.value.code == 2
    assert "File exists" in capsys.readouterr().err


def test_what_was_damaged_since_is_named_or_made_again(tmp_path, capsys, finished):
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


def test_a_dry_run_writes_nothing(tmp_path, capsys):
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


def test_a_checkpoint_that_does_not_say_which_command_made_it_is_resumed(tmp_path, monkeypatch):
    """As those do that are older than train_autoencoder."""
    real = run_directory.save_checkpoint

    def older(folder, step, tensors, state, keep):
        state = {name: value for name, value in state.items() if name != "command"}
        return real(folder, step, tensors, state, keep)

    with monkeypatch.context() as patch:
        patch.setattr(run_directory, "save_checkpoint", older)
        assert train(tmp_path) == 0
    assert train(tmp_path) == 0
