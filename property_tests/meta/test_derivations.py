"""The pages and the code say the same: what a page prints is the oracle of the function it names.

The text is parsed, evaluated in 60 digits and compared with what the implementation returns.
"""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ..monte_carlo import Ledger
from ..oracles.exact import kappa, mpf
from ..protocol import Implementation
from ..statistics import slope, standard_normal
from ..strategies import STEEP, betas, numbers
from ..test_posterior import walk
from ..tolerances import allowance, check
from . import pages
from .answers import ASK
from .asking import Answer, Point
from .latent_answers import LATENT

ORACLE = "the LaTeX of the derivations, parsed"


@st.composite
def points(draw: st.DrawFn) -> Point:
    """Steep schedules of at most six steps, scalars: the rest is for the other checks."""
    schedule = draw(st.lists(betas, min_size=2, max_size=6).map(tuple))
    t = draw(st.integers(1, len(schedule)))
    n = draw(st.integers(2, 9))
    s, i = draw(st.integers(0, t - 1)), draw(st.integers(0, n - 1))
    return Point(schedule, s, t, draw(numbers), draw(numbers), draw(numbers), n, i)


def test_every_equation_with_code_is_asked():
    """None is left out, and none is asked that no page has."""
    assert set(ASK) == set(pages.with_code())


@pytest.mark.parametrize("name", sorted(ASK))
@given(point=points())
def test_the_code_computes_what_the_page_says(impl: Implementation, name: str, point: Point):
    """Each equation with code: the right side as it is printed, within what rounding allows."""
    assume(compare(impl, name, point))


def compare(impl: Implementation, name: str, point: Point) -> bool:
    """Fail where the text and the implementation differ; False where nothing is assumed of it."""
    if name in AT_DATA:
        point = point._replace(s=0)
    levels = {"s": point.s, "t": point.t, "T": len(point.betas), "K": 1, "k": point.t + 1}
    if name not in OWN_LEVELS and pages.world(name, point.betas, levels, {}) is None:
        return False
    answer: Answer = ASK[name](impl, point)
    where = pages.world(name, point.betas, levels | (answer.levels or {}), answer.values)
    if where is None:
        return False
    s = point.s if answer.s is None else answer.s
    conditioning = mpf(1) if name in OWN_LEVELS else kappa(point.betas, s, point.t)
    unit = allowance(impl.unit_roundoff, conditioning, answer.times)
    for part, got in enumerate(answer.got):
        want = pages.text(name, where, part if pages.is_law(name) else None)
        check(name, (0,), np.float64([got]), want.exact, unit * want.size + answer.absolute)
    return True


AT_DATA = ("ancestral.lands-on-data", "posterior.last-step", "losses.decoder-variance")
OWN_LEVELS = {  # asked at levels of their own
    *("losses.kl", "losses.prior", "losses.decoder", "losses.decoder-lowest"),
    *("losses.decoder-highest", "likelihood.bits", "likelihood.dequantised"),
    *("probability-flow.density", "probability-flow.data"),
    *("learned-variance.range", "learned-variance.decoder", "learned-variance.hybrid"),
    "learned-variance.importance",
    *LATENT,
    *("losses.simple", "losses.weighted", "images.range", "statistics.power"),
    *("ancestral.ladder", "ddim.linspace", "ddim.leading"),
    *("schedules.linear", "schedules.cosine", "schedules.sigmoid", "ema.decay", "ema.update"),
    *("embeddings.sinusoidal", "embeddings.cosines", "embeddings.fourier"),
}


@pytest.mark.parametrize("name", [name for name in sorted(ASK) if pages.is_law(name)])
def test_what_is_simulated_has_the_law_of_the_page(ledger: Ledger, name: str):
    """Each law with code, on levels that one-step kernels make: whitened by the text.

    What is left is standard normal, and independent of all that the law is conditioned on.
    """
    for s, t in ((2, 3), (1, 4)):
        levels = {"s": s, "t": t, "T": len(STEEP), "K": 1}
        where = pages.world(name, STEEP, levels, {})
        target, given_levels = pages.conditions(name, where)
        claim = ledger.claim(f"{name}, as printed", (STEEP, s, t), scalars=2000 * 15)
        rng = claim.rng
        x = {0: rng.choice([0.0, 1.3, -0.7, 30.0], size=(2000, 3, 5))}
        for level in range(1, len(STEEP) + 1):
            x[level] = walk(STEEP, x[level - 1], level - 1, level, rng)
        mean = sum(
            coefficient * x[level]
            for level, coefficient in pages.coefficients(name, where, given_levels).items()
        )
        residual = (x[target] - mean) / np.sqrt(float(pages.text(name, where, 1).exact))
        others = [x[level] for level in given_levels if level > 0]
        claim.check([*standard_normal(residual), *(slope(residual, each) for each in others)])
