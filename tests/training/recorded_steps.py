"""A small configuration of training, and the calls that its steps make."""

from typing import Any

import pytest

from ddpm_core.training import step
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask

SMALL = TrainConfig(
    width=8, multipliers=(1, 2), batch_size=8, T=20, schedule="cosine", warmup_steps=0, device="cpu"
)


def recorded(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    """Record the arguments of every call of step.<name>."""
    real, seen = getattr(step, name), []

    def recording(*arguments: Any) -> Any:
        seen.append(arguments)
        return real(*arguments)

    monkeypatch.setattr(step, name, recording)
    return seen


def taken(config: TrainConfig, number: int, run: DiffusionTask | None = None) -> DiffusionTask:
    """Take step `number` of a run, a new one by default; return the run."""
    run = run or DiffusionTask.prepare(config)
    step.train_step(config, run.schedule, run.dataset, run.state, number, run.device)
    return run
