"""The one inequality of the statistics page that is not algebraic."""

from typing import Any

import sympy as sp

from . import proves


@proves("statistics.power-of-both-sides")
def power_of_both_sides(claim: Any) -> None:
    """Show that the difference is a value of Phi, which increases from 0."""
    left, right = claim.members()
    assert claim.relation.signs == ("<",)
    difference = sp.simplify(right - left)
    places = list(difference.atoms(sp.erf))
    assert len(places) == 1, "the difference is not one value of Phi"
    z = sp.Symbol("z", real=True)
    value = difference.subs(places[0], sp.erf(z))
    increases = sp.diff(value, z).is_positive
    assert increases or sp.diff(value, z).is_negative, "the difference is not monotone"
    limit = sp.limit(value, z, -sp.oo if increases else sp.oo)
    assert limit == 0, "the difference is not positive"
