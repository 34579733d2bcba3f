"""Rows of inputs that can be taken apart and put together, and functions of such rows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, NamedTuple

import numpy as np

from ..protocol import NO_LABEL, Array, Autoencoder, Betas, Gaussian, Scale, Times
from ..strategies import STEEP

PAIRS = ((0, 1), (1, 2), (0, 4), (3, 4), (2, 3), (1, 4))  # of STEEP: s = 0, t = T and neither
VISITED = (4, 2, 1, 0)
BELOW = (3, 2, 1, 0)  # beginning below T
IMAGE = (6, 2, 2)  # channels, height, width: halves and thirds of the channels differ


class Inputs(NamedTuple):
    """A schedule and, for each row, a pair of timesteps, a label, numbers and arrays."""

    betas: Betas
    s: Times
    t: Times
    labels: Times
    weight: Array  # (rows,), above 0
    x: Array  # (rows, *event), as the others
    y: Array
    noise: Array
    fraction: Array  # in 0..1
    var: Array  # above 0
    grey: Array  # one of five grey levels

    def rows(self, which: Any) -> "Inputs":
        """Return these rows, as copies."""
        return Inputs(self.betas, *(each[which].copy() for each in self[1:]))

    def shaped(self, event: tuple[int, ...]) -> "Inputs":
        """Return the same rows with events of another shape."""
        arrays = (each.reshape(len(each), *event) for each in self[5:])
        return Inputs(*self[:5], *arrays)

    def first_of_each(self, size: int) -> "Inputs":
        """Return scalars: of `size` equal rows in turn, element 0 of the first, 1 of the next."""
        at = np.arange(len(self.t)), np.arange(len(self.t)) % size
        return Inputs(*self[:5], *(each.reshape(len(each), -1)[at] for each in self[5:]))


def inputs(event: tuple[int, ...] = IMAGE, betas: Betas = STEEP) -> Inputs:
    """Return six rows. Halves and quarters keep sums exact wherever the mathematics allows it."""
    s, t = np.array(PAIRS).T
    shape = (len(PAIRS), *event)
    k = np.arange(np.prod(shape)).reshape(shape)
    x, y, noise = ((each * k % 31 - 15) / 8.0 for each in (7, 11, 13))
    fraction, var = (5 * k % 9) / 8.0, 0.25 + (3 * k % 7) / 4.0
    labels, weight = np.array([2, 0, 7, 3, 9, 1]), 0.5 + np.arange(6.0)
    return Inputs(betas, s, t, labels, weight, x, y, noise, fraction, var, (k % 5 - 2) / 2.0)


def tape(c: Inputs) -> list[Array]:
    return [c.noise, c.y]


def twice(x: Array, y: Array) -> Array:
    """Return an array of twice the channels."""
    return np.concatenate([x, y], axis=1)


# --- functions that are arguments, row by row and element by element ------------------------------

Exchanged = list[tuple[str, Array, Array]]  # what it is, the array itself and a copy
_exchanged: list[Exchanged] = []


@contextmanager
def exchanged() -> Iterator[Exchanged]:
    """Record the arrays that these functions are given and return, each with a copy."""
    _exchanged.append([])
    try:
        yield _exchanged[-1]
    finally:
        _exchanged.pop()


_overwriting: list[bool] = []  # one entry inside `overwriting`, none in a function called there


@contextmanager
def overwriting() -> Iterator[None]:
    """Let these functions overwrite the arrays that they are given, once they have their output."""
    _overwriting.append(True)
    try:
        yield
    finally:
        _overwriting.pop()


def exchanging(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let `exchanged` record the arrays of this function, and `overwriting` write in them."""

    @wraps(function)
    def recorded(*arguments: Any) -> Any:
        outermost, _overwriting[:] = [*_overwriting], []
        output = function(*arguments)
        _overwriting[:] = outermost
        for each in arguments if outermost else ():
            if isinstance(each, np.ndarray) and each.flags.writeable:
                each[...] = -1
        parts = output if isinstance(output, tuple) else (output,)
        for record in _exchanged:
            for what, arrays in (("given to", arguments), ("returned by", parts)):
                record.extend(
                    (f"an array {what} {function.__name__}", each, each.copy())
                    for each in arrays
                    if isinstance(each, np.ndarray)
                )
        return output

    return recorded


@exchanging
def denoiser(x_t: Array, t: int) -> Array:
    return x_t / 2 + t


@exchanging
def conditional(x_t: Array, t: int | Times, labels: Times | None) -> Array:
    given = np.full(len(x_t), NO_LABEL) if labels is None else labels
    along = (-1, *[1] * (x_t.ndim - 1))
    at = t if isinstance(t, int) else np.reshape(t, along)
    return x_t * (0.25 + (given.reshape(along) + at) % 4) - x_t**2 / 8


def of_timesteps(x_t: Array, t: Times) -> Array:
    return conditional(x_t, t, None)


def network(x: Array, t: Times, labels: Times | None) -> Array:
    return conditional(x, t, labels)


@exchanging
def wide_network(x: Array, t: Times, labels: Times | None) -> Array:
    return twice(conditional(x, t, labels), x / 2)


@exchanging
def reverse(x_t: Array, s: Times, t: Times) -> Gaussian:
    along = (-1, *[1] * (x_t.ndim - 1))
    s, t = (np.broadcast_to(each, x_t.shape[:1]).reshape(along) for each in (s, t))
    return Gaussian(x_t / 2 + s, 0.25 + 0.125 * t + 0 * x_t)


@exchanging
def curved(x_t: Array, t: int) -> tuple[Array, Array]:
    """A prediction whose divergence depends on the sample, and its quadratic form on the probe.

    A row or column of its Jacobian has two entries, whose sum has the same bits in any order.
    """
    x = x_t.reshape(len(x_t), int(np.prod(x_t.shape[1:])))
    prediction = x / 2 - x**2 / 16 + np.roll(x, -1, 1) / 8
    one = np.eye(x.shape[1])
    jacobian = (0.5 - x / 8)[:, :, None] * one + np.roll(one, 1, 1) / 8
    return prediction.reshape(x_t.shape), jacobian


@exchanging
def encoder(x: Array) -> Array:
    return twice(x / 2, x / 4)


@exchanging
def decoder(z: Array) -> Array:
    return z * 2


def autoencoder(channels: int, shift: float = 0.5) -> Autoencoder:
    scale = Scale(shift + np.arange(channels), 2.0 ** np.arange(channels))
    return Autoencoder(encoder, decoder, scale)
