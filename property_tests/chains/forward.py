"""The forward process, simulated by its one-step kernels alone."""

import numpy as np

from ..protocol import Array, Betas


def walk(betas: Betas, x: Array, s: int, t: int, rng: np.random.Generator) -> Array:
    """x_t from x_s, one step at a time."""
    for beta in betas[s:t]:
        x = np.sqrt(1 - beta) * x + np.sqrt(beta) * rng.standard_normal(x.shape)
    return x
