"""The variational bound on Gaussian data, from densities alone, in 60 digits.

What is averaged is a polynomial of degree 2 in standard normal numbers, for which the quadrature of
Gauss and Hermite with two nodes, -1 and 1, is exact. No closed form of a divergence stands here.
"""

from functools import lru_cache
from typing import NamedTuple

from ..protocol import Betas
from .exact import kernel, mp, mpf


class Law(NamedTuple):
    """N(mean, var) in one dimension."""

    mean: mpf
    var: mpf


class Affine(NamedTuple):
    """N(slope x_t + offset, var), a reverse step."""

    slope: mpf
    offset: mpf
    var: mpf

    def at(self, x_t: mpf) -> Law:
        return Law(self.slope * x_t + self.offset, self.var)


NODES = (mpf(-1), mpf(1))


def log_density(law: Law, x: mpf) -> mpf:
    return -(mp.log(2 * mp.pi * law.var) + (x - law.mean) ** 2 / law.var) / 2


def divergence(left: Law, right: Law) -> mpf:
    """E[log left - log right] under `left`."""
    places = [left.mean + mp.sqrt(left.var) * z for z in NODES]
    return sum(log_density(left, x) - log_density(right, x) for x in places) / 2


def entropy(law: Law) -> mpf:
    """E[-log law] under itself."""
    return -sum(log_density(law, law.mean + mp.sqrt(law.var) * z) for z in NODES) / 2


def mass(law: Law, low: mpf | None, high: mpf | None) -> mpf:
    """P(low < x < high), from the side on which it is small; None is infinity."""
    root = mp.sqrt(law.var)
    a = -mp.inf if low is None else (low - law.mean) / root
    b = mp.inf if high is None else (high - law.mean) / root
    a, b = (-b, -a) if a + b > 0 else (a, b)
    return mp.ncdf(b) - mp.ncdf(a)


def level(data: Law, betas: Betas, t: int) -> Law:
    """q(x_t)."""
    scale, var = kernel(betas, 0, t)
    return Law(scale * data.mean, scale**2 * data.var + var)


@lru_cache(maxsize=4096)
def exact_reverse(data: Law, betas: Betas, s: int, t: int) -> Affine:
    """q(x_s | x_t): the precisions of q(x_s) and of x_t as a measurement of x_s add up."""
    prior, (scale, var) = level(data, betas, s), kernel(betas, s, t)
    precision = 1 / prior.var + scale**2 / var
    return Affine(scale / var / precision, prior.mean / prior.var / precision, 1 / precision)


def levels_of_grey(count: int) -> list[float]:
    """The levels, evenly spread over [-1, 1], each cast once."""
    return [float(mpf(2) * k / (count - 1) - 1) for k in range(count)]
