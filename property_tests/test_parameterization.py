"""Conversions between eps, x0, v and score: pairwise, round trips, and the geometry of v."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import example, given

from .oracles import exact, mixture
from .protocol import PREDICTIONS, Implementation
from .statistics.precisions import in_each_precision
from .statistics.tolerances import allowance, check, elements, equal
from .strategies import EARLY, STEEP, Case, cases

ORACLE = "the definitions of x_t, v and score, solved in 60 digits"

PAIRS = list(permutations(PREDICTIONS, 2))


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(case=cases())
@example(case=EARLY)
def test_conversion_solves_the_definitions(
    impl: Implementation, source: str, target: str, case: Case
):
    """Eq. parameterization.<source>-to-<target>, t in 1..T."""
    betas, _, t, value, x_t = case
    for at in in_each_precision(impl):
        got = at.impl.convert(betas, source, target, value, x_t, t)
        for where in elements(value):
            timestep = int(t[where[0]])
            want = exact.convert(betas, source, target, value[where], x_t[where], timestep)
            kappa = exact.kappa(betas, 0, timestep)
            at.check(f"{source} -> {target}", where, got, want, kappa)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(case=cases())
@example(case=EARLY)
def test_round_trip_is_the_identity(impl: Implementation, source: str, target: str, case: Case):
    """The error of the first conversion, magnified by the second, plus that of the second."""
    betas, _, t, value, x_t = case
    converted = impl.convert(betas, source, target, value, x_t, t)
    back = impl.convert(betas, target, source, converted, x_t, t)
    for where in elements(value):
        timestep = int(t[where[0]])
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, timestep))
        out = exact.convert(betas, source, target, value[where], x_t[where], timestep)
        inverse = exact.convert(betas, target, source, converted[where], x_t[where], timestep)
        magnified = exact.convert(betas, target, source, 1.0, 0.0, timestep).size
        allowed = unit * (out.size * magnified + inverse.size)
        want = exact.mpf(value[where])
        check(f"{source} -> {target} -> {source}", where, back, want, allowed)


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=cases())
def test_conversion_to_itself_is_exact(impl: Implementation, name: str, case: Case):
    """Converting a prediction to its own name computes nothing."""
    betas, _, t, value, x_t = case
    assert equal(impl.convert(betas, name, name, value, x_t, t), value)


AT_DATA = {"eps -> x0": 1, "v -> x0": 1, "eps -> v": 0, "v -> eps": 0}  # the answer is x_0


@pytest.mark.parametrize("betas", [STEEP, (0.5,)], ids=str)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_conversion_at_the_data_is_the_limit_or_refused(
    impl: Implementation, source: str, target: str, betas
):
    """Eq. parameterization.<source>-to-<target> at alpha_bar_0 = 1: x_t is x_0, and v is eps.

    What x_0 does not determine is refused: eps from x0, and the score, which is infinite.
    """
    value, x_0 = np.float64([[0.5, -1.0], [3.0, 0.25]]), np.float64([[2.0, 0.75], [-0.5, 1.0]])
    pair = f"{source} -> {target}"
    if pair in AT_DATA:
        got = impl.convert_data(betas, source, target, value, x_0)
        assert equal(got, x_0 if AT_DATA[pair] else value), pair
        return
    impl.convert_data(betas, "v", "x0", value, x_0)  # or not offered
    with pytest.raises(ValueError, match="t = 0"):
        impl.convert_data(betas, source, target, value, x_0)


@given(case=cases())
def test_optimal_denoiser_gives_the_score_of_the_density(impl: Implementation, case: Case):
    """Eq. parameterization.x0-to-score for data from a mixture (Tweedie's formula).

    The implementation rounds the given x0_hat, and the coefficient magnifies this error.
    """
    betas, _, t, x_t, _ = case
    x0_hat = np.zeros_like(x_t)
    for where in elements(x_t):
        prediction = mixture.denoiser(betas, mixture.BUMPS, x_t[where], int(t[where[0]]))
        x0_hat[where] = float(prediction)
    got = impl.convert(betas, "x0", "score", x0_hat, x_t, t)
    for where in elements(x_t):
        timestep = int(t[where[0]])
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, timestep))
        terms = exact.convert(betas, "x0", "score", x0_hat[where], x_t[where], timestep)
        magnified = exact.convert(betas, "x0", "score", x0_hat[where], 0.0, timestep).size
        want = mixture.score(betas, mixture.BUMPS, x_t[where], timestep)
        allowed = unit * terms.size + exact.mpf(impl.unit_roundoff) * magnified
        check("score", where, got, want, allowed)


@given(case=cases())
@example(case=EARLY)
def test_xt_and_v_are_a_rotation_of_x0_and_eps(impl: Implementation, case: Case):
    """Eq. parameterization.rotation: clockwise by the angle whose cosine is sqrt(alpha_bar_t).

    In the frame of (x_0, eps), the products of (x_t, v) with its original are (cos, -sin) times the
    squared length; both determine the rotation, including its sense.
    """
    betas, _, t, x_0, eps = case
    x_t = impl.q_sample(betas, x_0, t, eps)
    v = impl.convert(betas, "eps", "v", eps, x_t, t)
    for where in elements(x_0):
        timestep = int(t[where[0]])
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, timestep))
        error_xt = unit * exact.diffuse(betas, timestep, x_0[where], eps[where]).size
        magnified = error_xt * exact.convert(betas, "eps", "v", 0.0, 1.0, timestep).size
        terms = exact.convert(betas, "eps", "v", eps[where], x_t[where], timestep)
        error_v = magnified + unit * terms.size
        before = exact.mpf(x_0[where]), exact.mpf(eps[where])
        after = exact.mpf(float(x_t[where])), exact.mpf(float(v[where]))
        cos, var = exact.kernel(betas, 0, timestep)
        square = before[0] ** 2 + before[1] ** 2
        along = before[0] * after[0] + before[1] * after[1]
        across = before[0] * after[1] - before[1] * after[0]
        allowed_along = abs(before[0]) * error_xt + abs(before[1]) * error_v
        allowed_across = abs(before[0]) * error_v + abs(before[1]) * error_xt
        # 1e-50 is the oracle's own rounding, in 60 digits: 30 orders below u.
        for name, found, want, allowed in (
            ("cosine of the angle", along, cos * square, allowed_along),
            ("sine of the angle", -across, exact.mp.sqrt(var) * square, allowed_across),
        ):
            off = f"{name} is off by {float(abs(found - want)):.3g} of {float(square):.3g}"
            assert abs(found - want) <= allowed + square * exact.mpf("1e-50"), off
