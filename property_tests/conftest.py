"""The implementation under test, the ledger of false alarms, and how Hypothesis runs."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from .monte_carlo import Ledger
from .protocol import Implementation

settings.register_profile(
    "gate",
    derandomize=True,
    deadline=None,
    max_examples=30,
    report_multiple_bugs=False,  # one failure is enough, and an ExceptionGroup hides it
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("gate")

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def impl() -> Implementation:
    """Our own implementation."""
    from .adapters.ddpm_core import DdpmCore

    return DdpmCore()


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """One for the run: every Monte Carlo claim registers here before it samples."""
    return Ledger(source_digest(HERE, HERE.parent / "ddpm_core"))


def source_digest(*folders: Path) -> str:
    """SHA-256 over the names and bytes of all Python files under the folders."""
    sha = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            sha.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode())
            sha.update(path.read_bytes())
    return sha.hexdigest()
