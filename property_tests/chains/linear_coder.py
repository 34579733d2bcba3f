"""An autoencoder that turns channels into others: z = W x, which whole numbers undo."""

import numpy as np

from ..protocol import Array, Coder, Scale

FORTH, BACK = np.float64([[[2, 1], [1, 1]], [[1, -1], [-1, 2]]])
SCALE = Scale(np.float64([0.75, -2.0]), np.float64([0.5, 3.0]))
LOG_VARS = np.float64([-1.0, 0.5])  # of each channel


def mixed(weights: Array, x: Array) -> Array:
    return np.einsum("ij,bj...->bi...", weights, x)


def linear_coder(scale: Scale = SCALE, log_vars: Array = LOG_VARS) -> Coder:
    def encoder(x: Array) -> Array:
        mean = mixed(FORTH, x)
        said = along(log_vars, mean) + 0 * mean
        return np.concatenate([mean, said], axis=1)

    return Coder(encoder, lambda z: mixed(BACK, z), scale)


def along(values: Array, like: Array) -> Array:
    """(channels,) along the second axis."""
    return values.reshape(-1, *[1] * (like.ndim - 2))


def certain(x: Array) -> Array:
    """An encoder that says x, with next to no doubt."""
    return np.concatenate([x, 0 * x - 60], axis=1)
