"""Schedules against 50-digit references, at t = 0 and t = T, and as immutable values."""

import dataclasses
import math
import random
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import numpy as np
import pytest
import torch

from ddpm_core.posterior import q_posterior
from ddpm_core.schedules import Schedule
from property_tests.oracles import schedules as exact
from property_tests.oracles.schedules import Table

U = 2.0**-53
STEEP = [1e-10, 1e-5, 0.1, 0.5, 0.3, 0.8, 0.999, 0.01, 0.2, 0.7]  # T = 10: near both ends of (0, 1)


def some_betas(T: int) -> list[float]:
    """Return betas in no order, from 1e-6 to 0.03 if T is large."""
    return STEEP[-T:] if T <= 10 else [10 ** random.Random(i).uniform(-6, -1.5) for i in range(T)]


def some_alpha_bar(T: int) -> list[float]:
    return [(1 - (i + 0.5) / T) ** 2 for i in range(T)]


FAMILIES: dict[str, tuple[Callable[[int], Schedule], Callable[[int], Table]]] = {
    "linear": (Schedule.linear, exact.linear),
    "cosine": (Schedule.cosine, exact.cosine),
    "sigmoid": (Schedule.sigmoid, exact.sigmoid),
    "from_betas": (
        lambda T: Schedule.from_betas(some_betas(T)),
        lambda T: exact.from_betas(some_betas(T)),
    ),
    "from_alpha_bar": (
        lambda T: Schedule.from_alpha_bar(some_alpha_bar(T)),
        lambda T: exact.from_alpha_bar(some_alpha_bar(T)),
    ),
}
CASES = [
    (family, T)
    for family in FAMILIES
    for T in ((21, 1000, 4000) if family == "linear" else (1, 2, 10, 1000, 4000))
]
TIGHT = 1 / 50  # errors reach this fraction of 8 u kappa, so the bound is not vacuous
every_schedule = pytest.mark.parametrize(("family", "T"), CASES)
every_rescaled = pytest.mark.parametrize(("family", "T"), [case for case in CASES if case[1] > 1])


@cache
def build(family: str, T: int) -> Schedule:
    return FAMILIES[family][0](T)


@cache
def reference(family: str, T: int) -> Table:
    return FAMILIES[family][1](T)


class Worst(NamedTuple):
    """The largest error as a fraction of 8 u kappa, in float32 ulps, and its index."""

    part: float
    ulps: float
    index: int


def pairs(T: int) -> list[tuple[int, int]]:
    """Return pairs (s, t): adjacent, from 0, to T, and random; all pairs if T is small."""
    if T <= 50:
        return [(s, t) for t in range(1, T + 1) for s in range(t)]
    rng = random.Random(T)
    some = rng.sample(range(2, T), 98)
    return [
        *((t - 1, t) for t in (1, 2, T - 1, T, *some)),
        *((0, t) for t in some[:50]),
        *((s, T) for s in some[:50]),
        *(tuple(sorted(rng.sample(range(T + 1), 2))) for _ in range(100)),
    ]


def worst(
    got: torch.Tensor, want: Table, kappas: list[float], scale: list[float] | None = None
) -> Worst:
    high = np.array([float(each) for each in want])
    low = np.array([float(each - each_high) for each, each_high in zip(want, high, strict=True)])
    scale = np.abs(high) if scale is None else np.array(scale)
    error = np.abs((got.numpy() - high) - low)  # the first difference is exact
    bound = 8 * U * np.array(kappas) * scale
    with np.errstate(divide="ignore", invalid="ignore"):
        part = np.where(error == 0, 0.0, error / bound)  # infinite if an exact zero is missed
    rounded = np.abs((got.float().double().numpy() - high) - low)
    ulps = rounded / np.spacing(scale.astype(np.float32))
    return Worst(float(part.max()), float(ulps.max()), int(part.argmax()))


def per_timestep(
    schedule: Schedule, want: Table, kappa: Callable[[int, int], float]
) -> dict[str, Worst]:
    """Return the `worst` error of each quantity of one timestep, over all t."""
    times = range(1, schedule.T + 1)
    t = torch.arange(1, schedule.T + 1)
    single, step = [kappa(0, t) for t in times], [kappa(t - 1, t) for t in times]
    finite = len(times) - schedule.has_zero_terminal_snr
    log_snr = [exact.log_snr(want, t) for t in times[:finite]]
    size = [max(1.0, abs(float(each))) for each in log_snr]  # an absolute error near 0
    return {
        "alpha_bar": worst(schedule.alpha_bar(t), want[1:], single),
        "one_minus_alpha_bar": worst(
            schedule.one_minus_alpha_bar(t), [1 - want[t] for t in times], single
        ),
        "beta": worst(schedule.beta(t), [1 - want[t] / want[t - 1] for t in times], step),
        "log_snr": worst(schedule.log_snr(t[:finite]), log_snr, single[:finite], size),
    }


