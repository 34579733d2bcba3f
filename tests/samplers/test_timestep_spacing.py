"""Timestep spacings: four ways to choose a sampler's timesteps."""

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.samplers.ancestral import Ancestral
from ddpm_core.samplers.base import check_times
from ddpm_core.samplers.timestep_spacing import (
    TIMESTEP_SPACINGS,
    leading,
    linspace,
    log_snr,
    trailing,
)
from ddpm_core.schedules import Schedule

THOUSAND = Schedule.linear(1000)


@settings(derandomize=True, deadline=None)
@given(data=st.data(), T=st.integers(21, 1000))
def test_trailing_decreases_strictly_from_T_to_0_in_the_requested_steps(data, T):
    steps = data.draw(st.integers(1, T) | st.just(T))
    spacing = trailing(Schedule.linear(T), steps)
    gaps = [t - s for t, s in itertools.pairwise(spacing)]
    assert len(gaps) == steps
    assert (spacing[0], spacing[-1]) == (T, 0)
    assert min(gaps) >= 1
    assert max(gaps) - min(gaps) <= 1, "near-equal steps"
    assert check_times(spacing, T) == spacing


def test_five_steps_of_a_thousand_timesteps():
    assert trailing(THOUSAND, 5) == (1000, 800, 600, 400, 200, 0)
    assert leading(THOUSAND, 5) == (801, 601, 401, 201, 1, 0)
    assert linspace(THOUSAND, 5) == (1000, 750, 501, 251, 1, 0)
    assert log_snr(THOUSAND, 5) == (1000, 723, 303, 31, 1, 0)


@pytest.mark.parametrize("spacing", TIMESTEP_SPACINGS.values())
def test_T_steps_use_every_timestep(spacing):
    schedule = Schedule.linear(5, rescale=False)
    assert spacing(schedule, 5) == (5, 4, 3, 2, 1, 0) == Ancestral(schedule).times


def test_taken_timesteps_are_replaced_by_the_next_below():
    """A cosine schedule loses most of its log-SNR in its last steps, so targets coincide."""
    assert log_snr(Schedule.cosine(12), 8) == (12, 11, 10, 9, 8, 7, 3, 1, 0)


def test_zero_snr_is_included_but_not_used_for_spacing():
    schedule = Schedule.cosine(20).with_zero_terminal_snr()
    assert log_snr(schedule, 1) == (20, 0)
    assert log_snr(schedule, 2) == (20, 19, 0)
    assert log_snr(schedule, 5)[:2] == (20, 19)


@pytest.mark.parametrize("spacing", TIMESTEP_SPACINGS.values())
@pytest.mark.parametrize("steps", [5.0, True])
def test_invalid_numbers_of_steps_are_refused(unchecked, spacing, steps):
    with pytest.raises(TypeError, match=f"steps = {steps} is a {type(steps).__name__}"):
        spacing(THOUSAND, steps)


@pytest.mark.parametrize("spacing", TIMESTEP_SPACINGS.values())
@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_outside_1_to_T_are_refused(spacing, steps):
    with pytest.raises(
        ValueError, match=rf"steps = {steps} is outside 1..1000; each timestep is used"
    ):
        spacing(THOUSAND, steps)
