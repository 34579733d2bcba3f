"""Runs shared by the tests of training, which do not change them."""

from pathlib import Path

import pytest

from tests.training.miniature_runs import train


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of eight steps."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    assert train(folder) == 0
    return folder
