"""Schedules and samplers that the caller makes."""

from itertools import pairwise

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from .calls.call import reused
from .oracles.exact import mp, mpf
from .protocol import Array, Implementation
from .statistics.tolerances import check, equal

ORACLE = "exponentials in 60 digits, and the caller's own loop, bit for bit"

drops = st.lists(st.floats(-20.0, 2.0).map(lambda exponent: 2.0**exponent), min_size=1, max_size=6)


@given(steps=drops)
@example(steps=[0.25, 1.0, 0.5])
def test_a_table_of_logarithms_is_a_schedule(impl: Implementation, steps: list[float]):
    """Eq. schedules.alpha-bar: exp(L) has two roundings, and so has each factor of a product."""
    logs = -np.cumsum([0.0, *steps])
    got = impl.alpha_bar_of_logs(logs)
    for t, each in enumerate(logs):
        want = mp.exp(mpf(each))
        check("alpha_bar", (t,), got, want, 4 * (t + 1) * mpf(impl.unit_roundoff) * want)


def test_a_schedule_does_not_change_with_its_table(impl: Implementation):
    """Eq. schedules.alpha-bar: the caller may overwrite the table, and the answer."""
    logs = np.float64([0, -0.25, -1.5, -2])
    given_table = logs.copy()
    with reused(impl):
        first = impl.alpha_bar_of_logs(given_table)
        want = first.copy()
        given_table[1:] -= 0.125
        assert equal(impl.alpha_bar_of_logs(logs.copy()), want), "the table was overwritten"
        if first.flags.writeable:
            first[...] = 0.5
        assert equal(impl.alpha_bar_of_logs(logs.copy()), want), "the answer was overwritten"


def test_any_sampler_is_run_step_by_step(impl: Implementation):
    """Eq. ancestral.step and others are steps of one loop, which adds nothing of its own.

    All numbers are exact in float32. No step returns the prediction, the last one included.
    """
    x_T = np.float64([[0.5, -3.0], [2.0, 0.75]])
    noises = [x_T + 1, x_T - 2, x_T / 4]

    def denoiser(x_t: Array, t: int) -> Array:
        return x_t / 4 + t

    def step(x0_hat: Array, x_t: Array, s: int, t: int, noise: Array | None) -> Array:
        return x_t / 2 - x0_hat / 4 + (t - s if noise is None else noise / 8)

    for times in ((4, 3, 1, 0), (2, 0)):
        got = impl.own_trajectory(times, step, denoiser, x_T, noises[: len(times) - 2])
        assert got.times.tolist() == list(times)
        x = x_T
        for i, (t, s) in enumerate(pairwise(times)):
            x0_hat, noise = denoiser(x, t), noises[i] if s else None
            assert np.array_equal(got.states[i], x), f"the state at t = {t}"
            assert np.array_equal(got.predictions[i], x0_hat), f"the prediction at t = {t}"
            x = step(x0_hat, x, s, t, noise)
        for what, last in (("state", got.states[-1]), ("prediction", got.predictions[-1])):
            assert np.array_equal(last, x), f"the {what} at the data is not the sample"
