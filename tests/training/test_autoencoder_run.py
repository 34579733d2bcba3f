"""The train_autoencoder command: what it leaves, how it goes on, and what it refuses."""

import json
import os
import shutil
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core.data.dataset import batch_indices, load_dataset
from ddpm_core.randomness import keyed_noise
from ddpm_core.storage.saved_autoencoder import load_autoencoder
from ddpm_core.training import autoencoder_run as autoencoding
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.autoencoder_run import AutoencoderTask
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.run_directory import RunDirectory
from ddpm_core.training.trained import latest_checkpoint
from tests.data.datasets_written import write_npz
from tests.training.miniature_runs import encode

pytestmark = pytest.mark.usefixtures("undrawn")

CPU = torch.device("cpu")


def fingerprint(folder: Path) -> dict[str, bytes]:
    """Every byte that a resumed run must repeat."""
    newest = latest_checkpoint(folder / "checkpoints")
    assert newest is not None
    kept = sorted((folder / "autoencoder").iterdir())
    files = [*sorted(newest.glob("*.safetensors")), folder / "metrics.jsonl", *kept]
    return {each.name: each.read_bytes() for each in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "autoencoder"
    assert encode(folder) == 0
    return folder


def test_a_run_leaves_what_the_documentation_lists(finished):
    names = {str(each.relative_to(finished)) for each in finished.rglob("*") if each.is_file()}
    wanted = "config.json env.json status.json metrics.jsonl timing.jsonl loss.png report.html"
    wanted += " latents.png reconstructions/step-000000.png reconstructions/step-000008.png"
    wanted += " autoencoder/weights.safetensors autoencoder/autoencoder.json test.json"
    wanted += " checkpoints/LATEST.json checkpoints/step-000008/ema.safetensors"
    assert set(wanted.split()) <= names
    status = json.loads((finished / "status.json").read_bytes())
    assert (status["state"], status["step"]) == ("done", 8)
    assert "mean squared error on 500 test images" in status["message"]
    page = (finished / "report.html").read_text(encoding="utf-8")
    for words in ("Images and reconstructions at step 8", "Latents of validation images"):
        assert words in page


def test_rows_say_what_each_part_comes_to(finished):
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    logged = [row for row in rows if "grad_norm" in row]
    assert [row["step"] for row in logged] == [2, 4, 6, 8]
    for row in logged:
        whole = row["reconstruction"] + 1e-3 * row["kl"] / 64
        assert row["loss"] == pytest.approx(whole, rel=1e-6)
    newest = latest_checkpoint(finished / "checkpoints")
    assert newest is not None
    assert json.loads((newest / "state.json").read_bytes())["losses"] == {}, "each row begins anew"
    visited = [row for row in rows if "validation_loss" in row]
    assert [row["step"] for row in visited] == [0, 4, 8]


@pytest.mark.parametrize("number", [1, 5])
def test_a_killed_run_goes_on_to_the_same_bits(finished, tmp_path, monkeypatch, number):
    class Crash(BaseException):
        pass

    real = AutoencoderTask.step

    def then_crash(task, step):
        out = real(task, step)
        if step == number:
            raise Crash
        return out

    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderTask, "step", then_crash)
        with pytest.raises(Crash):
            encode(tmp_path)
    assert encode(tmp_path) == 0
    assert fingerprint(tmp_path) == fingerprint(finished)


def test_a_signal_saves_and_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    real = AutoencoderTask.step

    def then_stop(task, step):
        if step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(task, step)

    with monkeypatch.context() as patch:
        patch.setattr(AutoencoderTask, "step", then_stop)
        assert encode(tmp_path) == 143
    assert "the same command resumes" in capsys.readouterr().out
    with pytest.raises(FileNotFoundError, match="has no autoencoder"):
        load_autoencoder(tmp_path, CPU)
    assert encode(tmp_path) == 0
    assert load_autoencoder(tmp_path, CPU).digest


def test_a_step_draws_new_noise_and_follows_both_parts(monkeypatch):
    """The loss is of a draw keyed by the step, and its gradient reaches means and variances."""
    run = AutoencoderTask.prepare(
        AutoencoderConfig(width=8, factor=2, batch_size=8, kl_weight=0.5, gradient_weight=2.0)
    )
    seen = []
    real = autoencoding.autoencoder_loss

    def watched(x, x_hat, q, *weights):
        q.mean.retain_grad()
        q.var.retain_grad()
        seen.append((x, x_hat, q, weights))
        return real(x, x_hat, q, *weights)

    monkeypatch.setattr(autoencoding, "autoencoder_loss", watched)
    for step in range(2):
        run.step(step)
    (x, x_hat, q, weights), (_, _, other, _) = seen
    assert weights == (0.5, 2.0)
    assert q.mean.grad.abs().min() > 0
    assert q.var.grad.abs().min() > 0
    assert not torch.equal(q.mean, other.mean)
    assert x.shape == x_hat.shape == (8, 1, 8, 8)


