"""Hypothesis strategies: schedules, timesteps, shapes and inputs that are exact in every dtype."""

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from .protocol import Array, Betas, GaussianPath, Times


class Known(tuple[float, ...]):
    """Betas whose repr is a name, for readable failing examples, and whose hash is cached."""

    name: str

    @cached_property
    def cached_hash(self) -> int:
        return super().__hash__()

    def __hash__(self) -> int:  # the oracles look up their tables by the betas
        return self.cached_hash

    def __repr__(self) -> str:
        return self.name


def known(name: str, betas: Iterable[float]) -> Known:
    named = Known(betas)
    named.name = name
    return named


STEEP: Betas = (0.1, 0.5, 0.3, 0.8)  # short and uneven, so that off-by-one indices have an effect
PRODUCTION = known("PRODUCTION", np.linspace(1e-4, 0.02, 1000).tolist())  # Ho et al. (2020)
GENTLE = known("GENTLE", np.linspace(1e-4, 0.02, 30).tolist())  # the same range in 30 steps
LONG = (1000, 999, 940, 637, 500, 400, 256, 100, 51, 50, 20, 2, 1, 0)  # timesteps of PRODUCTION
EVENLY_SPACED = (4, 1, 0)  # timesteps of STEEP: a linspace of two steps, with unequal strides
DEGENERATE: Betas = (2.0**-40, 1 - 2.0**-20, 2.0**-40, 0.5)  # a step keeps all, or almost nothing
STEEP_GRID: tuple[Betas, ...] = (STEEP, (0.9, 0.2, 0.6), (0.05, 0.05), (0.5,) * 6)

# 2^-13 is Ho et al.'s smallest beta; beyond 7/8 a step keeps almost nothing.
betas = st.floats(2.0**-13, 0.875, width=32)
schedules = st.sampled_from([STEEP, GENTLE]) | st.lists(betas, min_size=1, max_size=8).map(tuple)
extremes = st.sampled_from([DEGENERATE, PRODUCTION])  # for single steps, not for entire samplers


def exact_in_half_precision(x: float) -> float:
    """Round a float16 number toward 0 to eight significant bits, as bfloat16 has.

    Below 2^-14, the smallest normal number of float16, it is 0.
    """
    bits = np.float16(x).view(np.uint16) & np.uint16(0xFFF8)
    return float(bits.view(np.float16)) if abs(x) >= 2.0**-14 else 0.0


# Images and standard normal noise, exact in every dtype, so that no rounding is the test's own.
numbers = st.floats(-4.0, 4.0, width=16).map(exact_in_half_precision)

# Batch == width on purpose: then a coefficient along the wrong axis raises no error.
shapes = st.sampled_from([(1,), (4,), (3, 3), (2, 2, 2, 2), (2, 1, 3)])


class Case(NamedTuple):
    """A schedule, timesteps s < t for each sample, and two arrays of samples."""

    betas: Betas
    s: Times
    t: Times
    first: Array
    second: Array


# Samples without axes, which a strategy may not draw in a short run.
SCALARS = Case(
    STEEP,
    np.array([0, 1, 0, 3]),
    np.array([1, 2, 3, 4]),
    np.array([0.5, -1.0, 2.0, 0.25]),
    np.array([1.0, 0.75, -0.5, -2.0]),
)

# 1 - alpha_bar is smallest here, and loses its digits if computed by subtraction.
EARLY = Case(
    GENTLE,
    np.array([0, 1, 0]),
    np.array([1, 2, 1]),
    np.array([0.0, 1.0, 1.0]),
    np.array([3.0, -1.0, 0.0]),
)


@st.composite
def cases(draw: st.DrawFn, lowest_t: int = 1) -> Case:
    """Draw cases with lowest_t <= t <= T; s is below t if t > 0."""
    schedule = draw(schedules | extremes)
    shape = draw(shapes)
    timestep = st.integers(lowest_t, len(schedule)) | st.just(len(schedule))  # T is an edge case
    t = [draw(timestep) for _ in range(shape[0])]
    s = [draw(st.integers(0, max(0, each - 1))) for each in t]
    first, second = (_event(draw, shape) for _ in range(2))
    return Case(schedule, np.array(s, np.int64), np.array(t, np.int64), first, second)


def _event(draw: st.DrawFn, shape: tuple[int, ...]) -> Array:
    size = int(np.prod(shape))
    values = draw(st.lists(numbers, min_size=size, max_size=size))
    return np.array(values, np.float64).reshape(shape)


@st.composite
def tables(draw: st.DrawFn) -> GaussianPath:
    """Draw a path with any unit and clock, forward or backward in time, with or without SNR 0.

    Where alpha falls and sigma grows, no digit is lost in alpha sigma_dot - alpha_dot sigma.
    """
    betas = draw(schedules)
    T, direction = len(betas), draw(st.sampled_from([1.0, -1.0]))
    units = [draw(st.floats(1 / 16, 64, width=16)) for _ in betas]
    signal = np.cumprod(1 - np.float64(betas))
    alpha, sigma = (np.sqrt(each) * units for each in (signal, 1 - signal))
    if T > 1 and draw(st.booleans()):
        alpha[-1] = 0.0
    dots = [[0.0, *(draw(st.floats(0.125, 4, width=16)) for _ in betas)] for _ in "as"]
    return GaussianPath(
        times=tuple(direction * t / 8 for t in range(T + 1)),
        alpha=(1.0, *alpha.tolist()),
        sigma=(0.0, *sigma.tolist()),
        alpha_dot=tuple(-direction * each for each in dots[0]),
        sigma_dot=tuple(direction * each for each in dots[1]),
    )


def straight(*times: float) -> GaussianPath:
    one = tuple(1.0 for _ in (0, *times))
    alpha = tuple(1.0 - each for each in (0.0, *times))
    return GaussianPath((0.0, *times), alpha, (0.0, *times), tuple(-each for each in one), one)


def exploding(*times: float) -> GaussianPath:
    one = tuple(1.0 for _ in (0, *times))
    return GaussianPath((0.0, *times), one, (0.0, *times), tuple(0.0 for _ in one), one)


TO_NOISE = straight(0.125, 0.5, 0.75, 1.0)
EDM = exploding(0.002, 0.5, 3.0, 80.0)
paths = st.sampled_from([TO_NOISE, EDM]) | tables()


@st.composite
def path_cases(draw: st.DrawFn, lowest_t: int = 1) -> Case:
    """Draw a path in place of betas, timesteps, and two arrays of samples."""
    path, case = draw(paths), draw(cases())
    t = np.array([draw(st.integers(lowest_t, len(path))) for _ in case.t], np.int64)
    s = np.array([draw(st.integers(0, max(0, each - 1))) for each in t], np.int64)
    return Case(path, s, t, case.first, case.second)
