"""A model back from its run, or a sentence about what the run lacks."""

import pytest
import torch

from ddpm_core.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from ddpm_core.training.restore import load_trained


def test_what_a_checkpoint_lacks_is_named(tmp_path):
    tensors = {"model": {"w": torch.ones(2)}}
    path = save_checkpoint(tmp_path / "checkpoints", 5, tensors, {"config": {}})
    assert load_checkpoint(path, ["model"], ["config"]).step == 5
    with pytest.raises(CheckpointError, match=r"state\.json lacks data, losses: this is no run of"):
        load_checkpoint(path, ["model"], ["losses", "config", "data"])
    with pytest.raises(CheckpointError, match=r"step-000005 lacks ema\.safetensors: this is no"):
        load_trained(tmp_path, torch.device("cpu"))
