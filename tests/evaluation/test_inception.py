"""Inception features by torch-fidelity, which a stand-in replaces."""

import sys
from pathlib import Path

import pytest
import torch

from ddpm_core.evaluation import inception
from tests.evaluation.evaluated import fidelity


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    """Replace the package and the folder of its weights; the folder is empty."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch_fidelity", fidelity())
    path = inception.weights_file()
    assert path.is_relative_to(tmp_path)
    path.parent.mkdir(parents=True)
    return path


def test_missing_package_is_refused(installed, monkeypatch):
    torch.save({"weight": torch.zeros(1)}, installed)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ValueError, match="--fid needs the package torch-fidelity"):
        inception.check_inception()


def test_missing_weights_are_refused_with_their_source(installed):
    message = f"--fid needs the Inception weights, but {installed} does not exist. Save https://"
    with pytest.raises(ValueError, match=message):
        inception.check_inception()


@pytest.mark.parametrize("content", [{"weight": Path("executed")}, b"", b"<html>"])
def test_file_that_does_not_hold_only_weights_is_refused(installed, content):
    if isinstance(content, bytes):
        installed.write_bytes(content)
    else:
        torch.save(content, installed)
    with pytest.raises(ValueError, match="is damaged, or contains more than weights"):
        inception.check_inception()
    torch.save({"weight": torch.zeros(1)}, installed)
    inception.check_inception()


def test_features_are_those_of_8_bit_rgb_images(installed, monkeypatch):
    """In order over several batches; grey is repeated to three channels."""
    monkeypatch.setattr(inception, "AT_A_TIME", 2)
    torch.save({}, installed)
    grey_levels = torch.tensor([0, 1, 128, 254, 255])
    images = (grey_levels / 127.5 - 1)[:, None, None, None].expand(5, 1, 8, 8)
    features = inception.inception_features(images, torch.device("cpu"))
    assert features.dtype == torch.float64
    assert torch.equal(features, grey_levels.double()[:, None].expand(5, 2048))
    colours = torch.stack([images[:, 0], -images[:, 0], -images[:, 0]], 1)
    assert torch.equal(inception.inception_features(colours, torch.device("cpu")), features)
