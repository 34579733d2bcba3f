"""The shipped schedules against their definitions in decimals, and zero terminal SNR."""

from itertools import pairwise

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from .oracles import schedules as oracle
from .protocol import Implementation
from .strategies import schedules
from .tolerances import allowance, check

ORACLE = "the definitions in decimals, in 50 digits"

FAMILIES = {"linear": (oracle.linear, 21), "cosine": (oracle.cosine, 1)}  # and the least T


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("T", [1000, 250, 30, 21])
def test_shipped_schedules_are_their_definition(impl: Implementation, family: str, T: int):
    """Eq. schedules.linear and schedules.cosine: alpha_bar_t at every t, whatever T."""
    define, _ = FAMILIES[family]
    got, want = impl.schedule(family, T), define(T)
    assert got.shape == (T + 1,)
    assert got[0] == 1
    for t in range(1, T + 1):
        kappa = oracle.mpf(oracle.kappa(want, 0, t))
        check(family, (t,), got, want[t], allowance(impl.unit_roundoff, kappa) * want[t])


@given(T=st.integers(1, 20))
def test_a_linear_schedule_whose_betas_leave_the_unit_interval_is_refused(
    impl: Implementation, T: int
):
    """Eq. schedules.linear: beta_T = 20 / T is a variance below T = 21 no more."""
    with pytest.raises(ValueError, match=r"\S"):
        impl.schedule("linear", T)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_signal_falls_at_every_step(impl: Implementation, family: str, data):
    """Eq. schedules.alpha-bar: 1 = alpha_bar_0 > alpha_bar_1 > ... > 0, so the SNR falls too."""
    table = impl.schedule(family, data.draw(st.integers(FAMILIES[family][1], 400), label="T"))
    assert table[0] == 1
    assert all(later < before for before, later in pairwise(table))
    assert table[-1] > 0


@given(betas=schedules)
@example(betas=(0.25, 0.75, 0.03125))  # the shift takes most of alpha_bar_2 away
def test_zero_terminal_snr_shifts_and_scales_the_root(impl: Implementation, betas):
    """Eq. schedules.zero-terminal-snr: alpha_bar_T = 0 exactly, alpha_bar_1 kept."""
    assume(len(betas) >= 2)
    before = oracle.from_betas(betas)
    want = oracle.with_zero_terminal_snr(before)
    got = impl.zero_terminal_snr(betas)
    assert got.shape == (len(betas) + 1,)
    assert (got[0], got[-1]) == (1, 0)
    for t in range(1, len(betas)):
        kappa = oracle.mpf(oracle.kappa_zero_terminal(before, want, 0, t))
        check("alpha_bar", (t,), got, want[t], allowance(impl.unit_roundoff, kappa) * want[t])
