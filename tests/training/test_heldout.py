"""The held-out error, compared with that of a network that predicts 0."""

import pytest
import torch

from ddpm_core.data.split import spread
from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.randomness import keyed_noise
from ddpm_core.schedules import Schedule
from ddpm_core.training.heldout import (
    by_decile,
    heldout_errors,
    mean_and_standard_error,
    spread_times,
)
from ddpm_core.training.previews import fixed_times, preview

SCHEDULE = Schedule.linear(50)


def zero(x_t, t):
    return torch.zeros_like(x_t)


def test_spread_times_are_the_midpoints_of_equal_intervals():
    assert spread_times(1000, 10) == tuple(range(50, 1000, 100))
    assert spread_times(1000, 4) == (125, 375, 625, 875)
    assert spread_times(5, 100) == (1, 2, 3, 4, 5)


def test_error_of_a_zero_network_is_the_noise_keyed_by_each_image():
    images = torch.rand(6, 1, 4, 4) * 2 - 1
    errors = heldout_errors(zero, SCHEDULE, "eps", images, (1, 30), seed=3)
    for row, t in zip(errors, (1, 30), strict=True):
        noise = keyed_noise((1, 4, 4), 3, "held-out", t, range(6))
        assert torch.equal(row, noise.square().flatten(1).mean(1).double())
    fewer = heldout_errors(zero, SCHEDULE, "eps", images[:2], (30,), seed=3)
    assert torch.equal(fewer[0], errors[1, :2])


def test_error_in_eps_is_converted_from_the_parameterization():
    """A network that returns the true v has no error in eps; v at t = 30 is of order 1."""
    images = torch.rand(4, 1, 4, 4) * 2 - 1
    noise = keyed_noise((1, 4, 4), 3, "held-out", 30, range(4))
    v = SCHEDULE.alpha_bar(30).sqrt() * noise - SCHEDULE.one_minus_alpha_bar(30).sqrt() * images

    def exact(x_t, t):
        return v.float()

    errors = heldout_errors(exact, SCHEDULE, "v", images, (30,), seed=3, measure="eps")
    assert errors.max() < (8 * 2**-24 * 6) ** 2  # 8 roundings of values up to 6


def test_spread_selects_evenly_spaced_indices():
    many = torch.arange(100, 110)
    assert spread(many, 4).tolist() == [100, 102, 105, 107]
    assert torch.equal(spread(many, 500), many)


def test_deciles_and_standard_error_match_their_definitions():
    errors = torch.arange(40.0, dtype=torch.float64).reshape(20, 2)
    assert by_decile(errors) == [1.5 + 4 * k for k in range(10)]
    mean, error = mean_and_standard_error(errors)
    assert (mean, error) == (19.5, pytest.approx(0.5, rel=1e-15))
    assert mean_and_standard_error(errors[:, :1]) == (19.0, None)


def test_timesteps_of_the_denoising_grid_include_both_ends():
    assert fixed_times(1000) == (1000, 900, 800, 700, 600, 500, 400, 300, 200, 100, 50, 0)
    assert fixed_times(1000, (250, 750)) == (1000, 750, 250, 0)
    assert fixed_times(3)[0] == 3
    assert fixed_times(1) == (1, 0)


def test_previews_have_the_same_noise_and_the_requested_timesteps():
    images = torch.rand(5, 1, 4, 4) * 2 - 1
    denoiser = NetworkDenoiser(SCHEDULE, zero)
    options = {"samples": 4, "steps": 5, "seed": 0}
    first, drawn = preview(denoiser, SCHEDULE, images, (50, 20, 0), step=0, **options)
    again, _ = preview(denoiser, SCHEDULE, images, (50, 20, 0), step=9, **options)
    assert (first.sampled_x_t == again.sampled_x_t).all()
    assert (first.heldout_x_t == again.heldout_x_t).all()
    assert first.timesteps == (50, 20, 0)
    assert (first.sampled_x_t[-1] == drawn[:3].numpy()).all()
    assert (first.heldout_x0_hat[-1] == images[[0, 1, 3]].numpy()).all()
    assert first.one_step_mse[-1] == 0


def test_error_does_not_depend_on_the_batch_size(monkeypatch):
    images = torch.rand(5, 1, 4, 4) * 2 - 1
    in_one_batch = heldout_errors(zero, SCHEDULE, "eps", images, (1, 30), seed=3)
    monkeypatch.setattr("ddpm_core.training.heldout.AT_A_TIME", 2)
    assert torch.equal(heldout_errors(zero, SCHEDULE, "eps", images, (1, 30), seed=3), in_one_batch)


def test_learned_variance_does_not_enter_the_error():
    def network(x_t, t):
        return torch.cat([x_t, torch.full_like(x_t, 9.0)], dim=1)

    schedule, images = Schedule.cosine(20), torch.linspace(-1, 1, 48).reshape(3, 1, 4, 4)
    both = heldout_errors(network, schedule, "eps", images, (5, 20), 0, learns_variance=True)
    alone = heldout_errors(lambda x, t: x, schedule, "eps", images, (5, 20), 0)
    assert torch.equal(both, alone)