def transitions(
    schedule: Schedule, want: Table, kappa: Callable[[int, int], float]
) -> dict[str, Worst]:
    """Return the `worst` error of each quantity of a pair (s, t).

    q_posterior's coefficients are read off unit vectors.
    """
    some = pairs(schedule.T)
    s, t = torch.tensor(some).unbind(1)
    x_0, x_t = torch.eye(2, dtype=torch.float64)[:, None].expand(2, len(some), 2)
    posterior = q_posterior(schedule, x_0, x_t, s, t)
    coef_x0, coef_xt, var = zip(*(exact.posterior(want, *pair) for pair in some), strict=True)
    alpha = [want[t] / want[s] for s, t in some]
    kappas = [kappa(*pair) for pair in some]
    return {
        "alpha": worst(schedule.alpha(s, t), alpha, kappas),
        "beta_between": worst(schedule.beta_between(s, t), [1 - each for each in alpha], kappas),
        "coef_x0": worst(posterior.mean[:, 0], coef_x0, kappas),
        "coef_xt": worst(posterior.mean[:, 1], coef_xt, kappas),
        "var": worst(posterior.var[:, 0], var, kappas),
    }


def check(schedule: Schedule, want: Table, kappa: Callable[[int, int], float]) -> None:
    found = per_timestep(schedule, want, kappa) | transitions(schedule, want, kappa)
    for name, (part, ulps, i) in found.items():
        assert part <= 1, f"{name}, entry {i}, is off by {part:.3g} of the bound 8 u kappa"
        assert ulps <= 1, f"{name} in float32 is off by {ulps:.3g} ulp"
    if schedule.T >= 1000:
        assert max(each.part for each in found.values()) >= TIGHT


@every_schedule
def test_every_coefficient_is_within_8_u_kappa(family, T):
    """Eq. schedules.alpha-bar, schedules.beta-between, posterior.mean, posterior.var: 50 digits."""
    want = reference(family, T)
    check(build(family, T), want, partial(exact.kappa, want))


@every_rescaled
def test_every_coefficient_at_zero_terminal_snr_is_within_8_u_kappa(family, T):
    """Eq. schedules.zero-terminal-snr, against the decimals before rescaling."""
    before = reference(family, T)
    want = exact.with_zero_terminal_snr(before)
    kappa = partial(exact.kappa_zero_terminal, before, want)
    check(build(family, T).with_zero_terminal_snr(), want, kappa)


@pytest.mark.parametrize(
    ("name", "T", "arguments"),
    [
        ("linear", 2, {"beta_1": 3e-5, "beta_T": 1e-4}),
        ("linear", 50, {"rescale": False}),
        ("linear", 50, {"beta_1": 0.3, "beta_T": 0.7, "rescale": False}),
        ("linear", 300, {"beta_1": 0.02, "beta_T": 1e-4}),
        ("cosine", 50, {"s": 0.0}),
        ("cosine", 50, {"s": 0.5, "max_beta": 0.1}),
        ("sigmoid", 50, {"start": 0.0, "end": 3.0, "tau": 0.7}),
        ("sigmoid", 50, {"start": -4.0, "end": -1.0, "tau": 1.1, "max_beta": 0.02}),
        ("sigmoid", 9, {"start": -30.0, "end": 30.0, "max_beta": 0.3}),
    ],
)
def test_arguments_match_the_papers_definitions(name, T, arguments):
    schedule, want = getattr(Schedule, name)(T, **arguments), getattr(exact, name)(T, **arguments)
    check(schedule, want, partial(exact.kappa, want))


# --- edges ----------------------------------------------------------------------------------------


@every_schedule
def test_t_0_is_data(family, T):
    schedule = build(family, T)
    for t in (0, torch.tensor([0, 0])):
        assert (schedule.alpha_bar(t) == 1).all()
        assert (schedule.one_minus_alpha_bar(t) == 0).all()
    assert schedule.T == T
    assert not schedule.has_zero_terminal_snr


