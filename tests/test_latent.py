"""Latents by example: distribution, loss, scale, bound, and the input that is refused."""

import math

import pytest
import torch

from ddpm_core import Gaussian
from ddpm_core.latent import (
    LatentScale,
    LatentSpace,
    autoencoder_loss,
    gradient_error,
    latent_bound,
    posterior_of,
)

MOMENTS = torch.tensor([[[1.0, 2.0], [0.0, -2.0]], [[0.5, 0.5], [2.0, 4.0]]])  # (2, 2, 2)


def test_encoder_output_is_means_then_log_variances():
    q = posterior_of(MOMENTS)
    torch.testing.assert_close(q.mean, MOMENTS[:, :1])
    torch.testing.assert_close(q.var, torch.tensor([[[1.0, 0.1353353]], [[7.389056, 54.59815]]]))


def test_the_loss_is_the_weighted_sum_of_its_terms():
    """An error of 1 in one of four pixels, at a corner: one difference of two each way is 1."""
    x = torch.zeros(1, 1, 2, 2)
    x_hat = x.clone()
    x_hat[..., 0, 0] = 1.0
    q = Gaussian(torch.full((1, 1, 1, 1), 2.0), torch.ones(1, 1, 1, 1))
    found = autoencoder_loss(x, x_hat, q, kl_weight=0.5, gradient_weight=3.0)
    assert found.reconstruction.tolist() == [0.25]
    assert found.kl.tolist() == [2.0]
    assert found.gradient.tolist() == [1.0]
    assert found.total.per_sample.tolist() == [0.25 + 0.5 * 2 / 4 + 3.0]


def test_half_precision_is_compared_in_float32():
    x = torch.full((1, 1, 2, 2), 0.5)
    q = Gaussian(torch.zeros(1, 1, 1, 1).bfloat16(), torch.ones(1, 1, 1, 1).bfloat16())
    found = autoencoder_loss(x, x.bfloat16(), q, kl_weight=1.0)
    assert found.total.per_sample.dtype == torch.float32
    assert found.total.mean == 0


def test_each_channel_is_scaled_and_unscaled():
    z = torch.tensor([[1.0, 10.0], [3.0, 30.0]])
    scale = LatentScale.measured(z)
    assert scale.shift.tolist() == [2.0, 20.0]
    assert scale.scale.tolist() == [1.0, 10.0]
    y = scale.apply(z)
    assert y.tolist() == [[-1.0, -1.0], [1.0, 1.0]]
    assert scale.undo(y).tolist() == z.tolist()
    scaled = scale.apply_to_distribution(Gaussian(z, torch.full_like(z, 4.0)))
    torch.testing.assert_close(scaled.var, torch.tensor([[4.0, 0.04]] * 2))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_scaling_keeps_the_dtype(dtype):
    scale = LatentScale.measured(torch.randn(8, 3, 2, generator=torch.Generator().manual_seed(0)))
    z = torch.ones(2, 3, 2, dtype=dtype)
    assert scale.apply(z).dtype == scale.undo(z).dtype == dtype
    assert scale.apply_to_distribution(Gaussian(z, z)).var.dtype == dtype


def test_half_precision_is_scaled_in_float32_and_cast_once():
    scale = LatentScale(torch.tensor([100.0]).double(), torch.tensor([0.1]).double())
    z = torch.tensor([[100.5]], dtype=torch.bfloat16)
    assert float(scale.apply(z)) == float(torch.tensor((float(z) - 100) / 0.1).bfloat16())


def test_latent_space_encodes_means_or_samples_and_decodes():
    def encoder(x):
        return torch.cat([2 * x, torch.zeros_like(x)], dim=1)

    scale = LatentScale(torch.tensor([1.0]).double(), torch.tensor([4.0]).double())
    space = LatentSpace(encoder, lambda z: z / 2, scale)
    x = torch.tensor([[3.0]])
    assert space.encode(x).tolist() == [[1.25]]
    assert space.encode(x, torch.tensor([[2.0]])).tolist() == [[1.25 + 2 / 4]]
    assert space.decode(space.encode(x)).tolist() == x.tolist()


def test_the_bound_of_one_number_by_hand():
    one, zero = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    nats = torch.tensor([2.0]).double()
    got = latent_bound(one, zero, Gaussian(zero, one), Gaussian(zero, one), nats, None)
    assert float(got) == pytest.approx(2 + 0.5)  # both densities share their constant
    grey = latent_bound(one, zero, Gaussian(zero, one), Gaussian(zero, one), nats, 3)
    upper = 0.5 * math.erfc(0.5 / math.sqrt(2))  # the highest of three grey levels is above 1/2
    assert float(grey) == pytest.approx(2 - 0.5 * math.log(2 * math.pi) - math.log(upper))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: posterior_of(torch.zeros(2, 3)), "must output twice the channels"),
        (lambda: posterior_of(torch.zeros(2)), "must output twice the channels"),
        (lambda: posterior_of(torch.zeros(2, 2, dtype=torch.int64)), "needs floating point"),
        (lambda: gradient_error(torch.zeros(1, 1, 1, 4), torch.zeros(1, 1, 1, 4)), "no neighbours"),
        (lambda: gradient_error(torch.zeros(4, 4), torch.zeros(4, 4)), "no neighbours both ways"),
        (lambda: LatentScale.measured(torch.ones(4, 2)), "the scale of channel 0 is 0.0"),
        (
            lambda: LatentScale.measured(torch.tensor([[0.0, 1.0], [math.nan, 2.0]])),
            "the scale of channel 0 is nan",
        ),
        (
            lambda: LatentScale(torch.zeros(2).double(), torch.ones(3).double()),
            "both need one number per channel",
        ),
        (
            lambda: LatentScale(torch.zeros(2).double(), torch.ones(2).double()).apply(
                torch.zeros(1, 3, 2)
            ),
            "do not have the 2 channels of the scale",
        ),
        (
            lambda: LatentScale(torch.zeros(2).double(), torch.ones(2).double()).undo(
                torch.zeros(2)
            ),
            "do not have the 2 channels",
        ),
    ],
)
@pytest.mark.usefixtures("unchecked")
def test_invalid_input_is_refused_with_a_message(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
