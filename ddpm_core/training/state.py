"""What an optimizer step changes, and its end: clip, update, average."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ddpm_core.training.build import group_parameters
from ddpm_core.training.ema import Ema
from ddpm_core.training.optimizer_state import flatten_optimizer, restore_optimizer
from ddpm_core.training.run_config import RunConfig
from ddpm_core.training.timestep_sampler import TermHistory


class NonFiniteError(RuntimeError):
    """NaN or Inf where training cannot go on."""


@dataclass(frozen=True, eq=False)
class Trainee:
    """All that a step changes."""

    network: nn.Module
    forward: Callable[..., Any]  # the network, or what calls it; compiled where asked for
    ema: Ema
    optimizer: torch.optim.Optimizer
    history: TermHistory | None = None  # of a run that draws levels by their terms

    @classmethod
    def of(
        cls,
        config: RunConfig,
        network: nn.Module,
        forward: Callable[..., Any] | None = None,
        history: TermHistory | None = None,
    ) -> "Trainee":
        """The network as it is, its average and AdamW. forward: what a step calls, if not it."""
        optimizer = torch.optim.AdamW(
            group_parameters(network, config.weight_decay),
            lr=learning_rate(config, 0),
            betas=(0.9, 0.99),
            fused=True,
        )
        forward = forward or network
        forward = torch.compile(forward) if config.compile else forward
        return cls(network, forward, Ema(network, config.ema_decay), optimizer, history)

    def update(self, config: RunConfig, step: int, drawn: str) -> float:
        """Take step `step` = 0, 1, ... along the gradient, clipped; returns its norm before.

        Raises NonFiniteError, which says what was drawn, before anything is updated.
        """
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.grad_clip).item()
        if not math.isfinite(norm):
            raise NonFiniteError(
                f"the gradient of step {step + 1} is not finite (norm {norm}), though its loss is; "
                f"{drawn}"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        self.optimizer.step()
        self.ema.update(self.network, step)
        return norm

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """All of it by group, as a checkpoint keeps it."""
        groups = {
            "model": self.network.state_dict(),
            "ema": self.ema.network.state_dict(),
            "optimizer": flatten_optimizer(self.optimizer, self._parameters()),
        }
        if self.history is not None:
            groups["history"] = {"terms": self.history.terms, "drawn": self.history.drawn}
        return groups

    def restore(self, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Be as one that was kept."""
        self.network.load_state_dict(groups["model"])
        self.ema.network.load_state_dict(groups["ema"])
        restore_optimizer(self.optimizer, self._parameters(), dict(groups["optimizer"]))
        if self.history is not None:
            self.history.terms = groups["history"]["terms"]
            self.history.drawn = groups["history"]["drawn"]

    def _parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())


def learning_rate(config: RunConfig, step: int) -> float:
    """The rate of step 0, 1, ...: a linear rise over warmup_steps, then cosine to 0 or constant."""
    rise = min(1.0, (step + 1) / max(1, config.warmup_steps))
    fall = (1 + math.cos(math.pi * step / config.max_steps)) / 2
    return config.learning_rate * rise * (fall if config.learning_rate_decay == "cosine" else 1.0)
