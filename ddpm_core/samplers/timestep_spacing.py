"""Timestep spacings: which timesteps a sampler uses, and in what order."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch

from ddpm_core.schedules import Schedule

TimestepSpacing = Literal["trailing", "leading", "linspace", "log_snr"]


def trailing(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Return T = t_N > ... > t_0 = 0 at nearly equal distances, each i T / steps rounded.

    Eq. ancestral.ladder. It starts at T and ends at data for any number of steps. Raises ValueError
    unless 1 <= steps <= T.
    """
    T = _check_steps(schedule, steps)
    return tuple((2 * i * T + steps) // (2 * steps) for i in range(steps, -1, -1))


def leading(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Return 1 + (i - 1) k for i = N..1, with the integer stride k = T // N, then 0.

    Eq. ddim.leading, as in older libraries: it starts below T, at T - k + 1 or less, so sampling
    from pure noise starts with slightly more noise than that timestep has.
    """
    stride = _check_steps(schedule, steps) // steps
    return (*range(1 + (steps - 1) * stride, 0, -stride), 0)


def linspace(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Return `steps` timesteps from T to 1 at nearly equal distances, then 0.

    Eq. ddim.linspace. One step goes from T to 0.
    """
    T, gaps = _check_steps(schedule, steps), steps - 1
    if gaps == 0:
        return (T, 0)
    return (*((2 * i * (T - 1) + gaps) // (2 * gaps) + 1 for i in range(gaps, -1, -1)), 0)


def log_snr(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """Return `steps` timesteps from T to 1 at nearly equal distances of log-SNR, then 0.

    Eq. ddim.even-log-snr and ddim.last-place. Each is the timestep nearest to its target; if that
    is taken, the next free one below, or above if too few are left below. At zero terminal SNR, T
    is followed by equal distances from T - 1 on.
    """
    T = _check_steps(schedule, steps)
    log_snrs = schedule.log_snr(torch.arange(1, T + 1, device="cpu"))
    last = T if log_snrs[-1].isfinite() else T - 1
    times = [T] * (T - last)
    gaps = steps - len(times) - 1
    for i in range(gaps + 1):
        wanted = log_snrs[last - 1].lerp(log_snrs[0], i / max(gaps, 1))
        nearest = int((log_snrs - wanted).abs().argmin()) + 1
        free = times[-1] - 1 if times else T
        times.append(max(min(nearest, free), steps - len(times)))
    return (*times, 0)


TIMESTEP_SPACINGS: Mapping[TimestepSpacing, Callable[[Schedule, int], tuple[int, ...]]] = {
    "trailing": trailing,
    "leading": leading,
    "linspace": linspace,
    "log_snr": log_snr,
}


def _check_steps(schedule: Schedule, steps: int) -> int:
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise TypeError(f"steps = {steps!r} is a {type(steps).__name__}; it must be an int")
    if not 1 <= steps <= schedule.T:
        raise ValueError(
            f"steps = {steps} is outside 1..{schedule.T}; each timestep is used at most once"
        )
    return schedule.T
