"""Loading a trained model from its run, and errors for incomplete runs."""

import errno
import os
import shutil
import signal
from dataclasses import replace

import pytest
import torch

from ddpm_core import evaluate, sample
from ddpm_core.data import latents
from ddpm_core.storage.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ddpm_core.training import diffusion_run as diffusion
from ddpm_core.training.trained import load_trained
from tests.training.miniature_runs import encode, train

pytestmark = pytest.mark.usefixtures("undrawn")


def test_missing_parts_of_a_checkpoint_are_named(tmp_path):
    tensors = {"model": {"w": torch.ones(2)}}
    path = save_checkpoint(tmp_path / "checkpoints", 5, tensors, {"config": {}})
    assert load_checkpoint(path, ["model"], ["config"]).step == 5
    with pytest.raises(CheckpointError, match=r"state\.json lacks data, losses: not a run of"):
        load_checkpoint(path, ["model"], ["losses", "config", "data"])
    with pytest.raises(CheckpointError, match=r"step-000005 lacks ema\.safetensors: not a run of"):
        load_trained(tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("command", [sample, evaluate])
def test_run_of_an_autoencoder_is_refused_with_the_next_command(coder, capsys, command):
    with pytest.raises(SystemExit) as stopped:
        command.main([str(coder)])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert f"{coder} is a run of train_autoencoder, which draws no images" in message
    assert f"`python -m ddpm_core.train --latent {coder}`" in message


def test_run_stopped_at_step_0_is_reported_as_untrained(tmp_path, monkeypatch, capsys):
    real = diffusion.DiffusionTask.preview

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(diffusion.DiffusionTask, "preview", interrupted)
        assert train(tmp_path) == 130
    message = f"NOTE: {tmp_path} was stopped at step 0: its network is untrained"
    assert sample.main([str(tmp_path), "--n", "1", "--steps", "2"]) == 0
    assert message in capsys.readouterr().err
    marked = replace(load_trained(tmp_path, torch.device("cpu")), watermark="UNVERIFIED")
    assert marked.remarks == ["UNVERIFIED", message]
    few = ("--n", "1", "--strata", "2", "--samples", "0")
    assert evaluate.main([str(tmp_path), *few]) == 0
    assert message in capsys.readouterr().err
    assert train(tmp_path, steps=8) == 0
    assert sample.main([str(tmp_path), "--n", "1", "--steps", "2"]) == 0
    assert "NOTE" not in capsys.readouterr().err


def test_watermark_of_an_autoencoder_is_on_everything_made_from_its_latents(tmp_path, capsys):
    reason = ("--require-verified", "--unverified", "the tests look at the watermark")
    nowhere = ("--certificate", str(tmp_path / "none.json"))
    assert encode(tmp_path / "coder", *reason, *nowhere, steps=1) == 0
    assert train(tmp_path / "run", "--latent", str(tmp_path / "coder"), steps=1) == 0
    assert "UNVERIFIED" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert sample.main([str(tmp_path / "run"), "--n", "1", "--steps", "1"]) == 0
    assert "UNVERIFIED: the tests look" in capsys.readouterr().err


def test_checkpoint_may_be_given_by_a_relative_path(tmp_path, monkeypatch):
    """The folder of its run is two folders up."""
    assert train(tmp_path, steps=1) == 0
    monkeypatch.chdir(tmp_path / "checkpoints")
    assert sample.main(["step-000001", "--n", "1", "--steps", "2"]) == 0
    assert list((tmp_path / "generated").glob("*.png"))


def test_latents_that_cannot_be_cached_are_used_with_a_note(coder, tmp_path, monkeypatch, capsys):
    copy = tmp_path / "coder"
    shutil.copytree(coder / "autoencoder", copy / "autoencoder")
    shutil.rmtree(copy / "autoencoder" / "latents", ignore_errors=True)

    def refused(path, content):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(latents, "write_bytes", refused)
    assert train(tmp_path / "run", "--latent", str(copy), steps=1) == 0
    message = (
        f"latents cannot be cached in {copy / 'autoencoder' / 'latents'}: Read-only file system"
    )
    assert message in capsys.readouterr().err
