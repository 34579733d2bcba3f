"""Conversions that adapters of PyTorch libraries share: float32, images, indices and given noise.

The protocol has NumPy float64 arrays of any shape and timesteps from 1 to T; most libraries have
float32 images (batch, channels, height, width) and indices from 0. Nothing is computed here.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch

from ..protocol import Array, Times


def tensor(array: Array) -> torch.Tensor:
    """Return a float32 tensor of the same shape."""
    return torch.tensor(array, dtype=torch.float32)


def array(tensor: torch.Tensor) -> Array:
    """Return a float64 array of the same shape."""
    return tensor.detach().double().numpy()


def image(samples: Array) -> torch.Tensor:
    """Return samples of any shape as float32 images (batch, 1, 1, n)."""
    return tensor(samples).reshape(len(samples), 1, 1, -1)


def event(images: torch.Tensor, like: Array) -> Array:
    """Return images as float64 samples with the shape of `like`."""
    return array(images).reshape(like.shape)


def index(t: Times) -> torch.Tensor:
    """Return indices from 0; at t = 0, which has none, the call is declined."""
    if 0 in t:
        raise NotImplementedError("it has no timestep of the data")
    return torch.from_numpy(t - 1)


@contextmanager
def given_noise(noises: list[Array], *places: str) -> Iterator[None]:
    """Let the library draw these noises, as images, where it calls torch.randn_like.

    places: names for mock.patch of other functions that it draws with. What they are called with is
    ignored; a draw more than given raises IndexError.
    """
    remaining = [image(each) if each.ndim else tensor(each) for each in reversed(noises)]

    def draw(*arguments: Any, **named: Any) -> torch.Tensor:
        return remaining.pop()

    with ExitStack() as stack:
        for place in places or ("torch.randn_like",):
            stack.enter_context(mock.patch(place, draw))
        yield
