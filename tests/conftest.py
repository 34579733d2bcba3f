"""Every test runs with shapes checked by jaxtyping and beartype; tests of bad input do not."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest

# What tests train, they train on the CPU: where there is a GPU as well, --device auto would take
# it, and the gate refuse. Subprocesses inherit this.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# An int is a float, as PEP 484 has it.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
jaxtyping.install_import_hook("ddpm_core", CHECKER)

import torch  # noqa: E402 - the hook must stand before anything that imports ddpm_core

from property_tests.profiles import load_gate  # noqa: E402 - and here what imports no library

torch.set_num_threads(1)
load_gate()  # the same examples every time, whether the suite is collected beside or not


@pytest.fixture
def unchecked() -> Iterator[None]:
    """No beartype: what is raised is the library's own sentence."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Any]:
    """A miniature of the project, for the tests of the gate."""
    from tests.gate import miniature

    yield miniature.make(tmp_path)
    miniature.forget()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where its certificate is written."""
    return tmp_path / "certificate.json"


@pytest.fixture(scope="session")
def coder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of train_autoencoder."""
    from tests.training.miniature_runs import encode

    folder = tmp_path_factory.mktemp("runs") / "autoencoder"
    assert encode(folder, steps=60) == 0
    return folder


@pytest.fixture(scope="session")
def latent_run(coder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of train in its latents."""
    from tests.training.miniature_runs import train

    folder = tmp_path_factory.mktemp("runs") / "latent"
    assert train(folder, "--latent", str(coder)) == 0
    return folder
