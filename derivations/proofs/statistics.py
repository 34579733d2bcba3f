"""The one inequality of the statistics that is not algebraic."""

from typing import Any

import sympy as sp

from . import proves


@proves("statistics.power-of-both-sides")
def power_of_both_sides(claim: Any) -> None:
    """The difference is a value of Phi, which rises from 0."""
    left, right = claim.members()
    assert claim.relation.signs == ("<",)
    difference = sp.simplify(right - left)
    places = list(difference.atoms(sp.erf))
    assert len(places) == 1, "the difference is not one value of Phi"
    z = sp.Symbol("z", real=True)
    value = difference.subs(places[0], sp.erf(z))
    rises = sp.diff(value, z).is_positive
    assert rises or sp.diff(value, z).is_negative, "the difference is not monotone"
    assert sp.limit(value, z, -sp.oo if rises else sp.oo) == 0, "the difference is not above 0"
