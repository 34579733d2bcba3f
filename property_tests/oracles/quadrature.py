"""The law of a chain whose denoiser is no straight line: densities led from level to level."""

from itertools import pairwise

import numpy as np

from ..protocol import Array
from . import mixture
from .chains import Path, a_step

GRID = np.linspace(-12.0, 12.0, 3001)  # beyond 12 there is less than 1e-30 of a standard normal
SPACING = GRID[1] - GRID[0]


class Distribution:
    """P(x_0 <= x) of the chain on one-dimensional data, whose last step returns its guess.

    A step turns the density p of x_t into the integral of p times the normal density of x_s given
    x_t, a sum over the grid, which converges exponentially. The guess rises with the state, so
    that x_0 <= x is a half-line of the states before it.
    """

    def __init__(self, path: Path, data: mixture.Mixture) -> None:
        density = _normal(GRID, 1.0)
        for t, s in pairwise(path.times):
            guess = mixture.denoiser_of(path.betas, data, t)(GRID)
            if s == 0:
                break
            coef_x0, coef_xt, var = map(float, a_step(path, s, t))
            centres = coef_x0 * guess + coef_xt * GRID
            density = _normal(GRID[:, None] - centres, var) @ density * SPACING
        middles = (density[1:] + density[:-1]) / 2 * SPACING
        self.below = np.concatenate([[0.0], np.cumsum(middles)])
        self.guess = guess

    def __call__(self, x: Array) -> Array:
        return np.interp(x, self.guess, self.below)


def _normal(x: Array, var: float) -> Array:
    return np.exp(-(x**2) / (2 * var)) / np.sqrt(2 * np.pi * var)
