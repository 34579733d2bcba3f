"""The learned variance by example: values, gradients, and the input that is refused."""

import pytest
import torch

from ddpm_core._types import Prediction
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.guidance import Guided
from ddpm_core.learned_variance import l_hybrid, learned_range, split_range
from ddpm_core.likelihood import reverse_of, vlb_terms
from ddpm_core.losses import l_simple
from ddpm_core.networks.unet import UNet
from ddpm_core.samplers.ancestral import Ancestral, reverse_kernel
from ddpm_core.samplers.base import generate
from ddpm_core.schedules import Schedule
from ddpm_core.training.diffusion_config import TrainConfig

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
X = torch.linspace(-1, 1, 12).reshape(2, 1, 2, 3)


def test_interpolation_0_and_1_give_the_fixed_variances():
    for s, t in ((1, 2), (1, 4), (2, 3)):
        for interpolation, fixed in ((0.0, "fixed_small"), (1.0, "fixed_large")):
            got = reverse_kernel(
                STEEP, X / 2, X, s, t, "learned_range", torch.full_like(X, interpolation)
            )
            want = reverse_kernel(STEEP, X / 2, X, s, t, fixed)
            assert torch.equal(got.mean, want.mean)
            assert torch.allclose(got.var, want.var.expand_as(X), rtol=1e-6, atol=0)


def test_timesteps_may_be_ints_or_tensors():
    interpolation = torch.rand(X.shape, generator=torch.Generator().manual_seed(0))
    for s, t in ((0, 1), (0, 3), (1, 2), (2, 4)):
        timesteps = torch.full((2,), s), torch.full((2,), t)
        assert torch.equal(
            learned_range(STEEP, interpolation, s, t),
            learned_range(STEEP, interpolation, *timesteps),
        )
        assert torch.equal(
            learned_range(STEEP, interpolation, timesteps[0], t),
            learned_range(STEEP, interpolation, s, t),
        )


def test_half_precision_is_computed_in_float32_and_cast_once():
    interpolation = torch.linspace(0, 1, 12).reshape(X.shape).bfloat16()
    got = learned_range(STEEP, interpolation, 1, 3)
    assert got.dtype == torch.bfloat16
    assert torch.equal(got, learned_range(STEEP, interpolation.float(), 1, 3).bfloat16())


def test_learned_variance_doubles_the_output_channels():
    colours = UNet(3, width=8, multipliers=(1,), learns_variance=True)
    assert colours(torch.zeros(2, 3, 2, 3), torch.tensor([1, 4])).shape == (2, 6, 2, 3)
    network = UNet(1, width=8, multipliers=(1,), learns_variance=True)
    output = network(X, torch.tensor([1, 4]))
    assert output.shape == (2, 2, 2, 3)
    found = NetworkDenoiser(STEEP, network, learns_variance=True)(X, 4)
    assert found.x0_hat.shape == found.var_interpolation.shape == X.shape
    assert torch.equal(found.var_interpolation, torch.full_like(X, 0.5))  # at initialisation
    value, interpolation = split_range(torch.cat([X, -torch.ones_like(X)], dim=1))
    assert torch.equal(value, X)
    assert torch.equal(interpolation, torch.zeros_like(X))


def test_clipping_and_guidance_keep_the_variance_interpolation():
    def denoiser(x_t, t, cond=None):
        labels = torch.zeros(len(x_t)) if cond is None else cond
        return Prediction(3 * x_t, labels.reshape(-1, 1, 1, 1) / 10 + 0 * x_t)

    labels = torch.tensor([2, 7])
    want = labels.reshape(-1, 1, 1, 1) / 10 + 0 * X
    for guided in (Guided(denoiser, 3.0), Guided(denoiser, 3.0, no_label=10)):
        assert torch.equal(ClipX0(guided)(X, 2, labels).var_interpolation, want)


def test_sampler_and_bound_use_the_learned_variance():
    def sure(x_t, t, cond=None):
        return Prediction(x_t / 2, torch.zeros_like(x_t))

    samples = []
    for variance in ("learned_range", "fixed_small"):
        sampler = Ancestral(STEEP, (4, 2, 1, 0), variance)
        *_, last = generate(sampler, sure, X.shape[1:], indices=range(2), seed=0)
        samples.append(last.x_t)
    assert torch.allclose(*samples, rtol=0, atol=1e-6)
    noise = torch.ones_like(X).double()
    terms = [
        vlb_terms(
            STEEP, X.double(), reverse_of(STEEP, sure, each), lambda t: noise, grey_levels=None
        )[1:]
        for each in ("learned_range", "fixed_small")
    ]
    assert torch.allclose(*terms, rtol=1e-12, atol=1e-12)


def test_the_bound_sends_no_gradient_to_the_mean():
    """x0_hat has the gradient of the squared error alone; that of the variance is not 0."""
    t = torch.tensor([1, 3])
    x0_hat, interpolation = X.clone().requires_grad_(), torch.full_like(X, 0.5).requires_grad_()
    simple = l_simple(x0_hat, X / 3)
    (alone,) = torch.autograd.grad(simple.mean, x0_hat, retain_graph=True)
    reverse = reverse_kernel(STEEP, x0_hat, 2 * X, t - 1, t, "learned_range", interpolation)
    assert reverse.mean.requires_grad
    loss = l_hybrid(STEEP, simple, X, 2 * X, t, reverse, 17, weight=1.0)
    grad_x0, grad_interpolation = torch.autograd.grad(loss.mean, (x0_hat, interpolation))
    assert torch.equal(grad_x0, alone)
    assert (grad_interpolation != 0).all()


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: reverse_kernel(STEEP, X, X, 1, 2, "learned_range"), "predicts no variance"),
        (
            lambda: reverse_kernel(STEEP, X, X, 1, 2, "learned_range", X[:1]),
            "var_interpolation has shape",
        ),
        (lambda: learned_range(Schedule.from_betas([0.5]), X, 0, 1), "needs T >= 2"),
        (lambda: split_range(X), "must have twice the channels"),
        (lambda: TrainConfig(loss="vlb", snr_gamma=5.0), "which --loss vlb does not have"),
        (lambda: TrainConfig(loss="hybrid", T=1, schedule="cosine"), "needs --T >= 2"),
    ],
)
def test_a_missing_or_undefined_variance_is_refused(unchecked, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()
