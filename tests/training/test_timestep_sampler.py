"""Importance sampling of timesteps by the size of their terms."""

import torch
from scipy import stats

from ddpm_core.learned_variance import timestep_probabilities
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.step import train_step
from ddpm_core.training.timestep_sampler import HISTORY, TimestepSampler
from tests.training.recorded_steps import SMALL, recorded


def test_timesteps_are_drawn_with_the_probabilities_that_weight_them(monkeypatch):
    """The counts of 4,096 draws pass a chi-squared test."""
    more = {"loss": "vlb", "T": 4, "batch_size": 4096, "multipliers": (1,)}
    run = DiffusionTask.prepare(TrainConfig(**vars(SMALL) | more))
    history = run.state.timestep_sampler
    history.terms += torch.tensor([4.0, 3.0, 2.0, 1.0]).double()[:, None]
    history.drawn += HISTORY
    wanted = 4096 * history.probabilities()
    drawn = recorded(monkeypatch, "q_sample")
    train_step(run.config, run.schedule, run.dataset, run.state, 0, run.device)
    ((_, _, t, _),) = drawn
    assert stats.chisquare(torch.bincount(t - 1, minlength=4), wanted).pvalue > 1e-6


def test_sampling_is_uniform_if_one_timestep_has_too_few_terms():
    history = TimestepSampler(2)
    history.update(torch.ones(HISTORY, dtype=torch.int64), torch.full((HISTORY,), 3.0))
    assert history.probabilities().tolist() == [0.5, 0.5]


def test_sampling_is_uniform_until_every_timestep_has_its_terms():
    history = TimestepSampler(3)
    for k in range(HISTORY):
        assert torch.equal(history.probabilities(), torch.full((3,), 1 / 3, dtype=torch.float64))
        history.update(torch.tensor([1, 2, 3]), torch.tensor([4.0, 2.0, 0.0]) + 0 * k)
    got = history.probabilities()
    want = 0.999 * torch.tensor([4.0, 2.0, 0.0]).double() / 6 + 0.001 / 3
    assert torch.allclose(got, want, rtol=1e-12, atol=0)
    assert (got > 0).all()


def test_only_the_newest_terms_are_stored():
    history = TimestepSampler(2)
    history.update(torch.ones(HISTORY + 1, dtype=torch.int64), torch.arange(HISTORY + 1.0))
    assert sorted(history.terms[0].tolist()) == [float(k) for k in range(1, HISTORY + 1)]
    assert history.drawn.tolist() == [HISTORY + 1, 0]


def test_zero_terms_give_uniform_probabilities():
    assert timestep_probabilities(torch.zeros(4).double()).tolist() == [0.25] * 4
