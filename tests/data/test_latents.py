"""Latents of a dataset: encoded once, cached, and refused if the cache does not match."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.latents import latents_of
from ddpm_core.storage.saved_autoencoder import load_autoencoder
from tests.data.datasets_written import write_npz
from tests.training.miniature_runs import train

CPU = torch.device("cpu")


def test_latents_are_read_from_disk_the_second_time(coder, tmp_path, monkeypatch):
    copy = tmp_path / "coder"
    shutil.copytree(coder, copy)
    shutil.rmtree(copy / "autoencoder" / "latents", ignore_errors=True)
    autoencoder, data = load_autoencoder(copy, CPU), load_dataset("digits")
    assert latents_of(data, autoencoder, write=False)
    assert not (copy / "autoencoder" / "latents").exists()
    first = latents_of(data, autoencoder, write=True)
    (file,) = (copy / "autoencoder" / "latents").iterdir()
    monkeypatch.setattr(type(autoencoder), "encode", None)  # encoding again would raise
    second = latents_of(data, autoencoder, write=True)
    assert torch.equal(first.images, second.images)
    others = (
        (data, replace(autoencoder, digest="another")),
        (replace(data, train=data.test, test=data.train), autoencoder),
    )
    for dataset, other in others:  # neither of them is cached
        with pytest.raises(TypeError, match="not callable"):
            latents_of(dataset, other, write=False)

    with np.load(file) as archive:
        latents = archive["latents"]
    np.savez(file, key=np.array("of other data"), latents=latents)
    with pytest.raises(ValueError, match=r"latents of other data.*delete it"):
        latents_of(data, autoencoder, write=True)
    file.write_bytes(b"no archive")
    with pytest.raises(ValueError, match=r"is damaged.*delete it"):
        latents_of(data, autoencoder, write=True)


def test_autoencoder_of_other_data_is_noted(coder, tmp_path, capsys):
    images = (np.arange(2560) % 251).astype(np.uint8).reshape(40, 8, 8)
    other = write_npz(tmp_path / "other.npz", images=images)
    for spec, noted in (("digits", False), (f"npz:{other}", True)):
        flags = ("--latent", str(coder), "--dataset", spec, "--dry-run")
        assert train(tmp_path / "run", *flags) == 0
        note = "NOTE: the autoencoder was trained on other data, so these latents may be far"
        assert (note in capsys.readouterr().out) == noted