@pytest.mark.parametrize("dtype", ["float32", "bf16"])
def test_a_step_sees_its_own_images_and_noise_in_the_precision_asked_for(dtype):
    run = AutoencoderTask.prepare(AutoencoderConfig(width=8, factor=2, batch_size=8, dtype=dtype))
    seen = []

    def watched(x, noise):
        seen.append((x, noise, torch.is_autocast_enabled("cpu")))
        return forward(x, noise)

    forward, run.state = run.state.forward, replace(run.state, forward=watched)
    for step in range(2):
        run.step(step)
        x, noise, cast = seen[step]
        assert torch.equal(x, run.dataset.take(batch_indices(run.dataset.train, 0, step, 8)))
        assert torch.equal(noise, keyed_noise((4, 4, 4), 0, "training", step, range(8)))
        assert cast == (dtype == "bf16")


def test_a_run_in_its_latents_has_a_folder_of_its_own_name(finished):
    for latent, path in ((finished, "runs/digits-latent"), (None, "runs/digits")):
        assert RunDirectory(DiffusionTask.prepare(TrainConfig(latent=latent))).path == Path(path)


def test_a_finished_run_makes_a_lost_or_damaged_autoencoder_again(finished, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(finished, copy)
    digest, weights = (
        load_autoencoder(finished, CPU).digest,
        copy / "autoencoder" / "weights.safetensors",
    )
    shutil.rmtree(copy / "autoencoder")
    assert encode(copy) == 0
    assert load_autoencoder(copy, CPU).digest == digest
    weights.write_bytes(weights.read_bytes()[:100])
    assert encode(copy) == 0
    assert load_autoencoder(copy, CPU).digest == digest


def test_colour_images_and_larger_factors_work(tmp_path):
    flags = ("--dataset", "patches:16", "--factor", "8", "--latent-channels", "2")
    flags += ("--gradient-weight", "0.5", "--dtype", "bf16", "--seed", "7")
    assert encode(tmp_path, *flags, steps=2) == 0
    kept = load_autoencoder(tmp_path, CPU)
    assert len(kept.scaled.scale.shift) == 2
    assert kept.network.factor == 8
    assert kept.seed == 7


def test_the_grid_shows_an_image_above_what_comes_back(finished):
    grid = np.asarray(Image.open(finished / "reconstructions" / "step-000008.png"))
    data = load_dataset("digits")
    first = data.images[data.validation[0], 0].numpy().astype(float) * 255 / 16
    scale = 9  # 72 / 8: a pair is 144 pixels high
    cell = grid[4 : 4 + 8 * scale : scale, 4 : 4 + 8 * scale : scale, 0]
    assert np.abs(cell - first).max() <= 1


@pytest.mark.parametrize(("levels", "way_out"), [(256, "pass --image-size 8"), (17, "pad or crop")])
def test_a_factor_that_does_not_divide_the_images_names_a_way_out(
    tmp_path, capsys, levels, way_out
):
    """Images of fewer levels are not resized."""
    images = np.zeros((10, 1, 10, 14), np.uint8)
    write_npz(tmp_path / "a.npz", images=images, levels=np.int64(levels))
    with pytest.raises(SystemExit, match="2"):
        encode(tmp_path / "run", "--dataset", f"npz:{tmp_path / 'a.npz'}", "--factor", "4")
    said = capsys.readouterr().err
    assert "--factor 4 does not divide images of 10 x 14 pixels" in said
    assert way_out in said
    assert "or pass another --factor" in said


def test_it_passes_the_same_gate_as_training(tmp_path, capsys):
    gate = ("--require-verified", "--certificate", str(tmp_path / "none.json"))
    assert encode(tmp_path / "run", *gate) == 3
    assert "no certificate at" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_another_configuration_is_not_resumed(finished, capsys):
    with pytest.raises(SystemExit, match="2"):
        encode(finished, "--kl-weight", "0.5")
    assert "was made with --kl-weight 0.001, not 0.5" in capsys.readouterr().err


def test_a_finished_run_says_so(finished, capsys):
    assert encode(finished) == 0
    assert "finished: see" in capsys.readouterr().out
