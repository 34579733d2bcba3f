"""The space that is diffused: pixels, or the latents of an autoencoder."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class View(Protocol):
    """How what is diffused becomes pictures."""

    @property
    def note(self) -> str:
        """What the colours of a sheet mean, and what its errors are of."""
        ...

    def state(self, x_t: Tensor) -> Tensor:
        """A noisy one."""
        ...

    def decode(self, x_0: Tensor) -> Tensor:
        """A clean one, or a guess of it."""
        ...


class Pixels:
    """They are pictures already."""

    note = "Fixed range [-1, 1], values outside clipped; magenta is not finite"

    def state(self, x_t: Tensor) -> Tensor:
        """As it is."""
        return x_t

    def decode(self, x_0: Tensor) -> Tensor:
        """As it is."""
        return x_0


PIXELS = Pixels()
