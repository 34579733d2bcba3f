"""Inequalities with a logarithm: zero at one, and a slope of one sign from there."""

from typing import Any

import sympy as sp
import z3

from ..checker.symbolic import a, b, same
from . import proves

KEPT = sp.Symbol("kept", positive=True)  # a share in (0, 1]


def _not_negative(difference: Any) -> None:
    """`difference` of KEPT is 0 at 1 and does not rise on the way there, so that it is >= 0."""
    assert sp.simplify(difference.subs(KEPT, 1)) == 0, "the difference does not vanish at 1"
    slope = sp.together(sp.diff(difference, KEPT))
    if slope.has(sp.log):  # log is at most 0 on (0, 1]: a factor of it keeps its sign
        assert sp.simplify(slope / sp.log(KEPT)).is_positive, f"the slope {slope} has no sign"
        return
    kept = z3.Real("kept")
    numerator, denominator = sp.fraction(slope)
    above, below = (sp.lambdify(KEPT, each, modules=[])(kept) for each in (numerator, denominator))
    solver = z3.Solver()
    solver.add(kept > 0, kept <= 1, below != 0, above / below > 0)
    assert solver.check() == z3.unsat, f"the slope {slope} is positive somewhere on (0, 1]"


@proves("rounding.at-least-one")
def at_least_one(claim: Any) -> None:
    """-log x >= 1 - x; and a way of two parts loses at least what the second does."""
    first, second, third = claim.members()
    assert claim.relation.signs == ("<=", "<=")
    step = (second - first).subs(b, sp.sqrt(KEPT))
    _not_negative(sp.expand_log(step, force=True))
    rest = sp.expand_log(sp.expand(third - second), force=True)
    assert not rest.has(b), "the rest depends on the step"
    _not_negative(sp.expand_log(rest.subs(a, sp.sqrt(KEPT)), force=True))


@proves("rounding.slope")
def slope(claim: Any) -> None:
    """-x log x <= 1 - x, and 1 - x is positive."""
    left, right = claim.members()
    assert claim.relation.signs == ("<=",)
    beta = 1 - b**2
    difference = sp.simplify((right - left) * beta).subs(b, sp.sqrt(KEPT))
    assert same(beta.subs(b, sp.sqrt(KEPT)), 1 - KEPT)
    _not_negative(sp.expand(sp.expand_log(difference, force=True)))
