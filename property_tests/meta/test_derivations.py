"""Comparison of pages and code: an equation is the oracle of the functions under *Code*.

Its LaTeX is parsed, evaluated in 60 digits and compared with the output of the implementation.
"""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from ..chains.forward import simulate
from ..profiles import POINTS
from ..protocol import Implementation
from ..statistics.monte_carlo import Ledger
from ..statistics.statistics import slope, standard_normal
from ..strategies import STEEP, betas, numbers
from . import pages
from .comparing import compare
from .evaluation import Point
from .evaluators import EVALUATORS

# The terms of the posterior mean cancel to 0.2 % of their size.
CANCELLING = Point((0.5, 0.5625, 0.671875, 0.25, 0.46875), 1, 5, 0.46875, -2.625, 0.0, 2, 0)
ORACLE = "the LaTeX of the derivations, parsed"


@st.composite
def points(draw: st.DrawFn) -> Point:
    """Draw steep schedules of at most six steps, and scalars."""
    schedule = draw(st.lists(betas, min_size=2, max_size=6).map(tuple))
    t = draw(st.integers(1, len(schedule)))
    n = draw(st.integers(2, 9))
    s, i = draw(st.integers(0, t - 1)), draw(st.integers(0, n - 1))
    return Point(schedule, s, t, draw(numbers), draw(numbers), draw(numbers), n, i)


def test_every_equation_with_code_has_an_evaluator():
    """Compare the names in both directions."""
    assert set(EVALUATORS) == set(pages.with_code())


@pytest.mark.parametrize("name", sorted(EVALUATORS))
@settings(max_examples=int(settings().max_examples * POINTS))
@given(point=points())
@example(point=CANCELLING)
def test_code_computes_what_the_page_states(impl: Implementation, name: str, point: Point):
    """Compare the printed right side with the code, within the rounding error."""
    assume(compare(impl, name, point))


@pytest.mark.parametrize(
    "name", [name for name in sorted(EVALUATORS) if pages.is_distribution(name)]
)
def test_simulation_follows_the_distribution_on_the_page(ledger: Ledger, name: str):
    """Whiten states simulated by one-step kernels with the printed mean and variance.

    The residual is standard normal and independent of the conditioning states.
    """
    for s, t in ((2, 3), (1, 4)):
        integers = {"s": s, "t": t, "T": len(STEEP), "K": 1}
        where = pages.instance(name, STEEP, integers, {})
        target, conditions = pages.conditions(name, where)
        claim = ledger.claim(f"{name}, as printed", (STEEP, s, t), scalars=2000 * 15)
        rng = claim.rng
        x = {0: rng.choice([0.0, 1.3, -0.7, 30.0], size=(2000, 3, 5))}
        for timestep in range(1, len(STEEP) + 1):
            x[timestep] = simulate(STEEP, x[timestep - 1], timestep - 1, timestep, rng)
        mean = sum(
            coefficient * x[timestep]
            for timestep, coefficient in pages.coefficients(name, where, conditions).items()
        )
        residual = (x[target] - mean) / np.sqrt(float(pages.text(name, where, 1).exact))
        others = [x[timestep] for timestep in conditions if timestep > 0]
        claim.check([*standard_normal(residual), *(slope(residual, each) for each in others)])
