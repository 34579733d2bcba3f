"""Gaussian data and mixtures, by Bayes' rule and completing the square in x_0."""

from fractions import Fraction
from typing import Any

import sympy as sp

from ..checker import syntax as n
from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, gaussian_log_density, real, same
from . import proves

x_0, x_t, u = real("x_0"), real("x_t"), real("u")
scale = a * b  # of x_t given x_0
noise = 1 - scale**2


def _joint(mean: Any, variance: Any) -> Any:
    """Return minus the log of q(x_t | x_0) N(x_0; mean, variance), up to factors, in x_0."""
    exponent = (x_t - scale * x_0) ** 2 / (2 * noise) + (x_0 - mean) ** 2 / (2 * variance)
    return sp.Poly(sp.expand(exponent), x_0)


def given_state(mean: Any, variance: Any) -> tuple[Any, Any]:
    """Return (mean, variance) of x_0 given x_t, for Gaussian data."""
    square = _joint(mean, variance)
    precision = 2 * square.coeff_monomial(x_0**2)
    return -square.coeff_monomial(x_0) / precision, 1 / precision


def marginal_log_density(mean: Any, variance: Any) -> Any:
    """Return the log of the integral over x_0 of the kernel times the data density."""
    square = _joint(mean, variance)
    c2, c1, c0 = (square.coeff_monomial(x_0**k) for k in (2, 1, 0))
    factors = -sp.log(2 * sp.pi * noise) / 2 - sp.log(2 * sp.pi * variance) / 2
    return c1**2 / (4 * c2) - c0 + sp.log(sp.pi / c2) / 2 + factors


def _component(number: Any) -> tuple[Any, Any]:
    """Return (mean, variance) of a component, named as in the text."""
    return real(f"m_{number}"), sp.Symbol(f"c_{number}", positive=True)


def _values(number: Any) -> dict[Any, Any]:
    mean, variance = _component(number)
    return {("m", (number,), ()): mean, ("c", (number,), ()): variance}


ONE = sp.Integer(1)


@proves("gaussian-oracle.level")
def level(claim: Any) -> None:
    """Integrate over the data; the result is again the exponential of a quadratic in x_t."""
    mean, variance = evaluate(claim.relation.members[1], claim.kernel_pair(values=_values(ONE)))
    text = sp.exp(gaussian_log_density(x_t, mean, variance))
    derived = sp.exp(marginal_log_density(*_component(ONE)))
    assert same(text, derived), "the integral is a different density"


@proves("gaussian-oracle.denoiser")
def denoiser(claim: Any) -> None:
    """Divide the linear term by the quadratic one."""
    text = evaluate(claim.relation.members[1], claim.kernel_pair(values=_values(ONE)))
    derived = given_state(*_component(ONE))[0]
    assert same(text, derived), "completing the square gives a different mean"


@proves("gaussian-oracle.variance")
def variance(claim: Any) -> None:
    """Invert twice the quadratic term."""
    text = evaluate(claim.relation.members[1], claim.kernel_pair(values=_values(ONE)))
    derived = given_state(*_component(ONE))[1]
    assert same(text, derived), "completing the square gives a different variance"


@proves("gaussian-oracle.score")
def score(claim: Any) -> None:
    """Differentiate the logarithm of the integral."""
    text = evaluate(claim.relation.members[1], claim.kernel_pair(values=_values(ONE)))
    derived = sp.diff(marginal_log_density(*_component(ONE)), x_t)
    assert same(text, derived), "the derivative is different"


def _summand(claim: Any, total: n.Node) -> tuple[n.Reduction, Any]:
    assert isinstance(total, n.Reduction), "the right side is not a sum"
    assert total.kind == "sum", "the right side is not a sum"
    first, last = (evaluate(each, claim.kernel_pair()) for each in (total.first, total.last))
    assert (first, str(last)) == (1, "K"), "the sum does not run over all components"
    return total, sp.Symbol(total.variable, integer=True, positive=True)


@proves("gaussian-oracle.mixture")
def mixture(claim: Any) -> None:
    """Integrate the sum term by term: one component with its weight."""
    total, j = _summand(claim, claim.relation.members[1])
    weight = sp.Symbol("w", positive=True)
    values = {**_values(j), (total.variable,): j, ("w", (j,), ()): weight}
    text = evaluate(total.body, claim.kernel_pair(values=values))
    derived = weight * sp.exp(marginal_log_density(*_component(j)))
    assert same(text, derived), "a component differs"


@proves("gaussian-oracle.mixture-denoiser")
def mixture_denoiser(claim: Any) -> None:
    """Show that the integral of x_0 over one component is its density times its mean."""
    total, j = _summand(claim, claim.relation.members[1])
    mean = given_state(*_component(j))[0]
    assert same(_of_a_component(claim, total, j), mean), "a component's mean differs"


@proves("gaussian-oracle.mixture-variance")
def mixture_variance(claim: Any) -> None:
    """Subtract the square of the mixture's denoiser from the components' mean squares."""
    difference = claim.relation.members[1]
    assert isinstance(difference, n.Sum), "the right side is not a difference"
    (plus, squares), (minus, square) = difference.terms
    denoised = claim.named["gaussian-oracle.mixture-denoiser"].relation.members[0]
    assert (plus, minus) == (1, -1), "the right side is not a difference"
    subtrahend = n.Power(denoised, n.Number(Fraction(2)))
    assert square == subtrahend, "the subtrahend is not the square of the denoiser"
    total, j = _summand(claim, squares)
    mean, variance = given_state(*_component(j))
    assert same(_of_a_component(claim, total, j), mean**2 + variance), "a mean square differs"


def _of_a_component(claim: Any, total: n.Reduction, j: Any) -> Any:
    """Return the summand divided by the component's posterior weight, checked by Bayes' rule."""
    weight, density = sp.symbols("w q", positive=True)
    posterior_weight = weight * sp.exp(marginal_log_density(*_component(j))) / density
    values = {**_values(j), (total.variable,): j, (r"\gamma", (j,), ()): posterior_weight}
    text = evaluate(total.body, claim.kernel_pair(values=values))
    relation = claim.named["gaussian-oracle.share"].relation
    variable = relation.members[0].index[0].name
    values = {**_values(j), (variable,): j, ("w", (j,), ()): weight}
    joint = evaluate(relation.members[1].numerator, claim.kernel_pair(values=values))
    assert same(joint / density, posterior_weight), "the posterior weight is not Bayes' rule"
    return sp.simplify(text / posterior_weight)
