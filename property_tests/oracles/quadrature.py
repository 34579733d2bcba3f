"""The output distribution of a sampler with a nonlinear denoiser, by propagating densities."""

from itertools import pairwise

import numpy as np

from ..protocol import Array
from . import mixture
from .chains import Path, step_coefficients

GRID = np.linspace(-12.0, 12.0, 3001)  # beyond 12 there is less than 1e-30 of a standard normal
SPACING = GRID[1] - GRID[0]


class Distribution:
    """P(x_0 <= x) for one-dimensional data, when the last step returns its prediction.

    A step maps the density p of x_t to the integral of p times the Gaussian density of x_s given
    x_t, a sum over the grid that converges exponentially. The prediction increases with the state,
    so x_0 <= x is a half-line of the preceding states.
    """

    def __init__(self, path: Path, data: mixture.Mixture) -> None:
        density = _gaussian_density(GRID, 1.0)
        for t, s in pairwise(path.times):
            prediction = mixture.denoiser_of(path.betas, data, t)(GRID)
            if s == 0:
                break
            coef_x0, coef_xt, var = map(float, step_coefficients(path, s, t))
            centres = coef_x0 * prediction + coef_xt * GRID
            density = _gaussian_density(GRID[:, None] - centres, var) @ density * SPACING
        middles = (density[1:] + density[:-1]) / 2 * SPACING
        self.below = np.concatenate([[0.0], np.cumsum(middles)])
        self.prediction = prediction

    def __call__(self, x: Array) -> Array:
        return np.interp(x, self.prediction, self.below)


def _gaussian_density(x: Array, var: float) -> Array:
    return np.exp(-(x**2) / (2 * var)) / np.sqrt(2 * np.pi * var)
