"""The train state: gradient clipping, optimizer step and EMA update."""

import copy
import math

import pytest
import torch

from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from tests.training.recorded_steps import SMALL, taken


def test_ema_averages_the_weights_after_each_step():
    """After steps 0 and 1 with decays 1/10 and 2/11: neither a step late nor a decay ahead."""
    run = DiffusionTask.prepare(SMALL)
    wanted = [p.detach().clone() for p in run.state.network.parameters()]
    for number, decay in enumerate((1 / 10, 2 / 11)):
        before = copy.deepcopy(run.state.network.state_dict())
        taken(SMALL, number, run)
        after = [p.detach() for p in run.state.network.parameters()]
        moved = [not torch.equal(a, b) for a, b in zip(before.values(), after, strict=True)]
        assert any(moved), "the step changed nothing"
        wanted = [decay * w + (1 - decay) * a for w, a in zip(wanted, after, strict=True)]
    for mine, want in zip(run.state.ema.network.parameters(), wanted, strict=True):
        # Two updates of three roundings each, of numbers within 1.
        allowed = 6 * 2.0**-24 * max(1.0, float(want.abs().max()))
        assert float((mine - want).abs().max()) <= allowed


def test_first_step_moves_weights_by_the_learning_rate_of_its_number():
    """Without weight decay AdamW's first update is rate * g / (|g| + 1e-8) for each weight: the
    learning rate, whatever the gradient, because no gradient here is that small except 0."""
    config = TrainConfig(**vars(SMALL) | {"warmup_steps": 4, "weight_decay": 0.0})
    run = DiffusionTask.prepare(config)
    before = [p.detach().clone() for p in run.state.network.parameters()]
    taken(config, 2, run)
    moved = max(
        float((p.detach() - b).abs().max())
        for p, b in zip(run.state.network.parameters(), before, strict=True)
    )
    decay_factor = (1 + math.cos(math.pi * 2 / config.max_steps)) / 2
    assert moved == pytest.approx(config.learning_rate * 3 / 4 * decay_factor, rel=1e-3)


def test_optimizer_gets_the_clipped_gradient():
    run = DiffusionTask.prepare(TrainConfig(**vars(SMALL) | {"grad_clip": 1e-3}))
    taken(run.config, 0, run)
    norm = run.state.gradient_norm
    assert norm > 1e-2, "clipping would have no effect"
    met = [p.grad for p in run.state.network.parameters() if p.grad is not None]
    assert float(torch.stack([g.norm() for g in met]).norm()) == pytest.approx(1e-3, rel=1e-3)
