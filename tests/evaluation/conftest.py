"""Runs that the tests of the bound and its cache evaluate."""

from pathlib import Path

import pytest

from tests.training.miniature_runs import SharedRuns


@pytest.fixture(scope="module")
def runs(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    kinds = {"RUN": [], "CONDITIONAL": ["--conditional"], "LEARNED": ["--loss", "hybrid"]}
    return {name: shared_runs.train(folder / name, *more) for name, more in kinds.items()}
