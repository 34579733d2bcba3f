"""The training step: what it draws, and the order in which it updates."""

import dataclasses

import pytest
import torch

from ddpm_core.training import step
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.step import train_step
from tests.training.recorded_steps import SMALL, recorded, taken


def test_steps_and_seeds_draw_different_timesteps_and_noise(monkeypatch):
    seen = recorded(monkeypatch, "q_sample")
    for seed in (0, 1):
        for number in (0, 1, 2):
            taken(TrainConfig(**vars(SMALL) | {"seed": seed}), number)
    assert len({tuple(t.tolist()) for _, _, t, _ in seen}) == 6
    assert len({tuple(noise.flatten()[:4].tolist()) for *_, noise in seen}) == 6


def test_steps_and_seeds_have_different_dropout(monkeypatch):
    seen = recorded(monkeypatch, "seeded")
    for seed in (0, 1):
        for number in (0, 1, 2):
            taken(TrainConfig(**vars(SMALL) | {"seed": seed}), number)
    assert len({dropout_seed for dropout_seed, _ in seen}) == 6


def test_loss_is_weighted_by_its_timestep_and_logged_unweighted(monkeypatch):
    """A weight of 2 doubles the gradient bit for bit, and the logged loss is unchanged."""
    config = TrainConfig(**vars(SMALL) | {"snr_gamma": 5.0, "accumulate": 2})
    drawn, weighted = recorded(monkeypatch, "q_sample"), recorded(monkeypatch, "min_snr_weight")
    taken(config, 0)
    assert torch.equal(torch.cat([t for _, _, t, _ in weighted]), drawn[0][2])
    assert {each[1:2] + each[3:] for each in weighted} == {("eps", 5.0)}

    found = []
    for weight in (1.0, 2.0):
        monkeypatch.setattr(
            step, "min_snr_weight", lambda *_, w=weight: torch.tensor(w, dtype=torch.float64)
        )
        run = DiffusionTask.prepare(config)
        loss = train_step(config, run.schedule, run.dataset, run.state, 0, run.device)
        found.append((loss, run.state.gradient_norm))
    (loss, norm), (same, doubled) = found
    assert (same, doubled) == (loss, 2 * norm)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_network_gets_the_timestep_of_each_image_and_is_compared_with_its_noise(
    monkeypatch, accumulate
):
    """A network that returns the noise of each (x_t, t) has loss 0, in every micro-batch."""
    config = TrainConfig(**vars(SMALL) | {"accumulate": accumulate})
    run = DiffusionTask.prepare(config)
    real, drawn = step.q_sample, []

    def recording(schedule, x_0, t, noise):
        x_t = real(schedule, x_0, t, noise)
        drawn.extend(zip(x_t, t, noise, strict=True))
        return x_t

    def oracle(x_t, t):
        found = [
            next(noise for x, timestep, noise in drawn if torch.equal(x, row) and timestep == t[i])
            for i, row in enumerate(x_t)
        ]
        return torch.stack(found) + 0 * run.state.network(x_t, t)

    monkeypatch.setattr(step, "q_sample", recording)
    state = dataclasses.replace(run.state, forward=oracle)
    loss = train_step(config, run.schedule, run.dataset, state, 0, run.device)
    assert loss == 0