@every_rescaled
def test_zero_terminal_snr_is_exact_at_both_ends(family, T):
    before = build(family, T)
    schedule = before.with_zero_terminal_snr()
    assert schedule.has_zero_terminal_snr
    assert schedule.alpha_bar(T) == 0
    assert schedule.one_minus_alpha_bar(T) == 1
    assert schedule.log_snr(T) == -math.inf
    assert schedule.beta(T) == 1
    for s in (0, T - 1):
        assert schedule.alpha(s, T) == 0
        assert schedule.beta_between(s, T) == 1
    assert torch.equal(
        schedule.log_alpha_bar[:2], before.log_alpha_bar[:2]
    )  # alpha_bar_1 is unchanged
    assert torch.equal(schedule.with_zero_terminal_snr().log_alpha_bar, schedule.log_alpha_bar)


def test_the_posterior_at_zero_terminal_snr_ignores_x_T():
    schedule = Schedule.cosine(10).with_zero_terminal_snr()
    x_0, x_t = torch.zeros(1, 1), torch.full((1, 1), 1e6)
    posterior = q_posterior(schedule, x_0, x_t, 9, 10)
    assert posterior.mean.item() == 0
    assert posterior.var.item() == schedule.one_minus_alpha_bar(9).float().item()


def test_linear_end_points_scale_with_1000_over_T():
    """The sum of betas, which sets alpha_bar_T, is the same for every T."""
    for T in (21, 50, 1000, 4000):
        beta = Schedule.linear(T).beta(torch.arange(1, T + 1))
        assert beta[0].item() == pytest.approx(1e-4 * 1000 / T, rel=1e-9)
        assert beta[-1].item() == pytest.approx(0.02 * 1000 / T, rel=1e-9)
        assert beta.sum().item() == pytest.approx(10.05, rel=1e-9)


def test_rescale_false_takes_linear_end_points_literally():
    beta = Schedule.linear(20, rescale=False).beta(torch.tensor([1, 20]))
    assert beta.tolist() == pytest.approx([1e-4, 0.02], rel=1e-12)


@pytest.mark.parametrize("name", ["cosine", "sigmoid"])
def test_max_beta_caps_only_the_last_betas(name):
    family, t = getattr(Schedule, name), torch.arange(1, 1001)
    free, tight = family(1000).beta(t), family(1000, max_beta=0.01).beta(t)
    assert free[-1].item() == pytest.approx(0.999, rel=1e-12)
    assert (free[:-1] < 0.999).all()
    assert tight.tolist() == pytest.approx(free.clamp(max=0.01).tolist(), rel=1e-9)


# --- a Schedule is a value ------------------------------------------------------------------------


def test_a_schedule_is_immutable_and_copies_its_table():
    table = torch.tensor([0.0, -1.0, -2.0], dtype=torch.float64, requires_grad=True)
    schedule = Schedule(table)
    with torch.no_grad():
        table[1] = -9
    schedule.alpha_bar(1).zero_()
    assert schedule.log_alpha_bar.tolist() == [0, -1, -2]
    assert not schedule.log_alpha_bar.requires_grad
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.log_alpha_bar = table


@pytest.mark.parametrize("name", ["alpha_bar", "one_minus_alpha_bar", "log_snr", "beta"])
def test_an_int_and_a_tensor_of_it_agree(name):
    quantity = getattr(Schedule.cosine(100), name)
    t = torch.tensor([7, 100, 7, 1])
    assert quantity(t).shape == (4,)
    assert quantity(7).shape == ()
    assert quantity(t).dtype == quantity(7).dtype == torch.float64
    assert quantity(t).tolist() == [quantity(each).item() for each in t.tolist()]


@pytest.mark.parametrize("name", ["alpha", "beta_between", "log_alpha"])
def test_a_pair_may_mix_an_int_and_a_tensor(name):
    quantity = getattr(Schedule.cosine(100), name)
    s, t = torch.tensor([3, 0, 49]), torch.tensor([50, 100, 50])
    assert quantity(s, 50).tolist() == [quantity(each, 50).item() for each in s.tolist()]
    assert quantity(2, t).tolist() == [quantity(2, each).item() for each in t.tolist()]
    assert quantity(s, t).tolist() == [
        quantity(*each).item() for each in zip(s.tolist(), t.tolist(), strict=True)
    ]


@every_schedule
def test_construction_is_deterministic_and_draws_no_random_numbers(family, T):
    state = torch.get_rng_state()
    again = FAMILIES[family][0](T)
    assert torch.equal(again.log_alpha_bar, build(family, T).log_alpha_bar)
    assert torch.equal(torch.get_rng_state(), state)
