"""Timestep spacings: their last timestep."""

from typing import Any

import sympy as sp

from ..checker.symbolic import T, a, b, same
from . import proves


@proves("ddim.last-place")
def last_place(claim: Any) -> None:
    """Only the timesteps 1 and T occur; those in between do not matter."""
    chain = ((sp.Integer(0), sp.Integer(1)), (sp.Integer(1), a**2), (T, a**2 * b**2))
    last, expected = claim.members(chain=chain)
    assert same(last, expected), "the last timestep of the spacing is not T"
