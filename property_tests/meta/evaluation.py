"""Types for the evaluation of an implementation at one scalar of an equation."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..protocol import Array, Betas, Implementation, Times
from .pages import Values

FLOAT32 = 2.0**-24  # unit roundoff


class Point(NamedTuple):
    """A steep schedule, a pair of timesteps, and numbers that are exact in float32."""

    betas: Betas
    s: int
    t: int
    x_0: float
    x_t: float
    other: float
    n: int  # a small count, at least 2
    i: int  # below it


class Evaluation(NamedTuple):
    """The output of the implementation, and the values of the symbols of the equation."""

    got: tuple[float, ...]  # one number, or the mean and the variance of a distribution
    values: Values
    integers: dict[str, int] | None = None  # timesteps, indices and counts
    times: int = 1  # number of errors of 8 u kappa; kappa is 1 without a pair of timesteps
    absolute: float = 0.0  # an additional, derived rounding error
    s: int | None = None  # the earlier timestep, if it is not that of the point


Evaluator = Callable[[Implementation, Point], Evaluation]


def one(value: float) -> Array:
    return np.float64([value])


def at(timestep: int) -> Times:
    return np.array([timestep], np.int64)


def x(timestep: int) -> tuple[Any, ...]:
    return ("x", (timestep,), ())


def name(symbol: str, *index: int, given: tuple[int, ...] = ()) -> tuple[Any, ...]:
    return (symbol, index, given)
