"""Data from a mixture of normal laws: the optimal denoiser, and the slope of log q(x_t).

Both are sums over the components in 60 digits. The denoiser weighs what each component says of x_0
by Bayes' rule; the slope differentiates the density of x_t, so that neither is made of the other.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..protocol import Array, Betas
from .exact import kernel, mp, mpf


class Component(NamedTuple):
    """N(mean, var), chosen with probability proportional to weight."""

    weight: float
    mean: float
    var: float


Mixture = tuple[Component, ...]

# Two narrow bumps and a wide one: no denoiser that is affine in x_t comes near.
BUMPS: Mixture = (Component(3, -1.0, 0.0625), Component(4, 0.5, 0.25), Component(1, 3.0, 1.0))


def denoiser(betas: Betas, data: Mixture, x_t: float, t: int) -> mpf:
    """E[x_0 | x_t]: precisions add within a component, densities of x_t weigh the components."""
    scale, var = kernel(betas, 0, t)
    total, mass = mpf(0), mpf(0)
    for each in data:
        prior, measured = 1 / mpf(each.var), scale**2 / var
        mean = (prior * each.mean + scale * mpf(x_t) / var) / (prior + measured)
        weight = _density(each, scale, var, mpf(x_t))
        total, mass = total + weight * mean, mass + weight
    return total / mass


def score(betas: Betas, data: Mixture, x_t: float, t: int) -> mpf:
    """d/dx log q(x_t), the sum of the slopes over the sum of the densities."""
    scale, var = kernel(betas, 0, t)
    slope, mass = mpf(0), mpf(0)
    for each in data:
        density = _density(each, scale, var, mpf(x_t))
        spread = scale**2 * mpf(each.var) + var
        slope, mass = slope - density * (mpf(x_t) - scale * each.mean) / spread, mass + density
    return slope / mass


def _density(each: Component, scale: mpf, var: mpf, x_t: mpf) -> mpf:
    """Of x_t under one component, times its weight; the factor 1 / sqrt(2 pi) is left out."""
    spread = scale**2 * mpf(each.var) + var
    return each.weight * mp.exp(-((x_t - scale * each.mean) ** 2) / (2 * spread)) / mp.sqrt(spread)


def denoiser_of(betas: Betas, data: Mixture, t: int) -> Callable[[Array], Array]:
    """The denoiser above in float64, for a whole array at once."""
    scale, var = (float(each) for each in kernel(betas, 0, t))
    weights, means, spreads = np.float64(data).T[..., None]
    total = scale**2 * spreads + var

    def guess(x_t: Array) -> Array:
        away = x_t.ravel() - scale * means
        logs = np.log(weights / np.sqrt(total)) - away**2 / (2 * total)
        share = np.exp(logs - logs.max(axis=0))
        each = means + scale * spreads / total * away
        return ((share * each).sum(axis=0) / share.sum(axis=0)).reshape(x_t.shape)

    return guess


def slope_of(betas: Betas, data: Mixture, t: int) -> Callable[[Array], Array]:
    """d x0_hat / d x_t of it: the scale over the noise's variance times what is left open of x_0.

    The variance of x_0 given x_t is the mean of those of the components and the spread of their
    means.
    """
    scale, var = (float(each) for each in kernel(betas, 0, t))
    weights, means, spreads = np.float64(data).T[..., None]
    total = scale**2 * spreads + var

    def slope(x_t: Array) -> Array:
        away = x_t.ravel() - scale * means
        logs = np.log(weights / np.sqrt(total)) - away**2 / (2 * total)
        share = np.exp(logs - logs.max(axis=0))
        share /= share.sum(axis=0)
        each = means + scale * spreads / total * away
        between = (share * (each - (share * each).sum(axis=0)) ** 2).sum(axis=0)
        inside = (share * spreads * var / total).sum(axis=0)
        return (scale / var * (between + inside)).reshape(x_t.shape)

    return slope


def log_density_of(betas: Betas, data: Mixture, t: int) -> Callable[[Array], Array]:
    """log q(x_t) in nats, number by number."""
    scale, var = (float(each) for each in kernel(betas, 0, t))
    weights, means, spreads = np.float64(data).T[..., None]
    total = scale**2 * spreads + var

    def log_density(x_t: Array) -> Array:
        away = x_t.ravel() - scale * means
        logs = np.log(weights / weights.sum() / np.sqrt(2 * np.pi * total)) - away**2 / (2 * total)
        most = logs.max(axis=0)
        return (most + np.log(np.exp(logs - most).sum(axis=0))).reshape(x_t.shape)

    return log_density
