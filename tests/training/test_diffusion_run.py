"""Runs in latents: training, samples, figures, and the input that is refused."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_core import Ancestral, evaluate, generate, sample, trailing
from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.split import spread
from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.figures.record import DenoisingRecord
from ddpm_core.generation import generate_images as drawing
from ddpm_core.randomness import keyed_noise
from ddpm_core.storage.saved_autoencoder import load_autoencoder
from ddpm_core.training import diffusion_run as diffusion
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.trained import load_trained
from tests.training.miniature_runs import Crash, after_step, crash, encode, fingerprint, train

pytestmark = pytest.mark.usefixtures("undrawn")

CPU = torch.device("cpu")


@pytest.fixture
def run(latent_run: Path) -> Path:
    return latent_run


def test_run_is_trained_on_the_scaled_latents_of_its_images(coder):
    config = TrainConfig(latent=coder, width=8, multipliers=(1, 2), device="cpu")
    prepared = DiffusionTask.prepare(config)
    data, autoencoder = load_dataset("digits"), load_autoencoder(coder, CPU)
    described = (
        f"the latents of autoencoder {autoencoder.digest[:12]} in {coder} of shape (4, 4, 4)"
    )
    assert described in prepared.describe()
    few = data.train[:5]
    noise = keyed_noise((4, 4, 4), 0, "latents", 0, few.tolist())
    wanted = autoencoder.scaled.encode(data.take(few), noise)
    torch.testing.assert_close(prepared.dataset.take(few), wanted, atol=1e-6, rtol=1e-5)
    assert torch.equal(prepared.dataset.labels, data.labels)
    assert prepared.config.fourier_frequencies == ()
    assert TrainConfig().fourier_frequencies == (3, 4)
    with_some = TrainConfig(latent=coder, fourier_frequencies=(1,))
    assert with_some.fourier_frequencies == (1,)


def test_crashed_run_resumes_to_the_same_bits(coder, run, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        after_step(patch, 6, crash)
        with pytest.raises(Crash):
            train(tmp_path / "run", "--latent", str(coder))
    assert train(tmp_path / "run", "--latent", str(coder)) == 0
    assert fingerprint(tmp_path / "run") == fingerprint(run)


def test_denoising_grid_has_decoded_predictions_and_states_as_colours(coder, run):
    record = DenoisingRecord.load(run / "denoising" / "step-000008.npz")
    autoencoder = load_autoencoder(coder, CPU)
    assert record.sampled_x0_hat.shape[2:] == (1, 8, 8)
    assert record.sampled_x_t.shape[2:] == (3, 8, 8)
    first = record.sampled_x_t[0][:, :, ::2, ::2] * 3  # a third of the noise is shown
    assert 0.5 < first.std() < 1.5
    assert np.array_equal(record.sampled_x_t[..., ::2, ::2], record.sampled_x_t[..., 1::2, 1::2])
    data = load_dataset("digits")
    selected = spread(spread(data.validation, 64), 3)
    y = autoencoder.encode(data.take(selected), selected)
    np.testing.assert_allclose(record.heldout_x_0, autoencoder.decode(y).numpy(), atol=1e-5)
    np.testing.assert_allclose(record.heldout_x0_hat[-1], record.heldout_x_0, atol=1e-5)


def test_preview_does_not_clip_latents(coder, tmp_path, monkeypatch):
    seen = []
    real = diffusion.preview
    monkeypatch.setattr(diffusion, "preview", lambda *a, **k: seen.append(k) or real(*a, **k))
    assert train(tmp_path, "--latent", str(coder), steps=1) == 0
    assert {each["space"].clips for each in seen} == {False}


def test_samples_are_decoded(coder, run, tmp_path, monkeypatch):
    trajectories = []
    real = drawing.trajectory_gif
    monkeypatch.setattr(
        drawing, "trajectory_gif", lambda *a, **k: trajectories.append(a[0]) or real(*a, **k)
    )
    out = ("--out-dir", str(tmp_path), "--n", "5", "--steps", "4", "--gif")
    assert sample.main([str(run), *out]) == 0
    (file,) = tmp_path.glob("*.npy")
    drawn = np.load(file)
    assert drawn.shape == (5, 1, 8, 8)
    trained = load_trained(run, CPU)
    assert type(trained.denoiser(True)) is NetworkDenoiser  # latents are never clipped
    sampler = Ancestral(trained.schedule, trailing(trained.schedule, 4))
    *_, last = generate(sampler, trained.denoiser(True), (4, 4, 4), indices=range(5))
    images = load_autoencoder(coder, CPU).decode(last.x_t).clamp(-1, 1)
    np.testing.assert_allclose(drawn, (images.numpy() + 1) / 2, atol=1e-5)
    t, x_t, x0_hat = trajectories[0][-1]
    assert (t, x_t.shape) == (0, (5, 3, 8, 8))
    np.testing.assert_allclose(x0_hat.clip(-1, 1), images.numpy(), atol=1e-5)


def test_comparison_of_samplers_writes_one_figure(run, tmp_path):
    assert sample.main([str(run), "--compare", "--out-dir", str(tmp_path)]) == 0
    assert [each.suffix for each in tmp_path.iterdir()] == [".png"]


def test_run_does_not_need_the_folder_of_its_autoencoder(coder, tmp_path):
    moved = tmp_path / "coder"
    shutil.copytree(coder, moved)
    assert train(tmp_path / "run", "--latent", str(moved), steps=2) == 0
    shutil.rmtree(moved)
    assert sample.main([str(tmp_path / "run"), "--n", "2", "--steps", "2"]) == 0


def test_finished_run_restores_its_missing_or_damaged_autoencoder(coder, run, tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "autoencoder")
    assert train(copy, "--latent", str(coder)) == 0
    assert fingerprint(copy) == fingerprint(run)
    for name in ("weights.safetensors", "autoencoder.json"):
        original, restored = ((each / "autoencoder" / name) for each in (run, copy))
        assert restored.read_bytes() == original.read_bytes()
        restored.write_bytes(original.read_bytes()[:100])
        assert train(copy, "--latent", str(coder)) == 0
        assert restored.read_bytes() == original.read_bytes()


def test_latent_accepts_a_run_in_latents(run, tmp_path):
    assert train(tmp_path, "--latent", str(run), steps=1) == 0
    assert load_autoencoder(tmp_path, CPU).digest == load_autoencoder(run, CPU).digest


def test_denoising_grid_and_report_explain_the_colours_of_latents(coder, tmp_path, monkeypatch):
    notes, real = [], diffusion.denoising_grid
    monkeypatch.setattr(
        diffusion, "denoising_grid", lambda *a, **k: notes.append(k["note"]) or real(*a, **k)
    )
    assert train(tmp_path / "latent", "--latent", str(coder), steps=1) == 0
    assert train(tmp_path / "pixels", steps=1) == 0
    latent, pixels = notes[0], notes[-1]
    assert latent.startswith("Upper rows: latents as colours; lower rows: decoded")
    assert "Fixed range [-1, 1]" in pixels
    explained = {
        name: "shown as colours" in (tmp_path / name / "report.html").read_text(encoding="utf-8")
        for name in ("latent", "pixels")
    }
    assert explained == {"latent": True, "pixels": False}


def test_conditional_run_with_a_learned_variance_in_latents(coder, tmp_path):
    flags = ("--latent", str(coder), "--conditional", "--loss", "vlb")
    assert train(tmp_path, *flags, steps=2) == 0
    flags = ("--class", "3", "--guidance-scale", "2", "--n", "2", "--steps", "2")
    assert sample.main([str(tmp_path), *flags]) == 0
    assert evaluate.main([str(tmp_path), "--n", "4", "--strata", "4", "--samples", "0"]) == 0


def test_dry_run_writes_nothing(coder, tmp_path):
    copy = tmp_path / "coder"
    shutil.copytree(coder, copy)
    shutil.rmtree(copy / "autoencoder" / "latents", ignore_errors=True)
    assert train(tmp_path / "run", "--latent", str(copy), "--dry-run") == 0
    assert not (tmp_path / "run").exists()
    assert not (copy / "autoencoder" / "latents").exists()


# --- refused input --------------------------------------------------------------------------------


def refusal(call: object, capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        call()
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_folder_without_a_valid_autoencoder_is_refused(coder, run, tmp_path, capsys):
    def error_of(path: Path) -> str:
        return refusal(lambda: train(tmp_path / "new", "--latent", str(path)), capsys)

    assert "nothing is not a folder; name the --out-dir" in error_of(tmp_path / "nothing")
    plain = tmp_path / "plain"
    assert train(plain, steps=1) == 0
    capsys.readouterr()
    assert "train --latent a copy in its own. Let that run finish" in error_of(plain)
    for part in ("autoencoder", "checkpoints", "checkpoints/step-000060"):
        assert f"has an autoencoder; name that run, {coder}" in error_of(coder / part)
    broken = tmp_path / "broken"
    shutil.copytree(coder, broken)
    weights = broken / "autoencoder" / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4] + b"\0\0\0\1")
    assert "is not what autoencoder.json describes" in error_of(broken)
    weights.write_bytes(content[:100])
    assert "is damaged" in error_of(broken)
    weights.write_bytes(content)
    (broken / "autoencoder" / "autoencoder.json").write_text("{}")
    assert "is damaged" in error_of(broken)
    (broken / "autoencoder" / "autoencoder.json").write_bytes(b"\x9c")
    assert "autoencoder.json is damaged: it is not text. Train it again" in error_of(broken)
    assert not (tmp_path / "new").exists()


def test_images_of_another_shape_are_refused(coder, tmp_path, capsys):
    flags = ("--latent", str(coder), "--dataset", "patches:16")
    message = refusal(lambda: train(tmp_path / "run", *flags), capsys)
    assert "images of shape (3, 16, 16)" in message
    assert "takes (1, 8, 8)" in message


def test_run_is_not_resumed_in_other_latents_or_in_pixels(coder, run, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    assert "in the latents of autoencoder" in refusal(lambda: train(copy), capsys)
    other = tmp_path / "other"
    assert encode(other, "--seed", "1", steps=1) == 0
    capsys.readouterr()
    message = refusal(lambda: train(copy, "--latent", str(other)), capsys)
    assert "give the same --latent to resume" in message


def test_run_is_not_resumed_by_the_other_command(coder, run, tmp_path, capsys):
    """Its files are unchanged."""
    for folder, call in (
        (coder, lambda path: train(path, "--latent", str(coder))),
        (run, lambda path: encode(path)),
    ):
        copy = tmp_path / folder.name
        shutil.copytree(folder, copy)
        before = {path: path.read_bytes() for path in copy.rglob("*.*") if path.is_file()}
        message = refusal(lambda call=call, copy=copy: call(copy), capsys)
        other = "train_autoencoder, not train;" if folder == coder else "train, not train_auto"
        assert f"was made by {other}" in message
        assert "choose another --out-dir" in message
        after = {path: path.read_bytes() for path in before}
        assert after == before


def test_run_without_its_autoencoder_is_refused(run, tmp_path, capsys):
    copy = tmp_path / "run"
    shutil.copytree(run, copy)
    shutil.rmtree(copy / "autoencoder")
    for command in (sample, evaluate):
        message = refusal(lambda each=command: each.main([str(copy)]), capsys)
        assert "its autoencoder is missing from" in message
        assert "Put back the folder" in message
    other = tmp_path / "other"
    assert encode(other, "--seed", "1", steps=1) == 0
    capsys.readouterr()
    shutil.copytree(other / "autoencoder", copy / "autoencoder")
    message = refusal(lambda: sample.main([str(copy)]), capsys)
    assert "holds another autoencoder" in message
