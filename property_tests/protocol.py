"""The surface under test: the mathematics of DDPM in NumPy float64 arrays, on the paper's clock."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]  # (batch, *event)
Times = NDArray[np.int64]  # (batch,), levels 0..T; level 0 is data
Betas = tuple[float, ...]  # beta_1..beta_T; betas[0] belongs to t = 1


class Normal(NamedTuple):
    """An elementwise independent Gaussian; both fields have the event's shape."""

    mean: Array
    var: Array


class Implementation(Protocol):
    """What an implementation offers. A method that it lacks raises NotImplementedError."""

    name: str
    unit_roundoff: float  # of the precision that it computes in

    def alpha_bar(self, betas: Betas) -> Array:
        """The table alpha_bar_0..alpha_bar_T, of shape (T + 1,); alpha_bar_0 = 1."""
        ...

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> Normal:
        """q(x_t | x_0), t in 0..T."""
        ...

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Normal:
        """q(x_t | x_s), 0 <= s < t <= T."""
        ...

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        """x_t of x_0 and the given noise, t in 0..T."""
        ...

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Normal:
        """q(x_s | x_t, x_0), 0 <= s < t <= T."""
        ...

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """`value`, which is `source` at (x_t, t), as `target`; both of eps, x0, v, score."""
        ...
