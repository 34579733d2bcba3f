"""Which levels to draw, by how large their terms of the bound have been."""

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from ddpm_core.learned_variance import timestep_probabilities

KEPT = 10  # terms of each level
UNIFORM = 1e-3  # share of the draws in which every level is as likely, so that none is lost


class TermHistory:
    """The newest terms of each level, and what they say of how often to draw it.

    Eq. learned-variance.importance; Nichol & Dhariwal (2021), section 3.3. Until every level has
    been drawn KEPT times, all are drawn alike.
    """

    def __init__(self, T: int) -> None:
        self.terms = torch.zeros(T, KEPT, dtype=torch.float64)
        self.drawn = torch.zeros(T, dtype=torch.int64)

    def probabilities(self) -> Float64[Tensor, " T"]:
        """Of t = 1..T."""
        T = len(self.drawn)
        if (self.drawn < KEPT).any():
            return torch.full((T,), 1 / T, dtype=torch.float64)
        wanted = timestep_probabilities(self.terms.square().mean(1))
        return (1 - UNIFORM) * wanted + UNIFORM / T

    def update(self, t: Int64[Tensor, " batch"], terms: Float[Tensor, " batch"]) -> None:
        """Each level's oldest term gives way; of one that was drawn twice, two do."""
        for level, term in zip((t - 1).tolist(), terms.tolist(), strict=True):
            self.terms[level, self.drawn[level] % KEPT] = term
            self.drawn[level] += 1
