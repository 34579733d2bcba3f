"""Checkpoints of format 1 load under today's names. `format_1/` holds three runs, written by an
earlier version and stopped after step 2 of 4."""

import shutil
from pathlib import Path

import pytest
import torch

from ddpm_core import sample
from ddpm_core.storage import format_1
from ddpm_core.storage.checkpoint import load_checkpoint
from ddpm_core.storage.saved_autoencoder import load_autoencoder
from ddpm_core.train import main as train
from ddpm_core.train_autoencoder import main as train_autoencoder
from ddpm_core.training.trained import load_trained

RUNS = Path(__file__).parent / "format_1"
SHORT = [
    *("--max-steps", "4", "--batch-size", "4", "--sample-every", "4", "--save-every", "2"),
    *("--preview-samples", "2", "--width", "2"),
]
DIFFUSION = [*SHORT, "--preset", "tiny", "--preview-steps", "2"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(RUNS, tmp_path / "runs")
    shutil.copytree(RUNS / "autoencoder" / "autoencoder", tmp_path / "runs/latent/autoencoder")
    return tmp_path / "runs"


def test_a_conditional_run_with_importance_sampling_resumes_and_samples(runs):
    flags = [
        *DIFFUSION,
        *["--loss", "vlb", "--T", "40", "--conditional", "--out-dir"],
        str(runs / "pixels"),
    ]
    before = load_checkpoint(runs / "pixels/checkpoints/step-000002")
    assert train([*DIFFUSION, *flags]) == 0
    after = load_checkpoint(runs / "pixels/checkpoints/step-000004")
    assert after.step == 4
    for group, tensors in before.tensors.items():
        assert tensors.keys() == after.tensors[group].keys()
    drawn = before.tensors["history"]["drawn"].sum() + 2 * 4
    assert after.tensors["history"]["drawn"].sum() == drawn, "the sampler started afresh"
    assert sample.main([str(runs / "pixels"), *["--class", "3", "--n", "2", "--steps", "2"]]) == 0


def test_an_autoencoder_and_a_run_in_its_latents_resume_and_sample(runs):
    digest = load_autoencoder(runs / "autoencoder", torch.device("cpu")).digest
    coder = ["--factor", "4", "--latent-channels", "2", "--out-dir"]
    latent = ["--latent", str(runs / "autoencoder"), "--out-dir", str(runs / "latent")]
    assert train([*DIFFUSION, *latent]) == 0
    trained = load_trained(runs / "latent", torch.device("cpu"))
    assert trained.step == 4
    assert trained.space.digest == digest
    assert sample.main([str(runs / "latent"), *["--n", "2", "--steps", "2"]]) == 0
    assert train_autoencoder([*SHORT, *coder, str(runs / "autoencoder")]) == 0


def test_old_layer_and_option_names_are_translated_and_others_kept():
    found = format_1.renamed_layers({"shrink.0.conv.weight/step": 1, "grow.1.bias": 2, "up.0": 3})
    assert found == {"downsample.0.conv.weight/step": 1, "upsample.1.bias": 2, "up.0": 3}
    state = {"config": {"rate_decay": "cosine", "fourier_octaves": [3], "T": 9}, "step": 1}
    assert format_1.renamed_state(state) == {
        "config": {"learning_rate_decay": "cosine", "fourier_frequencies": [3], "T": 9},
        "step": 1,
    }
    assert format_1.renamed_state({"config": None}) == {"config": None}
