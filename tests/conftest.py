"""Shapes are checked by jaxtyping and beartype in every test but those of bad input."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
from hypothesis import settings

from tests import shape_checks
from tests.suite_runs import run_suite as run_suite

# Tests train on the CPU: with a GPU, --device auto would use it, and the gate would refuse. The
# setting is inherited by subprocesses.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# An int is accepted as a float, as in PEP 484.
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
shape_checks.install("ddpm_core", CHECKER)

import torch  # noqa: E402 - the hook must be installed before ddpm_core is imported

from property_tests.profiles import load_gate  # noqa: E402 - this imports no ddpm_core

torch.set_num_threads(1)
load_gate()  # the same examples in every run, with or without the suite


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(shape_checks)


def pytest_collection_finish() -> None:
    """Exclude the imported modules from later garbage collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def hypothesis_profile() -> Iterator[None]:
    """Restore the profile after a test that runs pytest in this process with another one."""
    before = settings.get_current_profile_name()
    yield
    settings.load_profile(before)


@pytest.fixture(autouse=True, scope="session")
def unsynced() -> Iterator[None]:
    """Skip fsync: a run of one second would wait a third of it for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # also raises for a closed file
        yield


@pytest.fixture
def unchecked() -> Iterator[None]:
    """Switch beartype off, so that the library's own error is raised."""
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
    """The path of its certificate."""
    return tmp_path / "certificate.json"


@pytest.fixture
def undrawn() -> Iterator[None]:
    """Replace the drawing of figures, which takes half the time of a run."""
    from tests.training import miniature_runs

    with miniature_runs.undrawn():
        yield


@pytest.fixture(scope="session")
def shared_runs(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Finished runs to copy, trained once in all processes of xdist."""
    from tests.training.miniature_runs import SharedRuns

    base = tmp_path_factory.getbasetemp()
    return SharedRuns((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared")


@pytest.fixture(scope="session")
def coder(shared_runs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run of train_autoencoder."""
    from tests.training.miniature_runs import encode

    folder = tmp_path_factory.mktemp("runs") / "autoencoder"
    return shared_runs.copy(folder, "autoencoder", lambda to: encode(to, steps=60))


@pytest.fixture(scope="session")
def latent_run(shared_runs: Any, coder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a short run of train on its latents."""
    from tests.training.miniature_runs import train

    folder = tmp_path_factory.mktemp("runs") / "latent"
    return shared_runs.copy(folder, "latent", lambda to: train(to, "--latent", str(coder)))
