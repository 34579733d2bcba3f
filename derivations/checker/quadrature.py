"""Quadrature of integrands with Gaussian decay, in 60 digits."""

from collections.abc import Callable
from typing import Any

from mpmath import MPContext

from .evaluate import Undefined

mp = MPContext()  # a private context, so that the precision of other users does not change
mp.dps = 60
mpf = mp.mpf
DIGITS = 45  # of 60: a wide margin for the rounding of a few hundred steps and of a grid


def gaussian_density(x: Any, mean: Any, variance: Any) -> Any:
    """Return the density of N(mean, variance) at x."""
    return mp.exp(gaussian_log_density(x, mean, variance))


def gaussian_log_density(x: Any, mean: Any, variance: Any) -> Any:
    if variance <= 0:
        raise Undefined("a density with zero variance")
    return -((x - mean) ** 2) / (2 * variance) - mp.log(2 * mp.pi * variance) / 2


def integrate(integrand: Callable[[Any], Any]) -> Any:
    """Integrate a function with Gaussian decay over the real line."""
    return sum(weight for _, weight in converged_grid(integrand))


def converged_grid(integrand: Callable[[Any], Any], reach: int = 26) -> list[tuple[Any, Any]]:
    """Return (node, weighted value) pairs of the trapezoidal rule with a small enough step.

    The step is halved until two grids agree to 48 digits; the finer one is returned. For integrands
    of Gaussian decay the error falls as exp(-c / step^2), so that agreement means convergence.
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
            return [(node, step * value) for node, value in points]
    raise Undefined("an integral that does not converge")
