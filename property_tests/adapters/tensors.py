"""What adapters of PyTorch libraries share: float32 arrays, images, indices and given noise.

The protocol has NumPy float64 arrays of any shape and timesteps from 1 to T; most libraries have
float32 images (batch, channels, height, width) and indices from 0. Nothing is computed here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch

from ..protocol import Array, Times

FLOAT32 = float(np.finfo(np.float32).epsneg)


def tensor(array: Array) -> torch.Tensor:
    return torch.tensor(array, dtype=torch.float32)


def image(array: Array) -> torch.Tensor:
    """Return (batch, 1, 1, elements), the four axes of a batch of images."""
    return tensor(array).reshape(len(array), 1, 1, -1)


def array(of: torch.Tensor) -> Array:
    return of.detach().double().numpy()


def network_output(interpolation: Array) -> torch.Tensor:
    """Return an interpolation from 0 to 1 in the units of a network's output, from -1 to 1."""
    return torch.lerp(torch.tensor(-1.0), torch.tensor(1.0), tensor(interpolation))


def event(of: torch.Tensor, shape: tuple[int, ...]) -> Array:
    """Return an image in the shape of the sample that it was made from."""
    return array(of).reshape(shape)


def row(of: Array, i: int) -> Array:
    return of[i : i + 1]


def index(t: Times) -> torch.Tensor:
    """Return timesteps t as indices t - 1 of tables that begin with the first noisy timestep."""
    if 0 in t:
        raise NotImplementedError("its tables have no timestep of the data")
    return torch.from_numpy(t - 1)


def times_of(indices: torch.Tensor) -> tuple[int, ...]:
    """Return the timesteps of a sampling trajectory, data included."""
    return (*(int(each) + 1 for each in indices), 0)


def every_timestep(T: int) -> tuple[int, ...]:
    return tuple(reversed(range(T + 1)))


def only_one_step(strided: object) -> None:
    """Decline a call with a step that the release does not have."""
    if strided:
        raise NotImplementedError("its steps go from t to t - 1 only")


@contextmanager
def tape(noises: list[torch.Tensor], *names: str) -> Iterator[None]:
    """Let these functions of torch return the given noise in order, then noise of their own."""
    remaining = list(reversed(noises))

    def taped(draw: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        return lambda *given, **named: remaining.pop() if remaining else draw(*given, **named)

    with mock.patch.multiple("torch", **{name: taped(getattr(torch, name)) for name in names}):
        yield


@contextmanager
def recorded(name: str) -> Iterator[list[torch.Tensor]]:
    """Yield a list to which this function of torch appends what it returns."""
    drawn: list[torch.Tensor] = []
    draw = getattr(torch, name)

    def recording(*given: Any, **named: Any) -> torch.Tensor:
        drawn.append(draw(*given, **named))
        return drawn[-1]

    with mock.patch.object(torch, name, recording):
        yield drawn


def no_progress_bar(steps: Any, **named: Any) -> Any:
    """Stand in for tqdm, so that a run prints nothing."""
    return steps
