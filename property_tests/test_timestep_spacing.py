"""Time ladders: which levels a sampler of N steps visits."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .oracles import schedules as levels
from .protocol import TIMESTEP_SPACINGS, Betas, Implementation
from .strategies import PRODUCTION, STEEP, betas

ORACLE = "integer arithmetic; the log-SNR of products in 50 digits"

STEEP_AT_THE_END = (0.01,) * 20 + (0.7,) * 3  # several places fall on one level, above free ones
MANY = tuple(np.linspace(1e-3, 0.01, 400).tolist())


@st.composite
def ladders(draw: st.DrawFn) -> tuple[Betas, int]:
    """A schedule and a number of steps; both ends of it often."""
    some = st.lists(betas, min_size=1, max_size=12).map(tuple)
    schedule = draw(some | st.sampled_from([STEEP, MANY, PRODUCTION]))
    T = len(schedule)
    return schedule, draw(st.sampled_from([1, min(2, T), T]) | st.integers(1, T))


@pytest.mark.parametrize("name", TIMESTEP_SPACINGS)
@given(case=ladders())
@example(case=(PRODUCTION, 201))
@example(case=((0.5,) * 4, 1))
def test_spacing_has_the_requested_number_of_steps(impl: Implementation, name, case):
    """Eq. ancestral.ladder, ddim.leading, ddim.linspace: N steps mean N steps, and all but
    leading ones begin at T."""
    schedule, steps = case
    times = impl.timestep_spacing(name, schedule, steps)
    assert (len(times), times[-1]) == (steps + 1, 0)
    assert all(s < t for t, s in pairwise(times)), times
    highest = (steps - 1) * (len(schedule) // steps) + 1 if name == "leading" else len(schedule)
    assert times[0] == highest


@given(case=ladders())
@example(case=(PRODUCTION, 201))
def test_trailing_timesteps_are_even_from_zero(impl: Implementation, case):
    """Eq. ancestral.ladder: each is the rounding of an even stride from 0."""
    schedule, steps = case
    for i, t in enumerate(reversed(impl.timestep_spacing("trailing", schedule, steps))):
        assert abs(2 * t * steps - 2 * i * len(schedule)) <= steps


@given(case=ladders())
def test_linspace_timesteps_are_even_from_one_to_T(impl: Implementation, case):
    """Eq. ddim.linspace: each is the rounding of an even stride from 1; a single one is T."""
    schedule, steps = case
    *rising, _ = impl.timestep_spacing("linspace", schedule, steps)
    rising.reverse()
    gaps, span = max(steps - 1, 1), len(schedule) - 1
    for i, t in enumerate(rising if steps > 1 else []):
        assert abs(2 * (t - 1) * gaps - 2 * i * span) <= gaps


@given(case=ladders())
def test_leading_timesteps_are_integer_strides_above_one(impl: Implementation, case):
    """Eq. ddim.leading."""
    schedule, steps = case
    *visited, _ = impl.timestep_spacing("leading", schedule, steps)
    assert visited[::-1] == [1 + i * (len(schedule) // steps) for i in range(steps)]


@pytest.mark.parametrize("zero_terminal", [False, True])
@given(case=ladders().filter(lambda case: len(case[0]) > 1))
@example(case=(PRODUCTION, 2))
@example(case=(PRODUCTION, 10))
@example(case=(PRODUCTION, 600))
@example(case=(STEEP_AT_THE_END, 8))
def test_log_snr_timesteps_are_nearest_to_even_log_snr(impl: Implementation, zero_terminal, case):
    """Eq. ddim.even-log-snr, ddim.last-place: no free level lies nearer to its place, but those
    that would leave too few below. A last level without signal is visited; the rest counts from
    the one before."""
    schedule, steps = case
    table, above = levels.from_betas(schedule), len(schedule) + 1
    *visited, _ = impl.timestep_spacing("log_snr", schedule, steps, zero_terminal)
    if zero_terminal:
        table, above = levels.with_zero_terminal_snr(table)[:-1], len(schedule)
        assert visited[0] == len(schedule)
        visited, steps = visited[1:], steps - 1
    log_snr = [None, *(float(levels.log_snr(table, t)) for t in range(1, len(table)))]
    for i, t in enumerate(visited):
        place = log_snr[-1] + (log_snr[1] - log_snr[-1]) * i / max(steps - 1, 1)
        free = range(steps - i, above)  # as many are left below as steps are to come
        nearest = min(abs(log_snr[each] - place) for each in free)
        assert t in free, f"step {i}: {t} is not of {free}"
        assert abs(log_snr[t] - place) <= nearest + 1e-9, f"step {i}: {t} of {free}"
        above = t
