"""Ancestral sampling: its exact moments by noise tape, its steps, and the input it refuses."""

import itertools

import pytest
import torch
from mpmath import MPContext

from ddpm_core._types import Prediction
from ddpm_core.posterior import q_posterior
from ddpm_core.samplers.ancestral import Ancestral
from ddpm_core.samplers.base import check_times, sampling_loop
from ddpm_core.samplers.timestep_spacing import trailing
from ddpm_core.schedules import Schedule

mp = MPContext()
mp.dps = 50

FIXED = ("fixed_small", "fixed_large")
STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
LINEAR = Schedule.linear(60)
DATA_MEAN, DATA_VAR = 0.6, 0.25


def gaussian_denoiser(schedule):
    """E[x_0 | x_t] of data N(DATA_MEAN, DATA_VAR): affine in x_t, elementwise."""

    def denoiser(x_t, t, cond=None):
        alpha_bar = schedule.alpha_bar(t).item()
        gain = DATA_VAR * alpha_bar**0.5 / (DATA_VAR * alpha_bar + 1 - alpha_bar)
        return Prediction(DATA_MEAN + gain * (x_t - alpha_bar**0.5 * DATA_MEAN))

    return denoiser


def last(snapshots):
    *_, end = snapshots
    return end


# --- complete trajectories, by noise tape --------------------------------------------------------


def moments_by_tape(sampler, denoiser):
    """x_0 is affine in x_T and the noise: unit vectors isolate every coefficient.

    Row 0 gets zeros, row 1 a unit x_T, row 2 + k a unit at the k-th draw. The mean is row 0, the
    variance the sum of the squared differences from it.
    """
    draws = itertools.count(2)
    rows = len(sampler.times)  # x_T, all draws but the last step's, and row 0
    x_T = torch.zeros(rows, 1, dtype=torch.float64)
    x_T[1] = 1

    def noise_source(t):
        noise = torch.zeros_like(x_T)
        noise[next(draws)] = 1
        return noise

    x_0 = last(sampling_loop(sampler, denoiser, x_T, noise_source)).x_t
    assert next(draws) == rows, "one draw for each step but the last"
    return x_0[0].item(), (x_0[1:] - x_0[0]).square().sum().item()


def moments_by_bayes(schedule, times, variance):
    """The recursion of mean and variance in 50 digits; each reverse step adds precisions."""
    table = [mp.exp(mp.mpf(each)) for each in schedule.log_alpha_bar.tolist()]
    m, v = mp.mpf(DATA_MEAN), mp.mpf(DATA_VAR)
    mean, var = mp.mpf(0), mp.mpf(1)
    for t, s in itertools.pairwise(times):
        ab_t, ab_s = table[t], table[s]
        measured = 1 / v + ab_t / (1 - ab_t)  # precision of x_0 given x_t
        gain = mp.sqrt(ab_t) / (1 - ab_t) / measured
        offset = m / v / measured
        if s == 0:
            mean, var = offset + gain * mean, gain**2 * var
            continue
        alpha = ab_t / ab_s
        precision = 1 / (1 - ab_s) + alpha / (1 - alpha)
        from_x0 = mp.sqrt(ab_s) / (1 - ab_s) / precision
        from_xt = mp.sqrt(alpha) / (1 - alpha) / precision
        slope = from_x0 * gain + from_xt
        added = 1 / precision if variance == "fixed_small" else 1 - alpha
        mean, var = from_x0 * offset + slope * mean, slope**2 * var + added
    return float(mean), float(var)


@pytest.mark.parametrize("variance", FIXED)
@pytest.mark.parametrize(
    ("schedule", "times"),
    [
        (STEEP, ()),
        (STEEP, (4, 2, 0)),
        (STEEP, (3, 1, 0)),  # from below T, too
        (STEEP, (4, 0)),
        (LINEAR, ()),
        (LINEAR, trailing(LINEAR, 7)),
        (Schedule.cosine(40), trailing(Schedule.cosine(40), 11)),
        (STEEP.with_zero_terminal_snr(), ()),
    ],
)
def test_samples_have_the_exact_mean_and_variance(schedule, times, variance):
    """Eq. ancestral.step, by an independent recursion, to 1e-9.

    Roundoff stays below: 60 steps of 8 u kappa, kappa < 40 here, and u / (1 - alpha_bar_1) < 10^3 u
    for the subtraction in the denoiser, twice for the square: 2 * 60 * (320 + 1000) u = 2e-11.
    """
    sampler = Ancestral(schedule, times, variance)
    mean, var = moments_by_tape(sampler, gaussian_denoiser(schedule))
    want_mean, want_var = moments_by_bayes(schedule, sampler.times, variance)
    assert mean == pytest.approx(want_mean, rel=1e-9, abs=0)
    assert var == pytest.approx(want_var, rel=1e-9, abs=0)


# --- one ancestral step ---------------------------------------------------------------------------


