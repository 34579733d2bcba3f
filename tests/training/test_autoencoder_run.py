"""Runs of train_autoencoder: files, resuming, and the input that is refused."""

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
    """Return every byte that a resumed run must reproduce."""
    newest = latest_checkpoint(folder / "checkpoints")
    assert newest is not None
    saved = sorted((folder / "autoencoder").iterdir())
    files = [*sorted(newest.glob("*.safetensors")), folder / "metrics.jsonl", *saved]
    return {each.name: each.read_bytes() for each in files}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "autoencoder"
    assert encode(folder) == 0
    return folder


def test_run_writes_the_documented_files(finished):
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


def test_logged_loss_is_the_weighted_sum_of_its_terms(finished):
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    logged = [row for row in rows if "grad_norm" in row]
    assert [row["step"] for row in logged] == [2, 4, 6, 8]
    for row in logged:
        total = row["reconstruction"] + 1e-3 * row["kl"] / 64
        assert row["loss"] == pytest.approx(total, rel=1e-6)
    newest = latest_checkpoint(finished / "checkpoints")
    assert newest is not None
    assert json.loads((newest / "state.json").read_bytes())["losses"] == {}, (
        "the sums are reset after each row"
    )
    previews = [row for row in rows if "validation_loss" in row]
    assert [row["step"] for row in previews] == [0, 4, 8]


@pytest.mark.parametrize("number", [1, 5])
def test_crashed_run_resumes_to_the_same_bits(finished, tmp_path, monkeypatch, number):
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


def test_signal_saves_and_prints_how_to_resume(tmp_path, monkeypatch, capsys):
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


def test_gradient_reaches_means_and_variances_of_fresh_samples(monkeypatch):
    """Each step draws other latents."""
    run = AutoencoderTask.prepare(
        AutoencoderConfig(width=8, factor=2, batch_size=8, kl_weight=0.5, gradient_weight=2.0)
    )
    seen = []
    real = autoencoding.autoencoder_loss

    def recorded(x, x_hat, q, *weights):
        q.mean.retain_grad()
        q.var.retain_grad()
        seen.append((x, x_hat, q, weights))
        return real(x, x_hat, q, *weights)

    monkeypatch.setattr(autoencoding, "autoencoder_loss", recorded)
    for step in range(2):
        run.step(step)
    (x, x_hat, q, weights), (_, _, other, _) = seen
    assert weights == (0.5, 2.0)
    assert q.mean.grad.abs().min() > 0
    assert q.var.grad.abs().min() > 0
    assert not torch.equal(q.mean, other.mean)
    assert x.shape == x_hat.shape == (8, 1, 8, 8)


@pytest.mark.parametrize("dtype", ["float32", "bf16"])
def test_step_uses_its_own_images_and_noise_in_the_chosen_precision(dtype):
    run = AutoencoderTask.prepare(AutoencoderConfig(width=8, factor=2, batch_size=8, dtype=dtype))
    seen = []

    def recorded(x, noise):
        seen.append((x, noise, torch.is_autocast_enabled("cpu")))
        return forward(x, noise)

    forward, run.state = run.state.forward, replace(run.state, forward=recorded)
    for step in range(2):
        run.step(step)
        x, noise, cast = seen[step]
        assert torch.equal(x, run.dataset.take(batch_indices(run.dataset.train, 0, step, 8)))
        assert torch.equal(noise, keyed_noise((4, 4, 4), 0, "training", step, range(8)))
        assert cast == (dtype == "bf16")


def test_default_folder_of_a_run_in_latents_has_its_own_name(finished):
    for latent, path in ((finished, "runs/digits-latent"), (None, "runs/digits")):
        assert RunDirectory(DiffusionTask.prepare(TrainConfig(latent=latent))).path == Path(path)


def test_finished_run_rewrites_a_missing_or_damaged_autoencoder(finished, tmp_path):
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


def test_colour_images_and_a_factor_of_8(tmp_path):
    flags = ("--dataset", "patches:16", "--factor", "8", "--latent-channels", "2")
    flags += ("--gradient-weight", "0.5", "--dtype", "bf16", "--seed", "7")
    assert encode(tmp_path, *flags, steps=2) == 0
    saved = load_autoencoder(tmp_path, CPU)
    assert len(saved.scaled.scale.shift) == 2
    assert saved.network.factor == 8
    assert saved.seed == 7


def test_reconstruction_grid_has_each_image_above_its_reconstruction(finished):
    grid = np.asarray(Image.open(finished / "reconstructions" / "step-000008.png"))
    data = load_dataset("digits")
    first = data.images[data.validation[0], 0].numpy().astype(float) * 255 / 16
    scale = 9  # 72 / 8: a pair is 144 pixels high
    cell = grid[4 : 4 + 8 * scale : scale, 4 : 4 + 8 * scale : scale, 0]
    assert np.abs(cell - first).max() <= 1


@pytest.mark.parametrize(("levels", "remedy"), [(256, "pass --image-size 8"), (17, "pad or crop")])
def test_factor_that_does_not_divide_the_images_is_refused_with_a_remedy(
    tmp_path, capsys, levels, remedy
):
    """Images with fewer than 256 grey levels are not resized."""
    images = (np.arange(1400) * 7 % levels).astype(np.uint8).reshape(10, 1, 10, 14)
    write_npz(tmp_path / "a.npz", images=images, levels=np.int64(levels))
    with pytest.raises(SystemExit, match="2"):
        encode(tmp_path / "run", "--dataset", f"npz:{tmp_path / 'a.npz'}", "--factor", "4")
    message = capsys.readouterr().err
    assert "--factor 4 does not divide images of 10 x 14 pixels" in message
    assert remedy in message
    assert "or pass another --factor" in message


def test_gate_refuses_without_a_certificate(tmp_path, capsys):
    gate = ("--require-verified", "--certificate", str(tmp_path / "none.json"))
    assert encode(tmp_path / "run", *gate) == 3
    assert "no certificate at" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_run_with_another_configuration_is_not_resumed(finished, capsys):
    with pytest.raises(SystemExit, match="2"):
        encode(finished, "--kl-weight", "0.5")
    assert "was made with --kl-weight 0.001, not 0.5" in capsys.readouterr().err


def test_finished_run_prints_that_it_is_finished(finished, capsys):
    assert encode(finished) == 0
    assert "finished: see" in capsys.readouterr().out
