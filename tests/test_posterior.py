"""The posterior by hand: Bayes' rule with short decimals, and the edge cases."""

import math

import pytest
import torch

from ddpm_core.forward_process import q_marginal
from ddpm_core.posterior import q_posterior
from ddpm_core.schedules import Schedule

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
ALPHA_BAR = (1.0, 0.9, 0.45, 0.315, 0.063)
X_0 = torch.tensor([[2.0, -1.0, 0.5]], dtype=torch.float64)
X_T = torch.tensor([[0.25, 3.0, -1.0]], dtype=torch.float64)
# 8 u kappa with kappa < 5 for the code (Eq. rounding.posterior-data), as much for the sums below.
REL = 2 * 8 * 2.0**-53 * 5


@pytest.mark.parametrize(("s", "t"), [(1, 2), (2, 3), (3, 4), (1, 3), (1, 4), (2, 4)])
def test_precisions_of_prior_and_measurement_add(s, t):
    """Prior of x_s: N(sqrt(ab_s) x_0, 1 - ab_s). x_t measures sqrt(a) x_s with variance 1 - a."""
    a = ALPHA_BAR[t] / ALPHA_BAR[s]
    precision = 1 / (1 - ALPHA_BAR[s]) + a / (1 - a)
    from_x0 = math.sqrt(ALPHA_BAR[s]) * X_0 / (1 - ALPHA_BAR[s]) / precision
    from_xt = math.sqrt(a) * X_T / (1 - a) / precision
    back = q_posterior(STEEP, X_0, X_T, s, t)
    error = (back.mean - (from_x0 + from_xt)).abs()
    assert (error <= REL * (from_x0.abs() + from_xt.abs())).all()
    assert abs(back.var.item() - 1 / precision) <= REL / precision


def test_consecutive_timesteps_match_eq_7_of_ho_et_al():
    """t = 3: the coefficients of Ho et al. (2020), Eq. 7, in the paper's notation."""
    zero, one = torch.zeros_like(X_0), torch.ones_like(X_0)
    coef_x0 = q_posterior(STEEP, one, zero, 2, 3).mean[0, 0].item()
    coef_xt = q_posterior(STEEP, zero, one, 2, 3).mean[0, 0].item()
    var = q_posterior(STEEP, X_0, X_T, 2, 3).var.item()
    assert coef_x0 == pytest.approx(math.sqrt(0.45) * 0.3 / 0.685, rel=REL, abs=0)
    assert coef_xt == pytest.approx(math.sqrt(0.7) * 0.55 / 0.685, rel=REL, abs=0)
    assert var == pytest.approx(0.3 * 0.55 / 0.685, rel=REL, abs=0)


@pytest.mark.parametrize("t", [1, 2, 4])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_at_s_0_the_posterior_is_x_0_bitwise_with_variance_0(t, dtype):
    back = q_posterior(STEEP, X_0.to(dtype), X_T.to(dtype), 0, t)
    assert torch.equal(back.mean, X_0.to(dtype))
    assert (back.var == 0).all()


def test_at_zero_terminal_snr_x_T_has_no_influence():
    schedule = STEEP.with_zero_terminal_snr()
    back, prior = q_posterior(schedule, X_0, X_T, 2, 4), q_marginal(schedule, X_0, 2)
    assert torch.equal(back.mean, prior.mean)
    assert torch.equal(back.var, prior.var)


def test_variance_is_below_beta_and_grows_towards_it():
    schedule = Schedule.linear(1000)
    t = torch.arange(2, 1001)
    x = torch.zeros(999, 1, dtype=torch.float64)
    ratio = q_posterior(schedule, x, x, t - 1, t).var.flatten() / schedule.beta(t)
    assert (ratio > 0).all()
    assert (ratio < 1).all()
    assert (ratio.diff() > 0).all()


def test_each_sample_has_its_own_pair():
    """One pair (s, t) per row, with batch == width, where a bare (batch,) would broadcast too."""
    x_0, x_t = X_0.repeat(3, 1), X_T.repeat(3, 1)
    s, t = torch.tensor([0, 1, 2]), torch.tensor([4, 2, 3])
    back = q_posterior(STEEP, x_0, x_t, s, t)
    for i in range(3):
        row = q_posterior(STEEP, X_0, X_T, int(s[i]), int(t[i]))
        assert torch.equal(back.mean[i : i + 1], row.mean)
        assert back.var[i].item() == row.var.item()


@pytest.mark.parametrize(
    ("s", "t", "message"),
    [
        (2, 2, "s = 2, t = 2 .*a transition needs s < t"),
        (3, 2, "s = 3, t = 2 .*a transition needs s < t"),
        (0, 0, "t = 0 is outside 1..4"),
        (0, 5, "t = 5 is outside 1..4"),
        (-1, 2, "s = -1 is outside 0..3"),
    ],
)
def test_other_pairs_are_refused(s, t, message):
    with pytest.raises(ValueError, match=message):
        q_posterior(STEEP, X_0, X_T, s, t)


def test_an_invalid_event_is_refused_by_name(unchecked):
    with pytest.raises(ValueError, match=r"x_t has shape \(3,\) but x_0 has shape \(1, 3\)"):
        q_posterior(STEEP, X_0, X_T[0], 1, 2)
