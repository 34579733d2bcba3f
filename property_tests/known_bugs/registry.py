"""How a wrong variant is entered, by its id in the collected list of bugs.

Every class overrides one method of our own adapter with what the named project once shipped, in our
words and on the paper's clock. `caught_by` names a property that turns red.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..adapters.ddpm_core import DdpmCore
from ..protocol import Array, Betas


@dataclass(frozen=True)
class KnownBug:
    """A wrong implementation, where it stood, and the property that catches it."""

    id: str
    where: str
    what: str
    implementation: type[DdpmCore]
    caught_by: str  # file::test, in property_tests
    arguments: dict[str, Any]  # of a parametrized test


BUGS: list[KnownBug] = []
BENIGN_VARIANTS: list[KnownBug] = []


def known(
    id: str, where: str, what: str, caught_by: str, /, right: bool = False, **arguments: Any
) -> Any:
    """Enter a class into the list of bugs, or of benign variants."""

    def enter(variant: type[DdpmCore]) -> type[DdpmCore]:
        bug = KnownBug(id, where, what, variant, caught_by, arguments)
        (BENIGN_VARIANTS if right else BUGS).append(bug)
        return variant

    return enter


def table(betas: Betas) -> Array:
    """alpha_bar_0..alpha_bar_T, the way most repositories make it."""
    return np.concatenate([[1.0], np.cumprod(1 - np.array(betas))])


def column(values: Array, like: Array) -> Array:
    """(batch,) as (batch, 1, ..., 1)."""
    return values.reshape(-1, *[1] * (like.ndim - 1))


def bfloat16(x: Array) -> Array:
    """x with the 16 low bits of its float32 cut off."""
    bits = x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)
