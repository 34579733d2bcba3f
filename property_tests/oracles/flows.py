"""The probability flow: Heun's method for an affine prediction, in 60 digits.

In units of the noise-to-scale ratio r, and states divided by their scale, u' = eps_hat with eps_hat
= (u - x0_hat) / r. The log volume grows with the divergence of u'.
"""

from itertools import pairwise
from typing import NamedTuple

from ..protocol import Betas
from .exact import kernel, mp, mpf


class Line(NamedTuple):
    """x0_hat = slope x_t + offset."""

    slope: float
    offset: float


class Value(NamedTuple):
    """An exact number and its size, the sum of its absolute terms."""

    exact: mpf
    size: mpf


class FlowEnd(NamedTuple):
    """The end state and the log volume factor of one scalar."""

    x_T: Value
    log_volume: Value


def integrate(betas: Betas, times: tuple[int, ...], lines: dict[int, Line], x_1: float) -> FlowEnd:
    """Integrate from the smallest time above 0 up to times[0]; lines[t] is the prediction at t."""
    path = [t for t in reversed(times) if t > 0]
    scale, _ = kernel(betas, 0, path[0])
    at, size = mpf(x_1) / scale, abs(mpf(x_1)) / scale
    volume, spread = mpf(0), mpf(0)
    for s, t in pairwise(path):
        step = _ratio(betas, t) - _ratio(betas, s)
        start, start_size, opens = _slope(betas, lines[s], s, at, size)
        there, there_size = at + step * start, size + step * start_size
        end, end_size, opens_at_end = _slope(betas, lines[t], t, there, there_size)
        at = at + step * (start + end) / 2
        size = size + step * (start_size + end_size) / 2
        log_scale = mp.log(kernel(betas, s, t).scale)
        volume += log_scale + step * (opens.exact + opens_at_end.exact) / 2
        spread += abs(log_scale) + step * (opens.size + opens_at_end.size) / 2
    scale, _ = kernel(betas, 0, path[-1])
    return FlowEnd(Value(scale * at, scale * size), Value(volume, spread))


def _ratio(betas: Betas, t: int) -> mpf:
    scale, var = kernel(betas, 0, t)
    return mp.sqrt(var) / scale


def _slope(betas: Betas, line: Line, t: int, at: mpf, size: mpf) -> tuple[mpf, mpf, Value]:
    """Return eps_hat, its size, and d eps_hat / du."""
    scale, r = kernel(betas, 0, t).scale, _ratio(betas, t)
    slope, offset = mpf(line.slope) * scale, mpf(line.offset)
    eps = ((1 - slope) * at - offset) / r
    return (
        eps,
        ((1 + abs(slope)) * size + abs(offset)) / r,
        Value((1 - slope) / r, (1 + abs(slope)) / r),
    )
