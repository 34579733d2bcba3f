"""Importance sampling of timesteps by the size of their terms of the variational bound."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ddpm_core.learned_variance import timestep_probabilities

HISTORY = 10  # newest terms of each timestep
UNIFORM = 1e-3  # fraction of uniform draws, so that no timestep is lost


class TimestepSampler:
    """The newest terms of each timestep, and the probabilities of drawing it that follow.

    Eq. learned-variance.importance; Nichol & Dhariwal (2021), section 3.3. Uniform until every
    timestep has HISTORY terms.
    """

    def __init__(self, T: int) -> None:
        self.terms = torch.zeros(T, HISTORY, dtype=torch.float64, device="cpu")
        self.drawn = torch.zeros(T, dtype=torch.int64, device="cpu")

    def probabilities(self) -> Float64[Tensor, " T"]:
        """Return the probabilities of t = 1..T. Eq. learned-variance.mixture."""
        T = len(self.drawn)
        if (self.drawn < HISTORY).any():
            return torch.full((T,), 1 / T, dtype=torch.float64, device="cpu")
        wanted = timestep_probabilities(self.terms.square().mean(1))
        return (1 - UNIFORM) * wanted + UNIFORM / T

    def update(self, t: Int64[Tensor, " batch"], terms: Float[Tensor, " batch"]) -> None:
        """Replace the oldest term of each timestep drawn; of one drawn twice, the oldest two.

        The terms are those of the root mean squares in Eq. learned-variance.importance.
        """
        for row, term in zip((t - 1).tolist(), terms.tolist(), strict=True):
            self.terms[row, self.drawn[row] % HISTORY] = term
            self.drawn[row] += 1
