"""Tests of a residual that was divided by the implementation's standard deviation."""

from collections.abc import Iterator

from ..protocol import Array
from .statistics import Finding, standard_normal


def residual_findings(residual: Array) -> Iterator[Finding]:
    """Test for a standard normal, and report the variance as that of the implementation.

    The residual was divided by the implementation's standard deviation, so a variance of the
    residual that is too small means that the implementation's variance is too large.
    """
    square = float((residual * residual).mean())
    for each in standard_normal(residual):
        if each.name == "variance" and square > 0:
            effect = f"the implementation's variance is {1 / square:.3g} times the exact value"
            each = each._replace(effect=effect)
        yield each
