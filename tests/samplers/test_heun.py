"""Heun's method by example, and the settings that are refused."""

import pytest
import torch

from ddpm_core import Heun, Schedule, sampling_loop
from ddpm_core._types import Prediction

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
X = torch.tensor([[0.5, -1.0], [2.0, 0.25]])


def shrinking(x_t, t, cond=None):
    return Prediction(x_t / (1 + t))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_is_that_of_the_input_and_float32_for_half_precision(dtype):
    *_, end = sampling_loop(Heun(STEEP), shrinking, X.to(dtype), lambda t: X)
    assert end.x_t.dtype == torch.promote_types(dtype, torch.float32)


def test_standard_normal_data_are_a_fixed_point():
    """The optimal prediction is sqrt(alpha_bar) x_t, and the exact path is constant."""
    schedule = Schedule.cosine(50)

    def best(x_t, t, cond=None):
        return Prediction(schedule.alpha_bar(t).sqrt().float() * x_t)

    at = {each.t: each.x_t for each in sampling_loop(Heun(schedule), best, X, lambda t: X)}
    assert (at[1] - X).abs().max() < 0.02 * X.abs().max()


def test_starting_at_zero_snr_is_refused():
    schedule = STEEP.with_zero_terminal_snr()
    with pytest.raises(ValueError, match="times begins at t = 4, where the SNR is 0 and sigma is"):
        Heun(schedule)
    assert Heun(schedule, (3, 1, 0)).times == (3, 1, 0)
