"""Ladders: where the places of one begin and end."""

from typing import Any

import sympy as sp

from ..checker.symbolic import T, a, b, same
from . import proves


@proves("ddim.last-place")
def last_place(claim: Any) -> None:
    """The level 1 and the level T are two of a chain; what lies between them is not asked."""
    chain = ((sp.Integer(0), sp.Integer(1)), (sp.Integer(1), a**2), (T, a**2 * b**2))
    place, level = claim.members(chain=chain)
    assert same(place, level), "the last of its places is another level"
