"""Gaussian data x_0 ~ N(m, C) and the optimal denoiser, by Bayes' rule."""

from typing import NamedTuple

import numpy as np

from ..protocol import Array, Process
from . import exact


class MultivariateGaussian(NamedTuple):
    """A Gaussian distribution of the flattened sample."""

    mean: Array
    covariance: Array


class Affine(NamedTuple):
    """x -> matrix x + offset, on flattened samples."""

    matrix: Array
    offset: Array

    def __call__(self, x: Array) -> Array:
        flat = x.reshape(len(x), -1)
        return (flat @ self.matrix.T + self.offset).reshape(x.shape)


def denoiser(betas: Process, data: MultivariateGaussian, t: float) -> Affine:
    """Return E[x_0 | x_t] = m + K (x_t - scale m), K = C scale (scale^2 C + var I)^-1."""
    scale, var = (float(each) for each in exact.marginal(betas, t))
    spread = scale**2 * data.covariance + var * np.eye(len(data.mean))
    gain = scale * np.linalg.solve(spread, data.covariance).T
    return Affine(gain, data.mean - scale * gain @ data.mean)
