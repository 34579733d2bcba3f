"""Inequalities with a logarithm: zero at one, with a derivative of constant sign."""

from typing import Any

import sympy as sp
import z3

from ..checker.symbolic import a, b, same
from . import proves

X = sp.Symbol("x", positive=True)  # a variable in (0, 1]


def _nonnegative(difference: Any) -> None:
    """Check that a function of X is 0 at 1 and never increasing on (0, 1], so that it is >= 0."""
    assert sp.simplify(difference.subs(X, 1)) == 0, "the difference does not vanish at 1"
    slope = sp.together(sp.diff(difference, X))
    if slope.has(sp.log):  # log is at most 0 on (0, 1]: a factor of it keeps its sign
        assert sp.simplify(slope / sp.log(X)).is_positive, f"the slope {slope} has no sign"
        return
    x = z3.Real("x")
    numerator, denominator = sp.fraction(slope)
    above, below = (sp.lambdify(X, each, modules=[])(x) for each in (numerator, denominator))
    solver = z3.Solver()
    solver.add(x > 0, x <= 1, below != 0, above / below > 0)
    assert solver.check() == z3.unsat, f"the slope {slope} is positive somewhere on (0, 1]"


@proves("rounding.at-least-one")
def at_least_one(claim: Any) -> None:
    """Prove -log x >= 1 - x; adding an earlier step can only increase the left side."""
    first, second, third = claim.members()
    assert claim.relation.signs == ("<=", "<=")
    step = (second - first).subs(b, sp.sqrt(X))
    _nonnegative(sp.expand_log(step, force=True))
    rest = sp.expand_log(sp.expand(third - second), force=True)
    assert not rest.has(b), "the rest depends on the step"
    _nonnegative(sp.expand_log(rest.subs(a, sp.sqrt(X)), force=True))


@proves("rounding.slope")
def slope(claim: Any) -> None:
    """Prove -x log x <= 1 - x, where 1 - x is positive."""
    left, right = claim.members()
    assert claim.relation.signs == ("<=",)
    beta = 1 - b**2
    difference = sp.simplify((right - left) * beta).subs(b, sp.sqrt(X))
    assert same(beta.subs(b, sp.sqrt(X)), 1 - X)
    _nonnegative(sp.expand(sp.expand_log(difference, force=True)))
