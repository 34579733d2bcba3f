"""The built-in schedules compared with their decimal definitions, and zero terminal SNR."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from .oracles import exact
from .oracles import schedules as oracle
from .protocol import Betas, Implementation
from .statistics.tolerances import allowance, check, zero_terminal
from .strategies import GENTLE, Case, cases, schedules

ORACLE = "the definitions in decimals, in 50 digits"

LONG: Betas = tuple(2.0**-20 * t for t in range(1, 1002))
STEEP_AND_LONG: Betas = (0.8,) * 16  # almost nothing of the root remains well before the end
FAMILIES = {"linear": (oracle.linear, 21), "cosine": (oracle.cosine, 1)}  # with the smallest T
# The papers give the linear schedule for T = 1000; for other T there are several conventions.
BUILT_IN = [
    pytest.param(
        T, family, marks=[pytest.mark.convention] if T != 1000 and family == "linear" else []
    )
    for T in (21, 30, 250, 1000)
    for family in FAMILIES
]


@pytest.mark.parametrize(("T", "family"), BUILT_IN)
def test_built_in_schedules_match_their_definition(impl: Implementation, family: str, T: int):
    """Eq. schedules.linear and schedules.cosine: alpha_bar_t at every t, for any T."""
    got = impl.schedule(family, T)
    assert got.shape == (T + 1,)
    assert got[0] == 1
    want = FAMILIES[family][0](T)
    for t in range(1, T + 1):
        unit = allowance(impl.unit_roundoff, oracle.mpf(oracle.kappa(want, 0, t)))
        check(family, (t,), got, want[t], unit * want[t])


@pytest.mark.parametrize("family", [pytest.param("linear", marks=pytest.mark.convention), "cosine"])
def test_built_in_schedules_of_four_thousand_timesteps(impl: Implementation, family: str):
    """Eq. schedules.linear and schedules.cosine: T = 4000 at nine timesteps."""
    T = 4000
    got, table = impl.schedule(family, T), FAMILIES[family][0](T)
    assert got.shape == (T + 1,)
    for t in (1, 2, 50, 1000, 1001, T // 2, T - 2, T - 1, T):
        unit = allowance(impl.unit_roundoff, oracle.mpf(oracle.kappa(table, 0, t)))
        check(family, (t,), got, table[t], unit * table[t])


# Down to 2^-20, where 1 - beta has at most half of beta's digits.
ends = st.floats(-20.0, -0.2).map(lambda exponent: 2.0**exponent)


@given(T=st.integers(2, 12), first=ends, last=ends, rescale=st.booleans())
@example(T=1001, first=2.0**-12, last=2.0**-6, rescale=False)
def test_linear_schedule_with_any_end_points(impl: Implementation, T, first, last, rescale):
    """Eq. schedules.linear for any end points, scaled from T = 1000 or not; betas may decrease."""
    beta_1, beta_T = (each * T / 1000 if rescale else each for each in (first, last))
    shape = {"beta_1": beta_1, "beta_T": beta_T, "rescale": rescale}
    check_schedule(impl, "linear", T, shape, oracle.linear(T, beta_1, beta_T, rescale))


def test_a_thousand_equal_steps_lose_no_precision(impl: Implementation):
    """Eq. schedules.alpha-bar: equal terms round alike, so that a plain sum drifts."""
    shape = {"beta_1": 1e-4, "beta_T": 1e-4, "rescale": False}
    check_schedule(impl, "linear", 1000, shape, thousand_steps())


@lru_cache
def thousand_steps() -> oracle.Table:
    return oracle.linear(1000, 1e-4, 1e-4, rescale=False)


@given(T=st.integers(1, 12), s=st.floats(0.0, 0.5), max_beta=st.floats(0.3, 1 - 2.0**-20))
@example(T=3, s=0.0, max_beta=1 - 2.0**-20)
@example(T=1001, s=0.25, max_beta=0.3)
def test_cosine_schedule_with_any_offset_and_max_beta(impl: Implementation, T, s, max_beta):
    """Eq. schedules.cosine for any offset, with betas capped at max_beta."""
    shape = {"s": s, "max_beta": max_beta}
    check_schedule(impl, "cosine", T, shape, oracle.cosine(T, s, max_beta))


@given(
    T=st.integers(1, 12),
    low=st.floats(-500.0, 500.0),
    width=st.floats(0.5, 20.0),
    tau=st.sampled_from([1.0, 0.01, 0.5, 3.0]),
    max_beta=st.floats(0.3, 1 - 2.0**-20),
)
@example(T=10, low=-3.0, width=6.0, tau=1.0, max_beta=0.999)
@example(T=1001, low=-3.0, width=6.0, tau=0.5, max_beta=0.999)
def test_sigmoid_schedule_with_any_shape(impl: Implementation, T, low, width, tau, max_beta):
    """Eq. schedules.sigmoid on any interval of the sigmoid; e^-500 needs many digits."""
    start, end = low * tau, (low + width) * tau
    shape = {"start": start, "end": end, "tau": tau, "max_beta": max_beta}
    with oracle.mp.workdps(500):
        check_schedule(impl, "sigmoid", T, shape, oracle.sigmoid(T, start, end, tau, max_beta))


def check_schedule(
    impl: Implementation, name: str, T: int, shape: dict[str, float], want: oracle.Table
) -> None:
    """Check alpha_bar_t and 1 - alpha_bar_t to 8 u kappa of their own size; exact at t = 0."""
    signal, noise = impl.shaped_schedule(name, T, shape)
    assert (signal[0], noise[0]) == (1, 0)
    for t in range(1, T + 1):
        unit = allowance(impl.unit_roundoff, oracle.mpf(oracle.kappa(want, 0, t)))
        check(f"{name} alpha_bar", (t,), signal, want[t], unit * want[t])
        check(f"{name} 1 - alpha_bar", (t,), noise, 1 - want[t], unit * (1 - want[t]))


@given(betas=schedules)
@example(betas=LONG)
def test_betas_are_recovered_from_alpha_bar(impl: Implementation, betas):
    """Eq. schedules.beta: beta_t = 1 - alpha_bar_t / alpha_bar_(t-1), from a table of alpha_bar."""
    table = np.cumprod(1 - np.array(betas))
    got, exact_table = impl.betas(table), oracle.from_alpha_bar(table)
    for t in range(1, len(exact_table)):
        want = 1 - exact_table[t] / exact_table[t - 1]
        unit = allowance(impl.unit_roundoff, oracle.mpf(oracle.kappa(exact_table, t - 1, t)))
        check("beta", (t - 1,), got, want, unit * want)


@given(case=cases())
def test_log_snr_matches_its_definition(impl: Implementation, case: Case):
    """Eq. schedules.log-snr: log alpha_bar_t - log(1 - alpha_bar_t), in nats.

    The stored logarithm contributes 2.5 u |L| / (1 - alpha_bar_t) < 2.5 u kappa, expm1 and each
    logarithm 1.5 u, and the difference u.
    """
    got = impl.log_snr(case.betas, case.t)
    for i, t in enumerate(case.t.tolist()):
        scale, var = exact.kernel(case.betas, 0, t)
        signal, noise = 2 * exact.mp.log(scale), exact.mp.log(var)
        unit = allowance(impl.unit_roundoff, exact.kappa(case.betas, 0, t))
        allowed = unit + 3 * exact.mpf(impl.unit_roundoff) * (abs(signal) + abs(noise))
        check("log-SNR", (i,), got, signal - noise, allowed)


@pytest.mark.convention
@given(T=st.integers(1, 20))
def test_linear_schedule_with_betas_out_of_range_is_refused(impl: Implementation, T: int):
    """Eq. schedules.linear: T < 21 is refused, because beta_T = 20 / T is not below 1."""
    with pytest.raises(ValueError, match=r"\S"):
        impl.schedule("linear", T)


@pytest.mark.parametrize("family", FAMILIES)
@given(data=st.data())
def test_alpha_bar_decreases_strictly(impl: Implementation, family: str, data):
    """Eq. schedules.alpha-bar: 1 = alpha_bar_0 > alpha_bar_1 > ... > 0, so the SNR decreases."""
    table = impl.schedule(family, data.draw(st.integers(FAMILIES[family][1], 400), label="T"))
    assert table[0] == 1
    assert all(later < before for before, later in pairwise(table))
    assert table[-1] > 0


@given(betas=schedules)
@example(betas=(0.25, 0.75, 0.03125))  # the shift removes most of alpha_bar_2
@example(betas=STEEP_AND_LONG)
@example(betas=LONG)
def test_zero_terminal_snr_shifts_and_scales_sqrt_alpha_bar(impl: Implementation, betas):
    """Eq. schedules.zero-terminal-snr: alpha_bar_T = 0 exactly, alpha_bar_1 unchanged."""
    assume(len(betas) >= 2)
    got = impl.zero_terminal_snr(betas)
    assert got.shape == (len(betas) + 1,)
    assert (got[0], got[-1]) == (1, 0)
    for t, (want, unit) in enumerate(zero_terminal(impl, betas), start=1):
        check("alpha_bar", (t,), got, want, unit * want)


@given(betas=schedules)
@example(betas=GENTLE)
@example(betas=LONG)
def test_zero_terminal_snr_rescaling_is_idempotent(impl: Implementation, betas):
    """Eq. schedules.zero-terminal-snr: rescaling again changes neither signal nor noise."""
    assume(len(betas) >= 2)
    for times in (1, 2):
        signal, noise = impl.rescaled(betas, times)
        assert (signal[0], signal[-1], noise[0], noise[-1]) == (1, 0, 0, 1)
        for t, (want, unit) in enumerate(zero_terminal(impl, betas), start=1):
            check("alpha_bar", (t,), signal, want, times * unit * want)
            check("1 - alpha_bar", (t,), noise, 1 - want, times * unit * (1 - want))
