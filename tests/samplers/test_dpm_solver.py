"""DPM-Solver++ by example, and the settings that are refused."""

import pytest
import torch

from ddpm_core import DPMSolver, Schedule, sampling_loop, trailing
from ddpm_core._types import Prediction
from ddpm_core.samplers.dpm_solver import log_scale_to_noise

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
X = torch.tensor([[0.5, -1.0], [2.0, 0.25]])


def shrinking(x_t, t, cond=None):
    return Prediction(x_t / (1 + t))


@pytest.mark.parametrize("order", [1, 2])
def test_all_states_are_finite_from_zero_snr_to_data(order):
    schedule = Schedule.cosine(20).with_zero_terminal_snr()
    for steps in (1, 2, 3, 20):
        sampler = DPMSolver(schedule, trailing(schedule, steps), order)
        for _, x_t, x0_hat in sampling_loop(sampler, shrinking, X, lambda t: X):
            assert x_t.isfinite().all()
            assert x0_hat.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_is_that_of_the_input_and_float32_for_half_precision(dtype):
    *_, end = sampling_loop(DPMSolver(STEEP), shrinking, X.to(dtype), lambda t: X)
    assert end.x_t.dtype == torch.promote_types(dtype, torch.float32)


def test_two_interleaved_runs_do_not_share_state():
    sampler = DPMSolver(STEEP)
    first, second = (
        [each.x_t for each in sampling_loop(sampler, shrinking, X, lambda t: X)] for _ in range(2)
    )
    assert all(map(torch.equal, first, second))


def test_h_is_half_the_gain_in_log_snr():
    gained = (STEEP.log_snr(1) - STEEP.log_snr(3)) / 2
    assert log_scale_to_noise(STEEP, 1, 3).isclose(gained, rtol=1e-14)
    assert log_scale_to_noise(STEEP, 0, 3) == float("inf")


def test_an_unknown_order_is_refused():
    with pytest.raises(ValueError, match=r"order = 3 is unknown; it is one of \(1, 2\)"):
        DPMSolver(STEEP, order=3)
