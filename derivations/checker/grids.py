"""Integrals of what decays as a Gaussian does, in 60 digits."""

from collections.abc import Callable
from typing import Any

from mpmath import MPContext

from .evaluate import Unsaid

mp = MPContext()  # a context of its own: nobody else's precision is touched
mp.dps = 60
mpf = mp.mpf
DIGITS = 45  # of 60: what a chain of a few hundred roundings and a grid leave with a wide margin


def normal(x: Any, mean: Any, variance: Any) -> Any:
    """The density of N(mean, variance)."""
    return mp.exp(log_normal(x, mean, variance))


def log_normal(x: Any, mean: Any, variance: Any) -> Any:
    if variance <= 0:
        raise Unsaid("the density of a point")
    return -((x - mean) ** 2) / (2 * variance) - mp.log(2 * mp.pi * variance) / 2


def over_the_line(integrand: Callable[[Any], Any]) -> Any:
    """The integral of what decays as a Gaussian does."""
    return sum(share for _, share in settled_grid(integrand))


def settled_grid(integrand: Callable[[Any], Any], reach: int = 26) -> list[tuple[Any, Any]]:
    """(place, share of the integral) by the trapezoidal rule, its step halved until the sum stands.

    For integrands of Gaussian decay its error falls as exp(-c / step^2): two grids that agree to
    48 digits have arrived, and the finer of them is returned.
    """
    step = mpf(1) / 4
    points = [(step * k, integrand(step * k)) for k in range(-4 * reach, 4 * reach + 1)]
    for _ in range(7):
        step /= 2
        count = int(reach / step)
        between = [(step * k, integrand(step * k)) for k in range(-count + 1, count, 2)]
        before, added = (sum(value for _, value in each) for each in (points, between))
        points += between
        if abs(before - added) <= abs(before) * mpf(10) ** -(DIGITS + 3) + mpf(10) ** -58:
            return [(place, step * value) for place, value in points]
    raise Unsaid("an integral that does not settle")
