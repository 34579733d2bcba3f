"""The implementation under test, and how Hypothesis runs: the same examples every time."""

import pytest
from hypothesis import HealthCheck, settings

from .protocol import Implementation

settings.register_profile(
    "gate",
    derandomize=True,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("gate")


@pytest.fixture(scope="session")
def impl() -> Implementation:
    """Our own implementation."""
    from .adapters.ddpm_core import DdpmCore

    return DdpmCore()
