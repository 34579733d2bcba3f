"""The state of training, and the end of every optimizer step: clip, update, average."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ddpm_core.training.compiler import check_compiler
from ddpm_core.training.ema import Ema
from ddpm_core.training.optimizer_state import flatten_optimizer, restore_optimizer
from ddpm_core.training.run_config import OptimizationOptions, RunConfig
from ddpm_core.training.timestep_sampler import TimestepSampler


class NonFiniteError(RuntimeError):
    """NaN or Inf in a loss or a gradient: training cannot continue."""


@dataclass(eq=False)
class TrainState:
    """Everything that an optimizer step changes: network, EMA, optimizer, timestep sampler."""

    network: nn.Module
    forward: Callable[..., Any]  # the network, or a function that calls it, compiled or not
    ema: Ema
    optimizer: torch.optim.Optimizer
    timestep_sampler: TimestepSampler | None = None  # of a run that importance-samples timesteps
    gradient_norm: float = math.nan  # of the last step, before clipping
    complete: bool = True  # False while `update` changes the tensors

    @classmethod
    def create(
        cls,
        config: RunConfig,
        network: nn.Module,
        forward: Callable[..., Any] | None = None,
        timestep_sampler: TimestepSampler | None = None,
    ) -> "TrainState":
        """Return the state before the first step: the network as it is, its EMA, AdamW.

        Raises ValueError if config.compile is set and nothing can be compiled.

        forward: what a step calls in place of the network.
        """
        if config.compile:
            check_compiler(next(network.parameters()).device)
        groups, first = group_parameters(network, config.weight_decay), learning_rate(config, 0)
        optimizer = torch.optim.AdamW(groups, lr=first, betas=(0.9, 0.99), fused=True)
        forward = forward or network
        forward = torch.compile(forward) if config.compile else forward
        return cls(network, forward, Ema(network, config.ema_decay), optimizer, timestep_sampler)

    def update(
        self,
        config: RunConfig,
        step: int,
        batch: str,
        terms: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        """Take optimizer step `step` = 0, 1, ... along the gradient, clipped to config.grad_clip.

        terms: (timesteps, their terms of the bound) for the timestep sampler.
        Raises NonFiniteError, which quotes `batch`, before anything is updated.
        """
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), config.grad_clip).item()
        if not math.isfinite(norm):
            raise NonFiniteError(
                f"the gradient of step {step + 1} is not finite (norm {norm}), though its loss is; "
                f"{batch}"
            )
        self.complete = False
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        self.optimizer.step()
        self.ema.update(self.network, step)
        if self.timestep_sampler is not None and terms is not None:
            self.timestep_sampler.update(*terms)
        self.gradient_norm = norm
        self.complete = True

    def is_good(self) -> bool:
        """Return whether a run can resume from here: a complete step, and only finite weights."""
        return self.complete and all(bool(p.isfinite().all()) for p in self.network.parameters())

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """Return all tensors by group, as a checkpoint stores them."""
        groups = {
            "model": self.network.state_dict(),
            "ema": self.ema.network.state_dict(),
            "optimizer": flatten_optimizer(self.optimizer, self._parameters()),
        }
        if self.timestep_sampler is not None:
            sampler = self.timestep_sampler
            groups["history"] = {"terms": sampler.terms, "drawn": sampler.drawn}
        return groups

    def restore(self, groups: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Restore the tensors that `tensors()` returned."""
        self.network.load_state_dict(groups["model"])
        self.ema.network.load_state_dict(groups["ema"])
        restore_optimizer(self.optimizer, self._parameters(), dict(groups["optimizer"]))
        if self.timestep_sampler is not None:
            self.timestep_sampler.terms = groups["history"]["terms"]
            self.timestep_sampler.drawn = groups["history"]["drawn"]

    def _parameters(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())


def group_parameters(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Return AdamW's groups: matrices and kernels decay, gains and biases do not."""
    matrices = [p for p in network.parameters() if p.ndim > 1]
    vectors = [p for p in network.parameters() if p.ndim <= 1]
    decays = {"params": matrices, "weight_decay": weight_decay}
    return [decays, {"params": vectors, "weight_decay": 0.0}]


def learning_rate(config: OptimizationOptions, step: int) -> float:
    """Return the learning rate of step 0, 1, ...: linear warm-up, then cosine decay or constant."""
    warmup = min(1.0, (step + 1) / max(1, config.warmup_steps))
    decay = (1 + math.cos(math.pi * step / config.max_steps)) / 2
    cosine = config.learning_rate_decay == "cosine"
    return config.learning_rate * warmup * (decay if cosine else 1.0)
