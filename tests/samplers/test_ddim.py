"""DDIM by example, and the settings that are refused."""

import pytest
import torch

from ddpm_core import DDIM, Ancestral, Schedule, invert, sampling_loop, trailing
from ddpm_core._types import Prediction

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
X = torch.tensor([[0.5, -1.0], [2.0, 0.25]])


def shrinking(x_t, t, cond=None):
    return Prediction(x_t / (1 + t))


def last(snapshots):
    *_, end = snapshots
    return end


def test_noise_is_drawn_for_eta_above_0_except_on_the_last_step():
    assert not DDIM(STEEP).draws_noise(1, 2)
    assert DDIM(STEEP, eta=0.5).draws_noise(1, 2)
    assert not DDIM(STEEP, eta=0.5).draws_noise(0, 2)


def test_the_sample_is_the_last_prediction():
    *_, before, end = sampling_loop(DDIM(STEEP), shrinking, X, lambda t: X)
    assert torch.equal(end.x_t, before.x0_hat)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_is_that_of_the_input_and_float32_for_half_precision(dtype):
    for sampler in (DDIM(STEEP), DDIM(STEEP, eta=0.7)):
        end = last(sampling_loop(sampler, shrinking, X.to(dtype), lambda t: X.to(dtype)))
        assert end.x_t.dtype == torch.promote_types(dtype, torch.float32)
    assert invert(DDIM(STEEP), shrinking, X.to(dtype)).dtype == end.x_t.dtype


def test_inversion_and_sampling_return_the_image():
    """With small steps the error of the round trip is of first order."""
    schedule = Schedule.cosine(400)

    def best(x_t, t, cond=None):  # for data N(0, 1/4)
        ab, noise = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t)
        return Prediction((ab.sqrt() / (ab + 4 * noise)).float() * x_t)

    sampler = DDIM(schedule)
    code = invert(sampler, best, X / 4)
    back = last(sampling_loop(sampler, best, code, lambda t: X)).x_t
    assert (back - X / 4).abs().max() < 0.02 * (X / 4).abs().max()


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_eta_outside_0_to_1_is_refused(eta):
    with pytest.raises(ValueError, match=r"eta = .* is outside \[0, 1\]; 0 is deterministic"):
        DDIM(STEEP, eta=eta)


def test_inversion_of_other_samplers_is_refused(unchecked):
    with pytest.raises(ValueError, match="only eta = 0 can be inverted"):
        invert(DDIM(STEEP, eta=0.5), shrinking, X)
    with pytest.raises(TypeError, match="sampler is a Ancestral; only DDIM with eta = 0"):
        invert(Ancestral(STEEP), shrinking, X)
    with pytest.raises(ValueError, match=r"timestep = 3 is not one of the times below 4: \(2, 0\)"):
        invert(DDIM(STEEP, trailing(STEEP, 2)), shrinking, X, timestep=3)


def test_inversion_uses_cond_and_builds_no_graph():
    received = []

    def denoiser(x_t, t, cond=None):
        received.append(cond)
        return Prediction(x_t / 2)

    labels = torch.tensor([3, 5])
    code = invert(DDIM(STEEP), denoiser, X.clone().requires_grad_(), labels)
    assert all(torch.equal(each, labels) for each in received)
    assert not code.requires_grad
    with pytest.raises(ValueError, match="timestep = 4 is not one of the times below 4"):
        invert(DDIM(STEEP), denoiser, X, timestep=4)


def test_a_step_that_needs_noise_refuses_none(unchecked):
    with pytest.raises(ValueError, match="the step 3 -> 1 draws noise, but noise is None"):
        DDIM(STEEP, eta=0.5).step(shrinking, X, 1, 3, None)
    with pytest.raises(ValueError, match="noise has shape"):
        DDIM(STEEP, eta=0.5).step(shrinking, X, 1, 3, X[:1])
