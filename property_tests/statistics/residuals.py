"""Findings on a residual, told of the answer that it was divided by."""

from collections.abc import Iterator

from ..protocol import Array
from .statistics import Finding, standard_normal


def of_answers(residual: Array) -> Iterator[Finding]:
    """What was divided by an answer is too small where the answer is too large: say it of that."""
    square = float((residual * residual).mean())
    for each in standard_normal(residual):
        if each.name == "variance" and square > 0:
            effect = f"variance answered is {1 / square:.3g} times the exact value"
            each = each._replace(effect=effect)
        yield each
