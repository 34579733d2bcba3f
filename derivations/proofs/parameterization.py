"""Tweedie's formula, by differentiating under the integral."""

from typing import Any

import sympy as sp

from ..checker import syntax as n
from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, gaussian_log_density, real, same
from . import proves


@proves("parameterization.tweedie")
def tweedie(claim: Any) -> None:
    """Show, for any data, that d/dx_t of the kernel is the kernel times a factor linear in x_0.

    Therefore the derivative of log q(x_t) is the mean of that factor given x_t, and the right side,
    which is linear in it, is the mean of x_0.
    """
    x_0, x_t, mean = real("x_0"), real("x_t"), real("E[x_0 | x_t]")
    kernel = sp.exp(gaussian_log_density(x_t, a * b * x_0, 1 - a**2 * b**2))
    slope = sp.expand(sp.simplify(sp.diff(kernel, x_t) / kernel))
    assert sp.Poly(slope, x_0).degree() == 1, "the log-derivative of a kernel is linear in x_0"
    left, right = claim.relation.members
    moment = n.Moment("E", n.Symbol("x", (n.Number(0),)), None, n.Symbol("x", (n.Symbol("t"),)))
    assert left == moment, "the left side is not the mean of x_0 given x_t"
    derivatives = [each for each in n.walk(right) if isinstance(each, n.Derivative)]
    expected = n.Call("log", (n.Symbol("q", (), (n.Symbol("x", (n.Symbol("t"),)),)),))
    assert [each.body for each in derivatives] == [expected], "it does not differentiate log q(x_t)"

    class Marginal(type(claim.kernel_pair())):
        def derivative(self, node: n.Derivative) -> Any:
            return slope.subs(x_0, mean)

    pair = claim.kernel_pair()
    text = evaluate(right, Marginal(pair.declared, pair.known))
    assert same(text, mean), f"the right side is {sp.simplify(text)}, not the mean"
