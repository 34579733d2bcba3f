"""Data from a Gaussian mixture: the optimal denoiser and the score of x_t.

Both are sums over the components in 60 digits. The denoiser weights the posterior means of the
components by Bayes' rule; the score differentiates the density of x_t. Neither uses the other.
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

# Two narrow components and a wide one: no affine denoiser is close.
BUMPS: Mixture = (Component(3, -1.0, 0.0625), Component(4, 0.5, 0.25), Component(1, 3.0, 1.0))


def denoiser(betas: Betas, data: Mixture, x_t: float, t: int) -> mpf:
    """Return E[x_0 | x_t]; the densities of x_t weight the components' posterior means."""
    scale, var = kernel(betas, 0, t)
    total, mass = mpf(0), mpf(0)
    for each in data:
        prior, measured = 1 / mpf(each.var), scale**2 / var
        mean = (prior * each.mean + scale * mpf(x_t) / var) / (prior + measured)
        weight = _density(each, scale, var, mpf(x_t))
        total, mass = total + weight * mean, mass + weight
    return total / mass


def score(betas: Betas, data: Mixture, x_t: float, t: int) -> mpf:
    """Return d/dx log q(x_t): the sum of the derivatives over the sum of the densities."""
    scale, var = kernel(betas, 0, t)
    slope, mass = mpf(0), mpf(0)
    for each in data:
        density = _density(each, scale, var, mpf(x_t))
        spread = scale**2 * mpf(each.var) + var
        slope, mass = slope - density * (mpf(x_t) - scale * each.mean) / spread, mass + density
    return slope / mass


def _density(each: Component, scale: mpf, var: mpf, x_t: mpf) -> mpf:
    """Return the weighted density of x_t under one component, without the factor 1 / sqrt(2 pi)."""
    spread = scale**2 * mpf(each.var) + var
    return each.weight * mp.exp(-((x_t - scale * each.mean) ** 2) / (2 * spread)) / mp.sqrt(spread)


def denoiser_of(betas: Betas, data: Mixture, t: int) -> Callable[[Array], Array]:
    """Return the denoiser above in float64, for arrays."""
    scale, var = (float(each) for each in kernel(betas, 0, t))
    weights, means, spreads = np.float64(data).T[..., None]
    total = scale**2 * spreads + var

    def predict(x_t: Array) -> Array:
        away = x_t.ravel() - scale * means
        logs = np.log(weights / np.sqrt(total)) - away**2 / (2 * total)
        weight = np.exp(logs - logs.max(axis=0))
        each = means + scale * spreads / total * away
        return ((weight * each).sum(axis=0) / weight.sum(axis=0)).reshape(x_t.shape)

    return predict


def slope_of(betas: Betas, data: Mixture, t: int) -> Callable[[Array], Array]:
    """Return d x0_hat / d x_t of the denoiser: scale / var times the variance of x_0 given x_t.

    The variance of x_0 given x_t is the mean of the components' variances plus the variance of
    their means.
    """
    scale, var = (float(each) for each in kernel(betas, 0, t))
    weights, means, spreads = np.float64(data).T[..., None]
    total = scale**2 * spreads + var

    def slope(x_t: Array) -> Array:
        away = x_t.ravel() - scale * means
        logs = np.log(weights / np.sqrt(total)) - away**2 / (2 * total)
        weight = np.exp(logs - logs.max(axis=0))
        weight /= weight.sum(axis=0)
        each = means + scale * spreads / total * away
        between = (weight * (each - (weight * each).sum(axis=0)) ** 2).sum(axis=0)
        inside = (weight * spreads * var / total).sum(axis=0)
        return (scale / var * (between + inside)).reshape(x_t.shape)

    return slope


def log_density_of(betas: Betas, data: Mixture, t: int) -> Callable[[Array], Array]:
    """Return log q(x_t) in nats, elementwise."""
    scale, var = (float(each) for each in kernel(betas, 0, t))
    weights, means, spreads = np.float64(data).T[..., None]
    total = scale**2 * spreads + var

    def log_density(x_t: Array) -> Array:
        away = x_t.ravel() - scale * means
        logs = np.log(weights / weights.sum() / np.sqrt(2 * np.pi * total)) - away**2 / (2 * total)
        most = logs.max(axis=0)
        return (most + np.log(np.exp(logs - most).sum(axis=0))).reshape(x_t.shape)

    return log_density
