"""Gaussian data x_0 ~ N(m, C): the optimal denoiser, and the law of an ancestral chain with it.

The denoiser is Bayes' rule once more: prior N(m, C), measurement x_t. The chain's law is followed
step by step with the two coefficients that `exact.posterior` gets by adding precisions.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..protocol import Array, Betas
from . import exact


class Law(NamedTuple):
    """A Gaussian law of the flattened event."""

    mean: Array
    covariance: Array


class Affine(NamedTuple):
    """x -> matrix x + offset, on flattened events."""

    matrix: Array
    offset: Array

    def __call__(self, x: Array) -> Array:
        flat = x.reshape(len(x), -1)
        return (flat @ self.matrix.T + self.offset).reshape(x.shape)


def denoiser(betas: Betas, data: Law, t: int) -> Affine:
    """E[x_0 | x_t] = m + K (x_t - scale m), K = C scale (scale^2 C + var I)^-1."""
    scale, var = (float(each) for each in exact.kernel(betas, 0, t))
    spread = scale**2 * data.covariance + var * np.eye(len(data.mean))
    gain = scale * np.linalg.solve(spread, data.covariance).T
    return Affine(gain, data.mean - scale * gain @ data.mean)


def ancestral(betas: Betas, data: Law, times: tuple[int, ...], variance: str) -> Law:
    """The law at times[-1] = 0 of the chain from N(0, I) at times[0], all noise independent."""
    size = len(data.mean)
    mean, covariance = np.zeros(size), np.eye(size)
    for t, s in pairwise(times):
        coef_x0 = float(exact.posterior(betas, 1.0, 0.0, s, t).mean.exact)
        coef_xt, added = 0.0, 0.0
        if s > 0:
            back = exact.posterior(betas, 0.0, 1.0, s, t)
            coef_xt = float(back.mean.exact)
            added = float(back.var if variance == "fixed_small" else exact.kernel(betas, s, t).var)
        x0_hat = denoiser(betas, data, t)
        step = coef_x0 * x0_hat.matrix + coef_xt * np.eye(size)
        mean = step @ mean + coef_x0 * x0_hat.offset
        covariance = step @ covariance @ step.T + added * np.eye(size)
    return Law(mean, covariance)
