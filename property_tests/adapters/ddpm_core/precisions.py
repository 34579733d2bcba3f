"""Part of our adapter: samples in other dtypes than float64, and gradients."""

import functools
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ...protocol import Array
from ...protocol.precisions import Differentiated
from .arrays import Working, in_float64, recording, working


class Precisions:
    """Methods of `protocol.Implementation` on dtypes and gradients."""

    def in_precision(self, *names: str) -> Any:
        return InPrecision(self, [getattr(torch, name) for name in names])

    def gives_plain_numbers(self, method: str, arguments: tuple[Any, ...]) -> bool:
        how = recording()
        with working(how):
            getattr(self, method)(*arguments)
        return True not in {each.requires_grad or each.is_inference() for each in how.outputs}

    def differentiate(
        self, method: str, arguments: tuple[Any, ...], cotangents: list[Array]
    ) -> Differentiated:
        how = recording()
        with working(how):
            getattr(self, method)(*arguments)
        inputs = _in_order(how, arguments)
        outputs = [in_float64(each) for each in how.outputs]
        weighted = [*how.outputs, *how.passed][: len(cotangents)]
        flowing = [
            (y, torch.from_numpy(weight).to(y.dtype))
            for y, weight in zip(weighted, cotangents, strict=True)
            if y.requires_grad
        ]
        if flowing == []:
            return Differentiated(outputs, [np.zeros(each.shape) for each in inputs])
        ys, directions = zip(*flowing, strict=True)
        found = torch.autograd.grad(
            ys, inputs, directions, allow_unused=True, materialize_grads=True
        )
        return Differentiated(outputs, [in_float64(each) for each in found])


def _in_order(how: Working, arguments: tuple[Any, ...]) -> list[torch.Tensor]:
    """Return the recorded samples: those of the arguments in their order, then all others."""
    inputs, found = list(how.inputs), []
    for argument in _arrays_in(arguments):
        at = next((i for i, (array, _) in enumerate(inputs) if array is argument), None)
        if at is not None:
            found.append(inputs.pop(at)[1])
    return [*found, *(each for _, each in inputs)]


def _arrays_in(argument: Any) -> Iterator[Array]:
    if isinstance(argument, tuple | list):
        for each in argument:
            yield from _arrays_in(each)
    elif isinstance(argument, np.ndarray):
        yield argument


class InPrecision:
    """The adapter `inner` with samples of other dtypes, in turn."""

    def __init__(self, inner: Any, dtypes: list[torch.dtype]) -> None:
        self._inner, self._dtypes = inner, dtypes

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        @functools.wraps(method)
        def converted(*arguments: Any, **named: Any) -> Any:
            with working(Working(itertools.cycle(self._dtypes))):
                return method(*arguments, **named)

        return converted if callable(method) else method
