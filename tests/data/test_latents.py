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


def test_autoencoder_of_other_data_needs_a_flag(coder, tmp_path, capsys):
    images = (np.arange(2560) % 251).astype(np.uint8).reshape(40, 8, 8)
    other = write_npz(tmp_path / "other.npz", images=images)
    flags = ("--latent", str(coder), "--dry-run")
    assert train(tmp_path / "run", *flags, "--dataset", "digits") == 0
    sentence = f"the autoencoder in {coder} was trained on other data than npz:{other} holds now"
    with pytest.raises(SystemExit) as stopped:
        train(tmp_path / "run", *flags, "--dataset", f"npz:{other}")
    assert stopped.value.code == 2
    assert f"{sentence}, so these latents may be far from mean 0" in capsys.readouterr().err
    accept = ("--dataset", f"npz:{other}", "--data-changed", "ok")
    assert train(tmp_path / "run", *flags, *accept) == 0
    assert f"DATA CHANGED: {sentence}" in capsys.readouterr().out
