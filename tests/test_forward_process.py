"""The forward process by hand: with betas (.1, .5, .3, .8) every alpha_bar is a short decimal."""

import math

import pytest
import torch

from ddpm_core.forward_process import q_marginal, q_sample, q_step
from ddpm_core.schedules import Schedule

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
ALPHA_BAR = (1.0, 0.9, 0.45, 0.315, 0.063)
X_0 = torch.tensor([[2.0, -1.0, 0.5]], dtype=torch.float64)
NOISE = torch.tensor([[0.25, 3.0, -1.0]], dtype=torch.float64)
# 8 u kappa: |log alpha_bar_t| / beta_ts is at most 3.9 on this schedule. Eq. rounding.*
REL = 8 * 2.0**-53 * 5


def close(got, want):
    return torch.allclose(
        got, torch.as_tensor(want, dtype=torch.float64).expand_as(got), rtol=REL, atol=0
    )


@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_marginal_scales_signal_variance_by_alpha_bar(t):
    marginal = q_marginal(STEEP, X_0, t)
    assert close(marginal.mean, math.sqrt(ALPHA_BAR[t]) * X_0)
    assert close(marginal.var, 1 - ALPHA_BAR[t])


@pytest.mark.parametrize(
    ("s", "t", "alpha"), [(0, 1, 0.9), (1, 2, 0.5), (3, 4, 0.2), (1, 3, 0.35), (0, 4, 0.063)]
)
def test_step_scales_signal_variance_by_the_product_of_alphas(s, t, alpha):
    step = q_step(STEEP, X_0, s, t)
    assert close(step.mean, math.sqrt(alpha) * X_0)
    assert close(step.var, 1 - alpha)


def test_step_from_data_equals_the_marginal_bitwise():
    for t in range(1, 5):
        step, marginal = q_step(STEEP, X_0, 0, t), q_marginal(STEEP, X_0, t)
        assert torch.equal(step.mean, marginal.mean)
        assert torch.equal(step.var, marginal.var)


@pytest.mark.parametrize("t", [1, 2, 3, 4])
def test_sample_is_signal_plus_noise(t):
    signal, noise = math.sqrt(ALPHA_BAR[t]) * X_0, math.sqrt(1 - ALPHA_BAR[t]) * NOISE
    error = (q_sample(STEEP, X_0, t, NOISE) - (signal + noise)).abs()
    assert (error <= REL * (signal.abs() + noise.abs())).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_timestep_0_is_data_bitwise(dtype):
    x_0 = torch.tensor([[0.1, -3.0], [1.0, 7.0]]).to(dtype)
    marginal = q_marginal(STEEP, x_0, 0)
    assert torch.equal(q_sample(STEEP, x_0, 0, torch.full_like(x_0, 9.0)), x_0)
    assert torch.equal(marginal.mean, x_0)
    assert (marginal.var == 0).all()


def test_timestep_T_at_zero_terminal_snr_is_noise_bitwise():
    schedule = STEEP.with_zero_terminal_snr()
    marginal = q_marginal(schedule, X_0, 4)
    assert torch.equal(q_sample(schedule, X_0, 4, NOISE), NOISE)
    assert (marginal.mean == 0).all()
    assert (marginal.var == 1).all()
    assert (q_step(schedule, X_0, 2, 4).var == 1).all()


def test_the_smallest_noise_is_accurate_in_float32():
    """1 - alpha_bar_1 = 1e-4; computed from a float32 alpha_bar it is off by 1.2e-4, or 2,000 u."""
    schedule = Schedule.linear(1000)
    zero, one = torch.zeros(1, 1), torch.ones(1, 1)
    u = torch.finfo(torch.float32).eps / 2
    assert abs(q_sample(schedule, zero, 1, one).item() - 1e-2) <= 2 * u * 1e-2
    assert abs(q_marginal(schedule, zero, 1).var.item() - 1e-4) <= 2 * u * 1e-4


def test_the_smallest_noise_survives_bfloat16():
    """alpha_bar_1 = 0.9999 is 1 in bfloat16: a cast before subtracting would lose all noise."""
    zero, one = (torch.full((1, 1), value, dtype=torch.bfloat16) for value in (0.0, 1.0))
    noisy = q_sample(Schedule.linear(1000), zero, 1, one)
    assert noisy == torch.tensor(1e-2, dtype=torch.bfloat16)


@pytest.mark.parametrize("t", [0, 5])
def test_a_step_to_a_timestep_outside_1_to_T_is_refused(t):
    with pytest.raises(ValueError, match=rf"t = {t} is outside 1..4"):
        q_step(STEEP, X_0, 0, t)


@pytest.mark.parametrize("s", [2, 3])
def test_a_step_with_s_not_below_t_is_refused(s):
    with pytest.raises(ValueError, match=rf"s = {s}, t = 2 .*a transition needs s < t"):
        q_step(STEEP, X_0, s, 2)


def test_an_invalid_event_is_refused_by_name(unchecked):
    with pytest.raises(ValueError, match=r"noise has shape \(1, 2\) but x_0 has shape \(1, 3\)"):
        q_sample(STEEP, X_0, 1, NOISE[:, :2])
    with pytest.raises(TypeError, match=r"x_s has dtype torch.int64"):
        q_step(STEEP, X_0.long(), 0, 1)


def test_gradients_reach_data_and_noise():
    """x_t = a x_0 + b noise: the gradients of its sum are a and b, sample by sample."""
    x_0 = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    noise = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    t = torch.tensor([1, 4])
    q_sample(STEEP, x_0, t, noise).sum().backward()
    for got, square in ((x_0, STEEP.alpha_bar(t)), (noise, STEEP.one_minus_alpha_bar(t))):
        want = square.sqrt()[:, None].expand(2, 3)
        assert torch.allclose(got.grad, want, rtol=REL, atol=0)
