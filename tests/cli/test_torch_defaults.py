"""A command creates its tensors on the CPU and in float32, whatever was set before."""

import pytest
import torch

from ddpm_core.cli.torch_defaults import usual_defaults
from ddpm_core.train import main


def test_defaults_are_usual_inside_and_restored_after():
    torch.set_default_device("meta")
    torch.set_default_dtype(torch.float64)
    try:
        with usual_defaults():
            assert (torch.zeros(1).device.type, torch.zeros(1).dtype) == ("cpu", torch.float32)
        assert (torch.zeros(1).device.type, torch.zeros(1).dtype) == ("meta", torch.float64)
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(torch.float32)
    with usual_defaults():
        assert torch.zeros(1).device.type == "cpu"


@pytest.mark.usefixtures("undrawn")
def test_training_has_the_same_bits_under_other_defaults(tmp_path):
    flags = "--max-steps 2 --width 8 --multipliers 1 --T 20 --schedule cosine --batch-size 8"
    weights = []
    for name in ("usual", "other"):
        if name == "other":
            torch.set_default_device("meta")
            torch.set_default_dtype(torch.float64)
        try:
            assert main([*flags.split(), "--out-dir", str(tmp_path / name)]) == 0
        finally:
            torch.set_default_device(None)
            torch.set_default_dtype(torch.float32)
        (file,) = (tmp_path / name).glob("checkpoints/*/model.safetensors")
        weights.append(file.read_bytes())
    assert weights[0] == weights[1]
