"""The variational bound on Gaussian data, computed from densities in 60 digits.

The averaged functions are polynomials of degree 2 in standard normal variables, for which
Gauss-Hermite quadrature with the two nodes -1 and 1 is exact.
No closed form of a divergence is used.
"""

from functools import lru_cache
from typing import NamedTuple

from ..protocol import Betas
from .exact import kernel, mp, mpf


class Gaussian(NamedTuple):
    """N(mean, var) in one dimension."""

    mean: mpf
    var: mpf


class Affine(NamedTuple):
    """N(slope x_t + offset, var): a reverse step."""

    slope: mpf
    offset: mpf
    var: mpf

    def at(self, x_t: mpf) -> Gaussian:
        return Gaussian(self.slope * x_t + self.offset, self.var)


NODES = (mpf(-1), mpf(1))


def log_density(gaussian: Gaussian, x: mpf) -> mpf:
    return -(mp.log(2 * mp.pi * gaussian.var) + (x - gaussian.mean) ** 2 / gaussian.var) / 2


def divergence(left: Gaussian, right: Gaussian) -> mpf:
    """Return KL(left || right), the mean of log left - log right under `left`."""
    nodes = [left.mean + mp.sqrt(left.var) * z for z in NODES]
    return sum(log_density(left, x) - log_density(right, x) for x in nodes) / 2


def entropy(gaussian: Gaussian) -> mpf:
    """Return the mean of -log density under the distribution itself."""
    return -sum(log_density(gaussian, gaussian.mean + mp.sqrt(gaussian.var) * z) for z in NODES) / 2


def mass(gaussian: Gaussian, low: mpf | None, high: mpf | None) -> mpf:
    """Return P(low < x < high), computed from the smaller tail; None means infinity."""
    root = mp.sqrt(gaussian.var)
    a = -mp.inf if low is None else (low - gaussian.mean) / root
    b = mp.inf if high is None else (high - gaussian.mean) / root
    a, b = (-b, -a) if a + b > 0 else (a, b)
    return mp.ncdf(b) - mp.ncdf(a)


def marginal(data: Gaussian, betas: Betas, t: int) -> Gaussian:
    """Return q(x_t) for Gaussian data."""
    scale, var = kernel(betas, 0, t)
    return Gaussian(scale * data.mean, scale**2 * data.var + var)


@lru_cache(maxsize=4096)
def exact_reverse(data: Gaussian, betas: Betas, s: int, t: int) -> Affine:
    """Return q(x_s | x_t): the precisions of q(x_s) and of x_t, as a measurement of x_s, add."""
    prior, (scale, var) = marginal(data, betas, s), kernel(betas, s, t)
    precision = 1 / prior.var + scale**2 / var
    return Affine(scale / var / precision, prior.mean / prior.var / precision, 1 / precision)


def grey_level_values(count: int) -> list[float]:
    """Return the grey levels, evenly spaced over [-1, 1], each rounded once."""
    return [float(mpf(2) * k / (count - 1) - 1) for k in range(count)]
