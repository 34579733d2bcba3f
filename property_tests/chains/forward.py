"""Simulation of the forward process by one-step kernels."""

import numpy as np

from ..protocol import Array, Betas


def simulate(betas: Betas, x: Array, s: int, t: int, rng: np.random.Generator) -> Array:
    """Return x_t given x_s, one step at a time."""
    for beta in betas[s:t]:
        x = np.sqrt(1 - beta) * x + np.sqrt(beta) * rng.standard_normal(x.shape)
    return x
