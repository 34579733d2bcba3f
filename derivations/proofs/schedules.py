"""Sums and products over all steps, by induction on the last one."""

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


def _running(claim: Any, kind: str) -> n.Running:
    """The one sum or product of the right side, which is all of it."""
    found = claim.relation.members[-1]
    assert isinstance(found, n.Running), "the right side is no sum or product"
    assert found.kind == kind, f"the right side is a {found.kind}, not a {kind}"
    return found


def _ends(running: n.Running, first: Any, world: Any) -> None:
    assert evaluate(running.first, world) == first, "it does not begin at the first step"
    assert evaluate(running.last, world) == t, "it does not end at t"


@proves("schedules.log-alpha-bar")
def log_alpha_bar(claim: Any) -> None:
    """Nothing at t = 0; the last term is what the left side gains."""
    world = claim.world(single_step=True)
    total = _running(claim, "sum")
    _ends(total, 1, world)
    left = claim.relation.members[0]
    start, before, after = (
        evaluate(left, replace(world, values={("t",): level}))
        for level in (sp.Integer(0), t - 1, t)
    )
    gained = evaluate(total.body, replace(world, values={(total.variable,): t}))
    assert start == 0, "an empty sum is 0"
    assert same(after - before, gained), f"the last term is {gained}, not {after - before}"


@proves("schedules.alpha-between-product")
def alpha_between_product(claim: Any) -> None:
    """1 at t = s; the last factor is what the left side is multiplied by."""
    chain = ((0, sp.Integer(1)), (s, a**2), (t - 1, a**2 * c**2), (t, a**2 * c**2 * b**2))
    world = claim.world(chain=chain, single_step=False)
    product = _running(claim, "prod")
    _ends(product, s + 1, world)
    left = claim.relation.members[0]
    start, before, after = (
        evaluate(left, replace(world, values={("t",): level})) for level in (s, t - 1, t)
    )
    factor = evaluate(product.body, replace(world, values={(product.variable,): t}))
    assert start == 1, "an empty product is 1"
    assert same(after / before, factor), f"the last factor is {factor}, not {after / before}"


@proves("schedules.one-minus-sum")
def one_minus_sum(claim: Any) -> None:
    """Earlier terms fade by the last step, whose own term is beta_t; so does the left side."""
    chain = ((0, sp.Integer(1)), (i - 1, e**2), (i, e**2 * c**2), (t - 1, a**2), (t, a**2 * b**2))
    world = claim.world(chain=chain)
    total = _running(claim, "sum")
    _ends(total, 1, world)

    def term(k: Any, at: Any) -> Any:
        return evaluate(total.body, replace(world, values={(total.variable,): k, ("t",): at}))

    def left(at: Any) -> Any:
        return evaluate(claim.relation.members[0], replace(world, values={("t",): at}))

    assert left(sp.Integer(0)) == 0, "an empty sum is 0"
    assert same(term(i, t), b**2 * term(i, t - 1)), "an earlier term does not fade by the step"
    assert same(left(t), b**2 * left(t - 1) + term(t, t)), "the last term is not what is gained"


@proves("schedules.cosine-step")
def cosine_step(claim: Any) -> None:
    """The addition theorem, for two angles of which nothing is known."""
    early, late = sp.symbols("early late", real=True)
    world = claim.world()
    angle = claim.named["schedules.cosine-angle"].relation.members[0]
    found = [
        _with_angles(member, angle.name, {t: late, t - 1: early}, world)
        for member in claim.relation.members
    ]
    assert sp.simplify(sp.expand_trig(sp.expand(_in_halves(found[0] - found[1], early, late)))) == 0


def _with_angles(member: Any, name: str, angles: Any, world: Any) -> Any:
    """The member's value, each u(level) standing for an angle."""

    class Angles(type(world)):
        def symbol(self, node: n.Symbol) -> Any:
            if node.name == name:
                return angles[evaluate(node.arguments[0], world)]
            return super().symbol(node)

    return evaluate(member, Angles(world.declared, world.known))


def _in_halves(expression: Any, early: Any, late: Any) -> Any:
    """With half sum and half difference in place of the two angles."""
    p, m = sp.symbols("p m", real=True)
    return expression.subs({early: p - m, late: p + m}, simultaneous=True)
