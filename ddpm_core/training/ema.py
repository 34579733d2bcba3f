"""The exponential moving average of a network's weights, with warm-up."""

import copy

import torch
from torch import Tensor, nn


def ema_decay(step: int, decay: float) -> float:
    """min(decay, (1 + step) / (10 + step)) for step = 0, 1, ...: the start counts less and less.

    Eq. ema.decay.
    """
    return min(decay, (1 + step) / (10 + step))


class Ema:
    """A copy of `network` that follows it: theta_ema <- d theta_ema + (1 - d) theta.

    Parameters are averaged; buffers are copied, since a running statistic is no weight.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay = {decay} is outside [0, 1); 0.999 averages some 1,000 steps")
        self.decay = decay
        self.network = copy.deepcopy(network).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Follow `network` after optimizer step `step`, counted from 0. Eq. ema.update."""
        averages: list[Tensor] = list(self.network.parameters())
        weights: list[Tensor] = list(network.parameters())
        torch._foreach_lerp_(averages, weights, 1 - ema_decay(step, self.decay))
        for mine, theirs in zip(self.network.buffers(), network.buffers(), strict=True):
            mine.copy_(theirs)
