"""Time ladders: which levels a sampler visits on its way from T to 0, and in how many steps."""

from collections.abc import Callable, Mapping
from typing import Literal

import torch

from ddpm_core.schedules import Schedule

TimestepSpacing = Literal["trailing", "leading", "linspace", "log_snr"]


def trailing(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """T = t_N > ... > t_0 = 0 in `steps` near-equal strides, each the rounding of i T / steps.

    Eq. ancestral.ladder. The ladder ends at data and starts at T whatever the stride. Raises
    ValueError unless 1 <= steps <= T.
    """
    T = _check_steps(schedule, steps)
    return tuple((2 * i * T + steps) // (2 * steps) for i in range(steps, -1, -1))


def leading(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """1 + (i - 1) k for i = N..1 with the whole stride k = T // N, then 0: it starts below T.

    Eq. ddim.leading. Ladders of older libraries: the first level visited is T - k + 1 at most, so
    that a chain from pure noise starts with a little more noise than its level has.
    """
    stride = _check_steps(schedule, steps) // steps
    return (*range(1 + (steps - 1) * stride, 0, -stride), 0)


def linspace(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """T..1 in `steps` levels at near-equal distances, then 0: both T and 1 are visited.

    Eq. ddim.linspace. One step goes from T to 0.
    """
    T, gaps = _check_steps(schedule, steps), steps - 1
    if gaps == 0:
        return (T, 0)
    return (*((2 * i * (T - 1) + gaps) // (2 * gaps) + 1 for i in range(gaps, -1, -1)), 0)


def log_snr(schedule: Schedule, steps: int) -> tuple[int, ...]:
    """T..1 in `steps` levels at near-equal distances of log-SNR, then 0.

    Eq. ddim.even-log-snr and ddim.last-place. Each is the level nearest to its place, or the next
    free one below it where that is taken, or above it where too few are left below. A log-SNR of
    -inf at T is visited, and the distances are those from T - 1 on.
    """
    T = _check_steps(schedule, steps)
    levels = schedule.log_snr(torch.arange(1, T + 1))
    last = T if levels[-1].isfinite() else T - 1
    times = [T] * (T - last)
    gaps = steps - len(times) - 1
    for i in range(gaps + 1):
        wanted = levels[last - 1].lerp(levels[0], i / max(gaps, 1))
        nearest = int((levels - wanted).abs().argmin()) + 1
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
        raise TypeError(f"steps = {steps!r} is a {type(steps).__name__}; it is a number of steps")
    if not 1 <= steps <= schedule.T:
        raise ValueError(
            f"steps = {steps} is outside 1..{schedule.T}; a sampler visits each timestep at most "
            "once"
        )
    return schedule.T
