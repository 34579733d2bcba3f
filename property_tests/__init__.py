"""Property tests of the derivations, for any implementation of DDPM."""

from typing import Any


def __getattr__(name: str) -> Any:
    """Import `checks` only where it is used: it needs pytest and Hypothesis."""
    if name == "checks":
        from .decorator import checks

        return checks
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