@pytest.mark.parametrize(("s", "t"), [(1, 2), (2, 3), (3, 4), (1, 4)])
def test_unit_noise_isolates_the_variance(s, t):
    """Mean 0, noise 1, so x_s is the standard deviation; 8 u kappa twice, kappa < 5 here."""
    alpha_bar = (1.0, 0.9, 0.45, 0.315, 0.063)
    beta = 1 - alpha_bar[t] / alpha_bar[s]
    want = {
        "fixed_small": beta * (1 - alpha_bar[s]) / (1 - alpha_bar[t]),
        "fixed_large": beta,
    }
    zero, one = torch.zeros(2, 3, dtype=torch.float64), torch.ones(2, 3, dtype=torch.float64)
    for variance in FIXED:
        sampler = Ancestral(STEEP, variance=variance)
        x_s, _, _ = sampler.step(lambda x, t: Prediction(x * 0), zero, s, t, one, None)
        assert torch.allclose(x_s**2, zero + want[variance], rtol=80 * 2.0**-53, atol=0)


@pytest.mark.parametrize("variance", FIXED)
def test_the_mean_is_the_posterior_mean_at_x0_hat(variance):
    x_t, x0_hat = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))
    sampler = Ancestral(STEEP, variance=variance)
    x_s, seen, _ = sampler.step(lambda x, t: Prediction(x0_hat), x_t, 1, 3, x_t * 0, None)
    assert torch.equal(x_s, q_posterior(STEEP, x0_hat, x_t, 1, 3).mean)
    assert seen is x0_hat


@pytest.mark.parametrize("variance", FIXED)
def test_the_step_to_0_returns_x0_hat_and_draws_no_noise(variance):
    sampler = Ancestral(STEEP, variance=variance)
    x_t, x0_hat = torch.randn(2, 4, 4, generator=torch.Generator().manual_seed(0))
    assert not sampler.draws_noise(0, 2)
    assert sampler.draws_noise(1, 2)
    x_0, _, _ = sampler.step(lambda x, t: Prediction(x0_hat), x_t, 0, 2, None, None)
    assert torch.equal(x_0, x0_hat)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("variance", FIXED)
def test_half_precision_is_computed_in_float32_and_cast_once(variance, dtype):
    """Rounding mean and variance before the sum would change a third of these 4,096 numbers."""
    x_t, x0_hat, noise = torch.randn(3, 64, 64, generator=torch.Generator().manual_seed(0)).to(
        dtype
    )
    sampler = Ancestral(STEEP, variance=variance)
    got, _, _ = sampler.step(lambda x, t: Prediction(x0_hat), x_t, 1, 3, noise, None)
    wide = (value.float() for value in (x_t, noise))
    want, _, _ = sampler.step(
        lambda x, t: Prediction(x0_hat.float()), next(wide), 1, 3, next(wide), None
    )
    assert got.dtype == dtype
    assert torch.equal(got, want.to(dtype))


def test_invalid_settings_are_refused(unchecked):
    with pytest.raises(
        ValueError, match=r"variance = 'small' is unknown; it is one of \('fixed_small'"
    ):
        Ancestral(STEEP, variance="small")
    with pytest.raises(ValueError, match="must begin at T = 4 or below and end at 0"):
        Ancestral(STEEP, times=(5, 0))
    x = torch.zeros(2, 2)
    step = Ancestral(STEEP).step
    with pytest.raises(ValueError, match="the step 3 -> 1 draws noise, but noise is None"):
        step(lambda x, t: Prediction(x), x, 1, 3, None, None)
    with pytest.raises(ValueError, match=r"noise has shape \(1, 2\) but x_t has shape \(2, 2\)"):
        step(lambda x, t: Prediction(x), x, 1, 3, x[:1], None)


# --- times ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "error", "message"),
    [
        ([], ValueError, r"times = \(\) must begin at T = 10 or below and end at 0"),
        (50, TypeError, r"times = 50 is a int; pass the timesteps as a tuple of Python ints"),
        (torch.tensor([5, 0]), TypeError, r"times = .* is a Tensor; .*for an array, use .tolist"),
        ((0,), ValueError, r"times = \(0,\) must begin"),
        ((11, 0), ValueError, r"times = \(11, 0\) must begin at T = 10 or below"),
        ((10, 1), ValueError, r"times = \(10, 1\) must begin .* end at 0"),
        ((5, 5, 0), ValueError, r"times has 5 -> 5; it must decrease strictly: \(5, 5, 0\)"),
        ((3, 5, 0), ValueError, "times has 3 -> 5"),
        ((3, -1, 0), ValueError, "times has -1 -> 0"),
        ((0, 0), ValueError, "times has 0 -> 0"),
        ((3.0, 0), TypeError, "times holds 3.0, a float; every timestep must be a Python int"),
        ((True, 0), TypeError, "times holds True, a bool"),
    ],
)
def test_invalid_timesteps_are_refused(unchecked, times, error, message):
    with pytest.raises(error, match=message):
        check_times(times, 10)
