"""Exponential moving average (EMA) of a network's weights, with warm-up."""

import copy

import torch
from torch import Tensor, nn


def ema_decay(step: int, decay: float) -> float:
    """Return min(decay, (1 + step) / (10 + step)) for step = 0, 1, ...: the start is forgotten.

    Eq. ema.decay.
    """
    return min(decay, (1 + step) / (10 + step))


class Ema:
    """A copy of `network` with averaged weights: theta_ema <- d theta_ema + (1 - d) theta.

    Parameters are averaged. Buffers are copied, because a running statistic is not a weight.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay = {decay} is outside [0, 1); 0.999 averages about 1,000 steps")
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Average in `network` after optimizer step `step` = 0, 1, ... Eq. ema.update."""
        averages: list[Tensor] = list(self.network.parameters())
        weights: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - ema_decay(step, self.decay))
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)
