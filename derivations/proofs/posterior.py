"""The posterior, by Bayes' rule for two kernels and completing the square in x_s."""

from typing import Any

import sympy as sp

from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, real, same
from . import proves

x_0, x_s, x_t = real("x_0"), real("x_s"), real("x_t")
EXPONENT = sp.Poly(  # -2 log(q(x_t | x_s) q(x_s | x_0)), up to terms without x
    sp.expand((x_t - b * x_s) ** 2 / (1 - b**2) + (x_s - a * x_0) ** 2 / (1 - a**2)), x_s
)
PRECISION = EXPONENT.coeff_monomial(x_s**2)
LINEAR = -EXPONENT.coeff_monomial(x_s) / 2


def _compare(text: Any, derived: Any, name: str) -> None:
    assert same(text, derived), f"completing the square gives the {name} {sp.simplify(derived)}"


@proves("posterior.precision")
def precision(claim: Any) -> None:
    """Compare with the coefficient of x_s^2."""
    _compare(evaluate(claim.relation.members[1], claim.kernel_pair()), PRECISION, "precision")


@proves("posterior.var")
def var(claim: Any) -> None:
    """Compare with the inverse of the coefficient of x_s^2."""
    _compare(evaluate(claim.relation.members[1], claim.kernel_pair()), 1 / PRECISION, "variance")


@proves("posterior.linear-term")
def linear_term(claim: Any) -> None:
    """Compare with minus half the coefficient of x_s."""
    _compare(evaluate(claim.relation.members[1], claim.kernel_pair()), LINEAR, "linear term")


@proves("posterior.mean")
def mean(claim: Any) -> None:
    """Compare with the minimum of the quadratic."""
    _compare(evaluate(claim.relation.members[1], claim.kernel_pair()), LINEAR / PRECISION, "mean")


@proves("posterior.exponent")
def exponent(claim: Any) -> None:
    """Compare both sides with the exponent, for all x_s, x_t and x_0."""
    left, right = claim.members()
    _compare(left, EXPONENT.as_expr(), "exponent")
    _compare(right, EXPONENT.as_expr(), "exponent")


@proves("posterior.law")
def distribution(claim: Any) -> None:
    """A density with a quadratic exponent is Gaussian: compare its mean and variance."""
    text_mean, text_variance = evaluate(claim.relation.members[1], claim.kernel_pair())
    _compare(text_mean, LINEAR / PRECISION, "mean")
    _compare(text_variance, 1 / PRECISION, "variance")
