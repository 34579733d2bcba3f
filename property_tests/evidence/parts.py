"""The parts of an output, such as mean and variance, beside those of our implementation."""

from typing import Any, NamedTuple

import numpy as np

from ..oracles.table import FLOAT32
from ..protocol import Array
from ..protocol.shapes import fields_of
from .evidence import Evidence

HALF = FLOAT32**0.5  # half of the digits of float32


class Part(NamedTuple):
    """One part of an output, such as the variance of q_posterior, and the exact one."""

    name: str
    got: Array
    exact: Array

    @property
    def wrong(self) -> Array:
        """Which elements have fewer than half of their digits."""
        size = np.maximum(np.abs(self.exact), HALF * np.abs(self.exact).max(initial=0.0))
        return ~(np.abs(self.got - self.exact) <= HALF * size)

    def sentence(self) -> str:
        """Say how many elements differ, and by how much at most."""
        wrong = self.wrong
        if not wrong.any():
            return f"{self.name} is correct, except for its last digits"
        error = np.where(wrong, np.abs(self.got - self.exact), 0.0)
        at = tuple(map(int, np.unravel_index(int(error.argmax()), error.shape)))
        got, exact = float(self.got[at]), float(self.exact[at])
        return (
            f"{self.name} differs in {int(wrong.sum())} of {wrong.size} elements, most at {at}: "
            f"got {got:.6g}, exact {exact:.6g}"
        )


def parts_of(seen: Evidence, name: str) -> list[Part]:
    """Return the parts of the shown output of a method; none if ours raises or has other shapes."""
    arguments, named, output = seen.shown[name]
    exact = arrays(output_of(ours(), name, arguments, named))
    got, fields = arrays(output), fields_of(name, arguments, named)
    if [each.shape for each in got] != [each.shape for each in exact]:
        return []
    options = [each for each in (_option(argument) for argument in arguments) if each]
    call = f"{name}({', '.join(options)})" if options else name
    names = [f"{call}: {field}" for field, _ in fields]
    return [Part(*each) for each in zip(names, got, exact, strict=True)]


def _option(argument: Any) -> str:
    """Return the option that an argument is, such as a sampler; "" for all others."""
    return argument if isinstance(argument, str) else getattr(argument, "sampler", "")


def output_of(implementation: Any, name: str, arguments: tuple[Any, ...], named: dict) -> Any:
    try:
        return getattr(implementation, name)(*arguments, **named)
    except Exception:  # a bug that raises does not give this output
        return ()


def arrays(output: Any) -> list[Array]:
    """Return the parts of an output; none if it has parts that are no numbers."""
    parts = output if isinstance(output, tuple) else (output,)
    try:
        return [np.asarray(each, np.float64) for each in parts]
    except (TypeError, ValueError):
        return []


def ours() -> Any:
    """Return our adapter, which needs torch; the implementation under test need not."""
    from ..adapters.ddpm_core import DdpmCore

    return DdpmCore()
