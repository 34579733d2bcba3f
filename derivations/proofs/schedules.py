"""Sums and products over all steps, by induction on the last step."""

from dataclasses import replace
from typing import Any

import sympy as sp

from ..checker import syntax as n
from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, s, same, t
from . import proves

c = sp.Symbol("c", positive=True)
e = sp.Symbol("e", positive=True)
i = sp.Symbol("i", integer=True, positive=True)


def _reduction(claim: Any, kind: str) -> n.Reduction:
    """Return the sum or product that is the entire right side."""
    found = claim.relation.members[-1]
    assert isinstance(found, n.Reduction), "the right side is not a sum or product"
    assert found.kind == kind, f"the right side is a {found.kind}, not a {kind}"
    return found


def _ends(reduction: n.Reduction, first: Any, pair: Any) -> None:
    assert evaluate(reduction.first, pair) == first, "it does not start at the first step"
    assert evaluate(reduction.last, pair) == t, "it does not end at t"


@proves("schedules.log-alpha-bar")
def log_alpha_bar(claim: Any) -> None:
    """Induction: 0 at t = 0; the last term is the increment of the left side."""
    pair = claim.kernel_pair(single_step=True)
    total = _reduction(claim, "sum")
    _ends(total, 1, pair)
    left = claim.relation.members[0]
    start, before, after = (
        evaluate(left, replace(pair, values={("t",): timestep}))
        for timestep in (sp.Integer(0), t - 1, t)
    )
    increment = evaluate(total.body, replace(pair, values={(total.variable,): t}))
    assert start == 0, "an empty sum is 0"
    assert same(after - before, increment), f"the last term is {increment}, not {after - before}"


@proves("schedules.alpha-between-product")
def alpha_between_product(claim: Any) -> None:
    """Induction: 1 at t = s; the last factor is the ratio of the left sides."""
    chain = ((0, sp.Integer(1)), (s, a**2), (t - 1, a**2 * c**2), (t, a**2 * c**2 * b**2))
    pair = claim.kernel_pair(chain=chain, single_step=False)
    product = _reduction(claim, "prod")
    _ends(product, s + 1, pair)
    left = claim.relation.members[0]
    start, before, after = (
        evaluate(left, replace(pair, values={("t",): timestep})) for timestep in (s, t - 1, t)
    )
    factor = evaluate(product.body, replace(pair, values={(product.variable,): t}))
    assert start == 1, "an empty product is 1"
    assert same(after / before, factor), f"the last factor is {factor}, not {after / before}"


@proves("schedules.one-minus-sum")
def one_minus_sum(claim: Any) -> None:
    """Induction: the last step scales the earlier terms and the left side, and adds beta_t."""
    chain = ((0, sp.Integer(1)), (i - 1, e**2), (i, e**2 * c**2), (t - 1, a**2), (t, a**2 * b**2))
    pair = claim.kernel_pair(chain=chain)
    total = _reduction(claim, "sum")
    _ends(total, 1, pair)

    def term(k: Any, at: Any) -> Any:
        return evaluate(total.body, replace(pair, values={(total.variable,): k, ("t",): at}))

    def left(at: Any) -> Any:
        return evaluate(claim.relation.members[0], replace(pair, values={("t",): at}))

    assert left(sp.Integer(0)) == 0, "an empty sum is 0"
    scaled = same(term(i, t), b**2 * term(i, t - 1))
    assert scaled, "an earlier term is not scaled by the last step"
    assert same(left(t), b**2 * left(t - 1) + term(t, t)), "the last term is not the increment"


@proves("schedules.cosine-step")
def cosine_step(claim: Any) -> None:
    """Apply the addition theorem to two free angles."""
    early, late = sp.symbols("early late", real=True)
    pair = claim.kernel_pair()
    angle = claim.named["schedules.cosine-angle"].relation.members[0]
    found = [
        _with_angles(member, angle.name, {t: late, t - 1: early}, pair)
        for member in claim.relation.members
    ]
    assert sp.simplify(sp.expand_trig(sp.expand(_in_halves(found[0] - found[1], early, late)))) == 0


def _with_angles(member: Any, name: str, angles: Any, pair: Any) -> Any:
    """Return the value of the member, with free angles in place of each u(timestep)."""

    class Angles(type(pair)):
        def symbol(self, node: n.Symbol) -> Any:
            if node.name == name:
                return angles[evaluate(node.arguments[0], pair)]
            return super().symbol(node)

    return evaluate(member, Angles(pair.declared, pair.known))


def _in_halves(expression: Any, early: Any, late: Any) -> Any:
    """Substitute half sum and half difference for the two angles."""
    p, m = sp.symbols("p m", real=True)
    return expression.subs({early: p - m, late: p + m}, simultaneous=True)
