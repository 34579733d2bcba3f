"""Exact schedules and timestep spacings."""

from fractions import Fraction
from math import floor
from typing import Any

import numpy as np

from ...options.denoisers import Bounded
from ...oracles import exact, schedules
from ...oracles.exact import kappa, mp, mpf, positive
from ...protocol import Array, Betas, Times
from ...statistics.tolerances import allowance
from .elements import Answers, At, at_pairs, each, within
from .trajectories import certain


def _table(numbers: schedules.Table, noise: bool = False) -> Answers:
    """Return alpha_bar_t or 1 - alpha_bar_t at t = 0..T."""

    def answer(at: At) -> Bounded:
        kappa = schedules.kappa(numbers, 0, at[0]) if at[0] else 0
        return within(positive(1 - numbers[at[0]] if noise else numbers[at[0]]), mpf(kappa))

    return each(numbers, answer)


def alpha_bar(betas: Betas) -> Answers:
    every = np.arange(len(betas) + 1)
    return at_pairs(
        betas,
        0 * every,
        every,
        every,
        lambda _, s, t: positive(exact.kernel(betas, 0, t).scale ** 2),
    )


def schedule(name: str, T: int) -> Answers:
    return _table(getattr(schedules, name)(T))


def shaped_schedule(name: str, T: int, shape: dict[str, Any]) -> tuple[Answers, ...]:
    signal = getattr(schedules, name)(T, **shape)
    return _table(signal), _table(signal, noise=True)


def betas(alpha_bar: Array) -> Answers:
    table = schedules.from_alpha_bar(alpha_bar.tolist())

    def answer(at: At) -> Bounded:
        t = at[0] + 1
        beta = positive(1 - table[t] / table[t - 1])
        return within(beta, mpf(schedules.kappa(table, t - 1, t)))

    return each(alpha_bar, answer)


def log_snr(betas: Betas, t: Times) -> Answers:
    def answer(at: At) -> Bounded:
        scale, var = exact.kernel(betas, 0, int(t[at]))
        signal, noise = 2 * mp.log(scale), mp.log(var)
        error = allowance(1.0, kappa(betas, 0, int(t[at]))) + 3 * (abs(signal) + abs(noise))
        return Bounded(signal - noise, error)

    return each(t, answer)


def zero_terminal_snr(betas: Betas) -> Answers:
    before = schedules.from_betas(betas)
    after = schedules.with_zero_terminal_snr(before)

    def answer(at: At) -> Bounded:
        if at[0] in (0, len(betas)):
            return certain(after[at[0]])
        factor = schedules.kappa_zero_terminal(before, after, 0, at[0])
        return within(positive(after[at[0]]), mpf(factor))

    return each(after, answer)


def timestep_spacing(name: str, betas: Betas, steps: int) -> Answers:
    T, gaps = len(betas), max(steps - 1, 1)
    match name:
        case "trailing":
            times = [_nearest(Fraction(i * T, steps)) for i in range(1, steps + 1)]
        case "linspace":
            times = [_nearest(T - Fraction((T - 1) * i, gaps)) for i in reversed(range(steps))]
        case "leading":
            times = [1 + i * (T // steps) for i in range(steps)]
        case _:
            table = schedules.from_betas(betas)
            log_snr = [schedules.log_snr(table, t) for t in range(1, T + 1)]
            rise = (log_snr[0] - log_snr[-1]) / gaps
            targets = [log_snr[-1] + rise * i for i in reversed(range(steps))]
            times = [1 + int(np.argmin([abs(x - y) for x in log_snr])) for y in targets]
    assert sorted({*times}) == times, "a case in which two targets have one nearest timestep"
    return each([0, *times], lambda at: certain([0, *times][::-1][at[0]]))


def _nearest(x: Fraction) -> int:
    assert x.denominator != 2, "a tie, which implementations decide differently"
    return floor(x + Fraction(1, 2))
