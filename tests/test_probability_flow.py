"""The probability flow by example: densities, dtypes, and the input that is refused."""

import math

import pytest
import torch
from torch import nn

from ddpm_core._types import Prediction
from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.likelihood import reverse_of
from ddpm_core.probability_flow import flow_bound, flow_log_density, probability_flow
from ddpm_core.samplers.timestep_spacing import log_snr
from ddpm_core.schedules import Schedule

LINEAR = Schedule.linear()
STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
X = torch.linspace(-2, 2, 12, dtype=torch.float64).reshape(2, 1, 2, 3)


def optimal_for_noise(x_t, t, cond=None):
    """The optimal denoiser of standard normal data, which stay so at every t."""
    return Prediction(LINEAR.alpha_bar(t).sqrt() * x_t)


def test_a_standard_normal_stays_standard_normal():
    """Every marginal is standard normal, so the density is known."""
    got = flow_log_density(LINEAR, optimal_for_noise, X)
    want = -(X.square() + math.log(2 * math.pi)).flatten(1).sum(1) / 2
    assert torch.allclose(got.nats, want, rtol=0, atol=1e-2)
    assert (got.step_error < 1e-2).all()
    assert torch.equal(got.probe_error, torch.zeros(2, dtype=torch.float64))


def test_the_network_gets_no_gradients_and_no_changes():
    """Parameters get no gradient, and no result requires one."""
    network = nn.Conv2d(1, 1, 3, padding=1, bias=False).double()
    nn.init.constant_(network.weight, 0.1)
    denoiser = NetworkDenoiser(LINEAR, lambda x_t, t: network(x_t), "x0")
    probes = torch.ones(3, *X.shape, dtype=torch.float64)
    got = flow_log_density(LINEAR, denoiser, X, probes, times=log_snr(LINEAR, 10))
    assert not any(each.requires_grad for each in (got.nats, got.probe_error, got.step_error))
    assert all(each.grad is None for each in network.parameters())
    # Equal probes differ only by the rounding of their mean.
    assert (got.probe_error <= 4 * torch.finfo(torch.float64).eps * got.nats.abs()).all()


def test_the_flow_works_under_no_grad():
    with torch.no_grad():
        there = probability_flow(LINEAR, optimal_for_noise, X, times=(500, 100, 1, 0))
    assert torch.equal(
        there.log_volume,
        probability_flow(LINEAR, optimal_for_noise, X, times=(500, 100, 1, 0)).log_volume,
    )


def test_float32_states_have_a_volume_in_float64():
    got = probability_flow(LINEAR, optimal_for_noise, X.float(), times=(500, 100, 1, 0))
    assert got.x_T.dtype == torch.float32
    assert got.log_volume.dtype == torch.float64


def test_one_probe_has_no_standard_error():
    probe = torch.ones(1, *X.shape, dtype=torch.float64)
    got = flow_log_density(STEEP, lambda x, t, c: Prediction(x / 2), X, probe)
    assert got.probe_error.isnan().all()
    assert got.nats.isfinite().all()


def test_one_timestep_leaves_the_state_unchanged():
    got = probability_flow(STEEP, lambda x, t, c: Prediction(x / 2), X, times=(2, 0))
    assert torch.equal(got.x_T, X)
    assert torch.equal(got.log_volume, torch.zeros(1, 2, dtype=torch.float64))


def test_cond_reaches_the_denoiser():
    received = []

    def denoiser(x_t, t, cond=None):
        received.append(cond)
        return Prediction(x_t / 2)

    labels = torch.tensor([3, 1])
    flow_log_density(STEEP, denoiser, X, cond=labels)
    assert all(torch.equal(each, labels) for each in received)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"denoiser": lambda x, t, c: Prediction((x / 2).detach())}, "does not depend on x_t"),
        ({"probes": torch.ones(2, 1, 2, 3)}, "needs a first axis more"),
        ({"probes": torch.ones(0, 2, 1, 2, 3)}, "at least one probe"),
        ({"times": (3, 1, 0)}, "2 timesteps above 0"),
        ({"times": (4, 2, 1)}, "end at 0"),
        ({"schedule": STEEP.with_zero_terminal_snr()}, "begin at t = 3 or below"),
    ],
)
def test_input_without_a_density_is_refused(unchecked, arguments, sentence):
    given = {"schedule": STEEP, "denoiser": lambda x, t, c: Prediction(x / 2), "x_1": X}
    with pytest.raises(ValueError, match=sentence):
        flow_log_density(**given | arguments)


def test_zero_terminal_snr_is_accepted_below_T():
    schedule = STEEP.with_zero_terminal_snr()
    got = probability_flow(schedule, lambda x, t, c: Prediction(x / 2), X, times=(3, 2, 1, 0))
    assert got.x_T.isfinite().all()


def test_events_of_different_shape_are_refused(unchecked):
    reverse = reverse_of(STEEP, lambda x, t, c: Prediction(x / 2))
    with pytest.raises(ValueError, match="x_1 has shape"):
        flow_bound(STEEP, X, X[:1], torch.zeros(1).double(), reverse, grey_levels=None)
