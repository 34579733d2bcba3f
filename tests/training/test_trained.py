"""A model back from its run, or a sentence about what the run lacks."""

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


def test_what_a_checkpoint_lacks_is_named(tmp_path):
    tensors = {"model": {"w": torch.ones(2)}}
    path = save_checkpoint(tmp_path / "checkpoints", 5, tensors, {"config": {}})
    assert load_checkpoint(path, ["model"], ["config"]).step == 5
    with pytest.raises(CheckpointError, match=r"state\.json lacks data, losses: not a run of"):
        load_checkpoint(path, ["model"], ["losses", "config", "data"])
    with pytest.raises(CheckpointError, match=r"step-000005 lacks ema\.safetensors: not a run of"):
        load_trained(tmp_path, torch.device("cpu"))


@pytest.mark.parametrize("command", [sample, evaluate])
def test_an_autoencoder_has_nothing_to_draw_and_the_way_on_is_named(coder, capsys, command):
    with pytest.raises(SystemExit) as stopped:
        command.main([str(coder)])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"{coder} is a run of train_autoencoder, which draws no images" in said
    assert f"`python -m ddpm_core.train --latent {coder}`" in said


def test_what_was_stopped_before_its_first_step_says_so(tmp_path, monkeypatch, capsys):
    real = diffusion.DiffusionTask.preview

    def interrupted(*given):
        os.kill(os.getpid(), signal.SIGINT)
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(diffusion.DiffusionTask, "preview", interrupted)
        assert train(tmp_path) == 130
    said = f"NOTE: {tmp_path} was stopped at step 0: its network is untrained"
    assert sample.main([str(tmp_path), "--n", "1", "--steps", "2"]) == 0
    assert said in capsys.readouterr().err
    marked = replace(load_trained(tmp_path, torch.device("cpu")), watermark="UNVERIFIED")
    assert marked.remarks == ["UNVERIFIED", said]
    few = ("--n", "1", "--strata", "2", "--samples", "0")
    assert evaluate.main([str(tmp_path), *few]) == 0
    assert said in capsys.readouterr().err
    assert train(tmp_path, steps=8) == 0
    assert sample.main([str(tmp_path), "--n", "1", "--steps", "2"]) == 0
    assert "NOTE" not in capsys.readouterr().err


def test_an_unverified_autoencoder_marks_what_is_made_of_its_latents(tmp_path, capsys):
    reason = ("--require-verified", "--unverified", "to see whether its mark is handed on")
    nowhere = ("--certificate", str(tmp_path / "none.json"))
    assert encode(tmp_path / "coder", *reason, *nowhere, steps=1) == 0
    assert train(tmp_path / "run", "--latent", str(tmp_path / "coder"), steps=1) == 0
    assert "UNVERIFIED" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert sample.main([str(tmp_path / "run"), "--n", "1", "--steps", "1"]) == 0
    assert "UNVERIFIED: to see whether" in capsys.readouterr().err


def test_a_checkpoint_is_used_from_where_it_lies(tmp_path, monkeypatch):
    """Its run is two folders up, however it is named."""
    assert train(tmp_path, steps=1) == 0
    monkeypatch.chdir(tmp_path / "checkpoints")
    assert sample.main(["step-000001", "--n", "1", "--steps", "2"]) == 0
    assert list((tmp_path / "generated").glob("*.png"))


def test_an_autoencoder_that_cannot_be_written_beside_serves(coder, tmp_path, monkeypatch, capsys):
    copy = tmp_path / "coder"
    shutil.copytree(coder / "autoencoder", copy / "autoencoder")
    shutil.rmtree(copy / "autoencoder" / "latents", ignore_errors=True)

    def refused(path, content):
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(latents, "write_bytes", refused)
    assert train(tmp_path / "run", "--latent", str(copy), steps=1) == 0
    said = f"latents cannot be cached in {copy / 'autoencoder' / 'latents'}: Read-only file system"
    assert said in capsys.readouterr().err
