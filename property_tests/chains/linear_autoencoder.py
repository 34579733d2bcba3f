"""An invertible linear autoencoder, z = W x with integer weights."""

import numpy as np

from ..protocol import Array, Autoencoder, Scale

ENCODE, DECODE = np.float64([[[2, 1], [1, 1]], [[1, -1], [-1, 2]]])  # inverse to each other
SCALE = Scale(np.float64([0.75, -2.0]), np.float64([0.5, 3.0]))
LOG_VARS = np.float64([-1.0, 0.5])  # per channel


def mix_channels(weights: Array, x: Array) -> Array:
    return np.einsum("ij,bj...->bi...", weights, x)


def linear_autoencoder(scale: Scale = SCALE, log_vars: Array = LOG_VARS) -> Autoencoder:
    def encoder(x: Array) -> Array:
        mean = mix_channels(ENCODE, x)
        return np.concatenate([mean, per_channel(log_vars, mean) + 0 * mean], axis=1)

    return Autoencoder(encoder, lambda z: mix_channels(DECODE, z), scale)


def per_channel(values: Array, like: Array) -> Array:
    """Reshape (channels,) to broadcast along the second axis."""
    return values.reshape(-1, *[1] * (like.ndim - 2))


def identity_encoder(x: Array) -> Array:
    """Return the moments of an encoder with mean x and almost no variance."""
    return np.concatenate([x, 0 * x - 60], axis=1)
