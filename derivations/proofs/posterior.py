"""The posterior: Bayes' rule on two kernels, by completing the square in x_s."""

from typing import Any

import sympy as sp

from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, real, same
from . import proves

x_0, x_s, x_t = real("x_0"), real("x_s"), real("x_t")
EXPONENT = sp.Poly(  # minus twice log(q(x_t | x_s) q(x_s | x_0)), up to what is free of x
    sp.expand((x_t - b * x_s) ** 2 / (1 - b**2) + (x_s - a * x_0) ** 2 / (1 - a**2)), x_s
)
PRECISION = EXPONENT.coeff_monomial(x_s**2)
LINEAR = -EXPONENT.coeff_monomial(x_s) / 2


def _compare(text: Any, derived: Any, what: str) -> None:
    assert same(text, derived), f"completing the square gives the {what} {sp.simplify(derived)}"


@proves("posterior.precision")
def precision(claim: Any) -> None:
    """The coefficient of x_s^2."""
    _compare(evaluate(claim.relation.members[1], claim.world()), PRECISION, "precision")


@proves("posterior.var")
def var(claim: Any) -> None:
    """One over the coefficient of x_s^2."""
    _compare(evaluate(claim.relation.members[1], claim.world()), 1 / PRECISION, "variance")


@proves("posterior.linear-term")
def linear_term(claim: Any) -> None:
    """Minus half the coefficient of x_s."""
    _compare(evaluate(claim.relation.members[1], claim.world()), LINEAR, "linear term")


@proves("posterior.mean")
def mean(claim: Any) -> None:
    """Where the square is least."""
    _compare(evaluate(claim.relation.members[1], claim.world()), LINEAR / PRECISION, "mean")


@proves("posterior.exponent")
def exponent(claim: Any) -> None:
    """The left side is the exponent, the right side the same for every x_s, x_t and x_0."""
    left, right = claim.members()
    _compare(left, EXPONENT.as_expr(), "exponent")
    _compare(right, EXPONENT.as_expr(), "exponent")


@proves("posterior.law")
def law(claim: Any) -> None:
    """A density whose exponent is a square is normal: its mean and variance are the text's."""
    text_mean, text_variance = evaluate(claim.relation.members[1], claim.world())
    _compare(text_mean, LINEAR / PRECISION, "mean")
    _compare(text_variance, 1 / PRECISION, "variance")
