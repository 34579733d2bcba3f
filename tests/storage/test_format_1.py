"""Checkpoints of format 1 load under the current names.

`format_1/` contains three runs written by an earlier version and stopped after step 2 of 4.
"""

import json
import shutil
from hashlib import sha256
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
UNVERIFIED = {"state": "UNVERIFIED", "reason": "a run before the renaming"}
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


def test_conditional_run_with_importance_sampling_resumes_and_samples(runs):
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


def test_autoencoder_and_run_in_its_latents_resume_and_sample(runs):
    digest = load_autoencoder(runs / "autoencoder", torch.device("cpu")).digest
    coder = ["--factor", "4", "--latent-channels", "2", "--out-dir"]
    latent = ["--latent", str(runs / "autoencoder"), "--out-dir", str(runs / "latent")]
    assert train([*DIFFUSION, *latent]) == 0
    trained = load_trained(runs / "latent", torch.device("cpu"))
    assert trained.step == 4
    assert trained.space.digest == digest
    assert sample.main([str(runs / "latent"), *["--n", "2", "--steps", "2"]]) == 0
    assert train_autoencoder([*SHORT, *coder, str(runs / "autoencoder")]) == 0


def test_names_of_layers_options_and_state_are_renamed_and_others_unchanged():
    found = format_1.renamed_layers({"shrink.0.conv.weight/step": 1, "grow.1.bias": 2, "up.0": 3})
    assert found == {"downsample.0.conv.weight/step": 1, "upsample.1.bias": 2, "up.0": 3}
    options = {"rate_decay": "cosine", "fourier_octaves": [3], "T": 9}
    state = {"config": options, "step": 1, "admissions": [UNVERIFIED]}
    assert format_1.renamed_state(state) == {
        "config": {"learning_rate_decay": "cosine", "fourier_frequencies": [3], "T": 9},
        "step": 1,
        "authorizations": [UNVERIFIED],
    }
    assert format_1.renamed_state({"config": None}) == {"config": None}


def test_watermark_of_a_format_1_run_remains(runs):
    """The recorded authorizations of a run are those of all its starts, under either name."""
    path = runs / "pixels/checkpoints/step-000002"
    manifest = json.loads((path / "MANIFEST.json").read_bytes())
    assert manifest["format"] == 1
    state = json.loads((path / "state.json").read_bytes())
    data = json.dumps(state | {"admissions": [UNVERIFIED]}).encode()
    (path / "state.json").write_bytes(data)
    manifest["files"]["state.json"] = {"bytes": len(data), "sha256": sha256(data).hexdigest()}
    (path / "MANIFEST.json").write_text(json.dumps(manifest))
    (path.parent / "LATEST.json").unlink(missing_ok=True)
    trained = load_trained(runs / "pixels", torch.device("cpu"))
    assert trained.watermark == "UNVERIFIED: a run before the renaming"
