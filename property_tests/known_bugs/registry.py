"""Registry of the known bugs.

Every class overrides one method of our own adapter with the behaviour that the named project once
had, reimplemented here with the paper's timesteps. `caught_by` names a property that fails.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas


@dataclass(frozen=True)
class KnownBug:
    """A wrong implementation, its source, and the property that catches it."""

    id: str
    where: str
    what: str
    implementation: type[DdpmCore]
    caught_by: str  # file::test, in property_tests
    arguments: dict[str, Any]  # of a parametrized test


BUGS: list[KnownBug] = []
BENIGN_VARIANTS: list[KnownBug] = []


def known(
    id: str, where: str, what: str, caught_by: str, /, benign: bool = False, **arguments: Any
) -> Any:
    """Register a class in the list of bugs, or of benign variants."""

    def register(variant: type[DdpmCore]) -> type[DdpmCore]:
        bug = KnownBug(id, where, what, variant, caught_by, arguments)
        (BENIGN_VARIANTS if benign else BUGS).append(bug)
        return variant

    return register


def table(betas: Betas) -> Array:
    """Return alpha_bar_0..alpha_bar_T, as most repositories compute it."""
    return np.concatenate([[1.0], np.cumprod(1 - np.array(betas))])


def column(values: Array, like: Array) -> Array:
    """Reshape (batch,) to (batch, 1, ..., 1)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def bfloat16(x: Array) -> Array:
    """Truncate the 16 low bits of the float32 value."""
    bits = x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)
