"""Normal data and mixtures: Bayes' rule, the square in x_0 completed."""

from fractions import Fraction
from typing import Any

import sympy as sp

from ..checker import syntax as n
from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, log_normal, real, same
from . import proves

x_0, x_t, u = real("x_0"), real("x_t"), real("u")
scale = a * b  # of x_t given x_0
noise = 1 - scale**2


def _joint(mean: Any, variance: Any) -> Any:
    """Minus the exponent of q(x_t | x_0) N(x_0; mean, variance), as a polynomial in x_0."""
    exponent = (x_t - scale * x_0) ** 2 / (2 * noise) + (x_0 - mean) ** 2 / (2 * variance)
    return sp.Poly(sp.expand(exponent), x_0)


def given_state(mean: Any, variance: Any) -> tuple[Any, Any]:
    """(mean, variance) of x_0 given x_t, for normal data."""
    square = _joint(mean, variance)
    precision = 2 * square.coeff_monomial(x_0**2)
    return -square.coeff_monomial(x_0) / precision, 1 / precision


def level_density(mean: Any, variance: Any) -> Any:
    """log of the integral over x_0 of the kernel times the data's density."""
    square = _joint(mean, variance)
    c2, c1, c0 = (square.coeff_monomial(x_0**k) for k in (2, 1, 0))
    factors = -sp.log(2 * sp.pi * noise) / 2 - sp.log(2 * sp.pi * variance) / 2
    return c1**2 / (4 * c2) - c0 + sp.log(sp.pi / c2) / 2 + factors


def _component(number: Any) -> tuple[Any, Any]:
    """(mean, variance) of a component, as the text names them."""
    return real(f"m_{number}"), sp.Symbol(f"c_{number}", positive=True)


def _values(number: Any) -> dict[Any, Any]:
    mean, variance = _component(number)
    return {("m", (number,), ()): mean, ("c", (number,), ()): variance}


ONE = sp.Integer(1)


@proves("gaussian-oracle.level")
def level(claim: Any) -> None:
    """The integral over the data, an exponential of a square in x_t again."""
    mean, variance = evaluate(claim.relation.members[1], claim.world(values=_values(ONE)))
    text = sp.exp(log_normal(x_t, mean, variance))
    assert same(text, sp.exp(level_density(*_component(ONE)))), "the integral is another density"


@proves("gaussian-oracle.denoiser")
def denoiser(claim: Any) -> None:
    """The linear term over the quadratic one."""
    text = evaluate(claim.relation.members[1], claim.world(values=_values(ONE)))
    assert same(text, given_state(*_component(ONE))[0]), "completing the square gives another mean"


@proves("gaussian-oracle.variance")
def variance(claim: Any) -> None:
    """One over twice the quadratic term."""
    text = evaluate(claim.relation.members[1], claim.world(values=_values(ONE)))
    assert same(text, given_state(*_component(ONE))[1]), "completing the square gives another one"


@proves("gaussian-oracle.score")
def score(claim: Any) -> None:
    """The slope of the logarithm of the integral."""
    text = evaluate(claim.relation.members[1], claim.world(values=_values(ONE)))
    assert same(text, sp.diff(level_density(*_component(ONE)), x_t)), "the slope is another"


def _summand(claim: Any, total: n.Node) -> tuple[n.Running, Any]:
    assert isinstance(total, n.Running), "the right side is no sum"
    assert total.kind == "sum", "the right side is no sum"
    first, last = (evaluate(each, claim.world()) for each in (total.first, total.last))
    assert (first, str(last)) == (1, "K"), "the sum does not run over all components"
    return total, sp.Symbol(total.variable, integer=True, positive=True)


@proves("gaussian-oracle.mixture")
def mixture(claim: Any) -> None:
    """An integral of a sum is the sum of the integrals: one component, with its weight."""
    total, j = _summand(claim, claim.relation.members[1])
    weight = sp.Symbol("w", positive=True)
    values = {**_values(j), (total.variable,): j, ("w", (j,), ()): weight}
    text = evaluate(total.body, claim.world(values=values))
    assert same(text, weight * sp.exp(level_density(*_component(j)))), "a component differs"


@proves("gaussian-oracle.mixture-denoiser")
def mixture_denoiser(claim: Any) -> None:
    """The integral of x_0 over one component is its density times the mean of the component."""
    total, j = _summand(claim, claim.relation.members[1])
    mean = given_state(*_component(j))[0]
    assert same(_of_a_component(claim, total, j), mean), "a component's mean differs"


@proves("gaussian-oracle.mixture-variance")
def mixture_variance(claim: Any) -> None:
    """The components' mean squares, less the square of what the mixture's denoiser answers."""
    whole = claim.relation.members[1]
    assert isinstance(whole, n.Sum), "the right side is no difference"
    (plus, squares), (minus, square) = whole.terms
    answer = claim.named["gaussian-oracle.mixture-denoiser"].relation.members[0]
    assert (plus, minus) == (1, -1), "the right side is no difference"
    assert square == n.Power(answer, n.Number(Fraction(2))), "what is taken away is no square"
    total, j = _summand(claim, squares)
    mean, variance = given_state(*_component(j))
    assert same(_of_a_component(claim, total, j), mean**2 + variance), "a mean square differs"


def _of_a_component(claim: Any, total: n.Running, j: Any) -> Any:
    """The summand over the share of its component, which has to be its part of the density."""
    weight, density = sp.symbols("w q", positive=True)
    share = weight * sp.exp(level_density(*_component(j))) / density
    values = {**_values(j), (total.variable,): j, (r"\gamma", (j,), ()): share}
    text = evaluate(total.body, claim.world(values=values))
    relation = claim.named["gaussian-oracle.share"].relation
    variable = relation.members[0].index[0].name
    values = {**_values(j), (variable,): j, ("w", (j,), ()): weight}
    part = evaluate(relation.members[1].above, claim.world(values=values))
    assert same(part / density, share), "the share is not Bayes' rule"
    return sp.simplify(text / share)
