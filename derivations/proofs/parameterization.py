"""Tweedie's formula: the slope of an integral is the integral of the slopes."""

from typing import Any

import sympy as sp

from ..checker import syntax as n
from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, log_normal, real, same
from . import proves


@proves("parameterization.tweedie")
def tweedie(claim: Any) -> None:
    """Data of any law: d/dx_t of the kernel is the kernel times its slope, which is linear in x_0.

    So the slope of log q(x_t) is the mean of that slope given x_t, and the right side, linear in
    it, is the mean of x_0.
    """
    x_0, x_t, mean = real("x_0"), real("x_t"), real("E[x_0 | x_t]")
    kernel = sp.exp(log_normal(x_t, a * b * x_0, 1 - a**2 * b**2))
    slope = sp.expand(sp.simplify(sp.diff(kernel, x_t) / kernel))
    assert sp.Poly(slope, x_0).degree() == 1, "the slope of a kernel is linear in x_0"
    left, right = claim.relation.members
    moment = n.Moment("E", n.Symbol("x", (n.Number(0),)), None, n.Symbol("x", (n.Symbol("t"),)))
    assert left == moment, "the left side is not the mean of x_0 given x_t"
    slopes = [each for each in n.walk(right) if isinstance(each, n.Slope)]
    wanted = n.Call("log", (n.Symbol("q", (), (n.Symbol("x", (n.Symbol("t"),)),)),))
    assert [each.body for each in slopes] == [wanted], "the slope is not that of log q(x_t)"

    class Marginal(type(claim.world())):
        def slope(self, node: n.Slope) -> Any:
            return slope.subs(x_0, mean)

    world = claim.world()
    text = evaluate(right, Marginal(world.declared, world.known))
    assert same(text, mean), f"the right side is {sp.simplify(text)}, not the mean"
