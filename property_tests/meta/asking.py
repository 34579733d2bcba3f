"""What it takes to ask an implementation for one scalar that an equation speaks of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..protocol import Array, Betas, Implementation, Times
from .pages import Values

FLOAT32 = 2.0**-24  # unit roundoff


class Point(NamedTuple):
    """A steep schedule, a pair of levels, and numbers that are exact in float32."""

    betas: Betas
    s: int
    t: int
    x_0: float
    x_t: float
    other: float
    n: int  # a small count, at least 2
    i: int  # below it


class Answer(NamedTuple):
    """What the implementation says, and what the symbols of the equation stand for."""

    got: tuple[float, ...]  # one number, or the mean and the variance of a law
    values: Values
    levels: dict[str, int] | None = None
    times: int = 1  # how many errors of 8 u kappa it adds up; kappa is 1 without a pair of levels
    absolute: float = 0.0  # what rounding may add beside them: derived where it is given
    s: int | None = None  # the earlier level, where it is not the point's


Ask = Callable[[Implementation, Point], Answer]


def one(value: float) -> Array:
    return np.float64([value])


def at(level: int) -> Times:
    return np.array([level], np.int64)


def x(level: int) -> tuple[Any, ...]:
    return ("x", (level,), ())


def name(symbol: str, *index: int, given: tuple[int, ...] = ()) -> tuple[Any, ...]:
    return (symbol, index, given)
