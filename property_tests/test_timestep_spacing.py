"""Timestep spacings: the timesteps that a sampler with N steps visits."""

import math
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .oracles import schedules as exact_schedules
from .protocol import TIMESTEP_SPACINGS, Betas, Implementation
from .strategies import PRODUCTION, STEEP, betas

ORACLE = "integer arithmetic; the log-SNR of products in 50 digits"

STEEP_AT_THE_END = (0.01,) * 20 + (0.7,) * 3  # several targets round to one timestep
LATE = (2.0**-10,) * 4200  # T is above 4096
LATE_AND_STEEP = (0.001,) * 1000 + (0.99,) * 3
MANY = tuple(np.linspace(1e-3, 0.01, 400).tolist())


@st.composite
def spacings(draw: st.DrawFn) -> tuple[Betas, int]:
    """Draw a schedule and a number of steps, often 1 or T."""
    some = st.lists(betas, min_size=1, max_size=12).map(tuple)
    schedule = draw(some | st.sampled_from([STEEP, MANY, PRODUCTION]))
    T = len(schedule)
    return schedule, draw(st.sampled_from([1, min(2, T), T]) | st.integers(1, T))


def spaced(impl: Implementation, name: str, schedule: Betas, steps: int) -> tuple[int, ...]:
    """Return the timesteps of a second call, which are those of the first."""
    first, again = (impl.timestep_spacing(name, schedule, steps) for _ in range(2))
    assert again == first
    return again


@pytest.mark.parametrize("name", TIMESTEP_SPACINGS)
@given(case=spacings())
@example(case=(PRODUCTION, 201))
@example(case=((0.5,) * 4, 1))
@example(case=(LATE, 11))
@example(case=(LATE, 1))
def test_spacing_has_the_requested_number_of_steps(impl: Implementation, name, case):
    """Eq. ancestral.ladder, ddim.leading, ddim.linspace: N steps mean N steps.

    All spacings but leading begin at T.
    """
    schedule, steps = case
    times = spaced(impl, name, schedule, steps)
    found = f"{steps} steps of T = {len(schedule)} are {len(times) - 1}, from {times[0]}"
    assert (len(times), times[-1]) == (steps + 1, 0), f"{found} to {times[-1]}"
    assert all(s < t for t, s in pairwise(times)), times
    highest = (steps - 1) * (len(schedule) // steps) + 1 if name == "leading" else len(schedule)
    assert times[0] == highest, f"{found}, not from {highest}"


@given(case=spacings())
@example(case=(PRODUCTION, 201))
@example(case=(LATE, 11))
def test_trailing_timesteps_are_even_from_zero(impl: Implementation, case):
    """Eq. ancestral.ladder: each timestep is an integer next to a multiple of T / N."""
    schedule, steps = case
    for i, t in enumerate(reversed(spaced(impl, "trailing", schedule, steps))):
        even = i * len(schedule) / steps
        off = f"{steps} steps of T = {len(schedule)}: timestep {i} is {t}, even is {even:g}"
        assert abs(t * steps - i * len(schedule)) < steps, off


@pytest.mark.convention
@given(case=spacings())
@example(case=(PRODUCTION, 201))
@example(case=(LATE, 11))
def test_trailing_timesteps_are_rounded(impl: Implementation, case):
    """Eq. ancestral.ladder: each is the nearest integer, where others truncate."""
    schedule, steps = case
    for i, t in enumerate(reversed(spaced(impl, "trailing", schedule, steps))):
        even = i * len(schedule) / steps
        off = f"{steps} steps of T = {len(schedule)}: timestep {i} is {t}, even is {even:g}"
        assert abs(2 * t * steps - 2 * i * len(schedule)) <= steps, off


@given(case=spacings())
@example(case=(LATE, 11))
@example(case=(LATE, 1))
def test_linspace_timesteps_are_even_from_one_to_T(impl: Implementation, case):
    """Eq. ddim.linspace: rounded even spacing from 1 to T; a single step starts at T."""
    schedule, steps = case
    *rising, _ = spaced(impl, "linspace", schedule, steps)
    rising.reverse()
    gaps, span = max(steps - 1, 1), len(schedule) - 1
    for i, t in enumerate(rising if steps > 1 else []):
        off = f"timestep {i} is {t}, even is {1 + i * span / gaps:g}"
        assert abs(2 * (t - 1) * gaps - 2 * i * span) <= gaps, off


@given(case=spacings())
@example(case=(LATE, 11))
def test_leading_timesteps_are_integer_strides_above_one(impl: Implementation, case):
    """Eq. ddim.leading."""
    schedule, steps = case
    *timesteps, _ = spaced(impl, "leading", schedule, steps)
    assert timesteps[::-1] == [1 + i * (len(schedule) // steps) for i in range(steps)]


@lru_cache(maxsize=16)
def log_snr_of(betas: Betas, zero_terminal: bool) -> tuple[float, ...]:
    """Return the log-SNR at each timestep with signal; it is infinite at t = 0."""
    table = exact_schedules.from_betas(betas)
    if zero_terminal:
        table = exact_schedules.with_zero_terminal_snr(table)[:-1]
    noisy = (float(exact_schedules.log_snr(table, t)) for t in range(1, len(table)))
    return (math.inf, *noisy)


@pytest.mark.complete
@pytest.mark.parametrize("zero_terminal", [False, True])
@given(case=spacings().filter(lambda case: len(case[0]) > 1))
@example(case=(PRODUCTION, 2))
@example(case=(PRODUCTION, 10))
@example(case=(PRODUCTION, 600))
@example(case=(STEEP_AT_THE_END, 8))
@example(case=(LATE, 3))
@example(case=(LATE_AND_STEEP, 8))
def test_log_snr_timesteps_are_nearest_to_even_log_snr(impl: Implementation, zero_terminal, case):
    """Eq. ddim.even-log-snr, ddim.last-place: no free timestep is nearer to its target.

    Timesteps that would leave too few below are not free. A last timestep without signal is
    visited; the others are spaced from the one before.
    """
    schedule, steps = case
    above = len(schedule) + 1
    twice = (impl.timestep_spacing("log_snr", schedule, steps, zero_terminal) for _ in range(2))
    (*timesteps, _), again = twice
    assert again == (*timesteps, 0)
    if zero_terminal:
        above = len(schedule)
        assert timesteps[0] == len(schedule)
        timesteps, steps = timesteps[1:], steps - 1
    log_snr = log_snr_of(schedule, zero_terminal)
    for i, t in enumerate(timesteps):
        target_log_snr = log_snr[-1] + (log_snr[1] - log_snr[-1]) * i / max(steps - 1, 1)
        free = range(steps - i, above)  # leaves as many below as there are steps to come
        nearest = min(abs(log_snr[each] - target_log_snr) for each in free)
        assert t in free, f"step {i}: {t} is not in {free}"
        assert abs(log_snr[t] - target_log_snr) <= nearest + 1e-9, f"step {i}: {t} of {free}"
        above = t
