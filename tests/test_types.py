"""Coefficients are cast and broadcast, and mistakes of shape or dtype are refused."""

import pytest
import torch

from ddpm_core._types import (
    Gaussian,
    Prediction,
    check_event,
    check_same_event,
    compute_dtype,
    expand_to,
)

HALVES = (torch.float16, torch.bfloat16)


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_computed_in_float32(dtype):
    assert compute_dtype(torch.zeros(1, dtype=dtype)) == torch.float32


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_full_precision_is_computed_in_its_own_dtype(dtype):
    assert compute_dtype(torch.zeros(1, dtype=dtype)) == dtype


def test_a_coefficient_follows_the_batch_axis_even_where_batch_is_width():
    coef = torch.arange(4, dtype=torch.float64)
    x = torch.ones(4, 4, 4, 4)
    product = expand_to(coef, x) * x
    assert expand_to(coef, x).shape == (4, 1, 1, 1)
    for i in range(4):
        assert (product[i] == i).all()


def test_a_coefficient_is_cast_once_to_the_dtype_of_the_computation():
    third = torch.tensor(1 / 3, dtype=torch.float64)
    for dtype in (torch.float32, *HALVES):
        coef = expand_to(third, torch.zeros(2, 2, dtype=dtype))
        assert coef.dtype == torch.float32
        assert coef == third.float()
    assert expand_to(third, torch.zeros(2, 2, dtype=torch.float64)) == third
    assert expand_to(third, torch.zeros(2, 2)).shape == ()


def test_a_coefficient_is_moved_to_the_device_of_the_data():
    x = torch.zeros(4, 2, device="meta")
    assert expand_to(torch.ones(4, dtype=torch.float64), x).device.type == "meta"


@pytest.mark.parametrize("shape", [(4, 1), (3,), (1,), (4, 4, 4, 4)])
def test_a_coefficient_that_does_not_fit_the_batch_is_refused(unchecked, shape):
    with pytest.raises(ValueError, match=r"does not fit x of shape \(4, 4, 4, 4\).*one entry per"):
        expand_to(torch.ones(shape, dtype=torch.float64), torch.ones(4, 4, 4, 4))


def test_integer_images_are_refused_with_the_scaling_formula(unchecked):
    with pytest.raises(TypeError, match=r"x_0 has dtype torch.uint8.*2 \* image / \(L - 1\) - 1"):
        check_event("x_0", torch.zeros(2, 2, dtype=torch.uint8))


def test_values_that_are_not_batched_tensors_are_refused(unchecked):
    with pytest.raises(TypeError, match=r"x_0 is a list; it must be a torch.Tensor"):
        check_event("x_0", [1.0])
    with pytest.raises(ValueError, match="x_0 has no axes; its first axis must be the batch"):
        check_event("x_0", torch.tensor(1.0))


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (torch.zeros(1, 3), r"noise has shape \(1, 3\) but x_0 has shape \(2, 3\)"),
        (torch.zeros(3), r"noise has shape \(3,\) but x_0 has shape \(2, 3\)"),
        (torch.zeros(2, 3, dtype=torch.float64), "noise has dtype torch.float64 but x_0 has dtype"),
        (torch.zeros(2, 3, device="meta"), "noise has device meta but x_0 has device cpu"),
    ],
)
def test_tensors_that_differ_in_shape_dtype_or_device_are_refused(noise, message):
    with pytest.raises(ValueError, match=message) as refusal:
        check_same_event("noise", noise, "x_0", torch.zeros(2, 3))
    assert "Reshape, cast or move noise first" in str(refusal.value)


def test_a_gaussian_sample_is_mean_plus_root_of_variance_times_noise():
    mean = torch.tensor([[1.0, -2.0], [0.0, 5.0]], dtype=torch.float64)
    noise = torch.tensor([[1.0, -1.0], [0.5, 0.0]], dtype=torch.float64)
    want = torch.tensor([[3.0, -4.0], [1.5, 5.0]], dtype=torch.float64)
    of_one_variance = Gaussian(mean, torch.tensor(4.0, dtype=torch.float64))
    of_each = Gaussian(mean, torch.tensor([[4.0], [9.0]], dtype=torch.float64))
    assert torch.equal(
        of_one_variance.sample(noise), torch.tensor([[3.0, -4.0], [1.0, 5.0]]).double()
    )
    assert torch.equal(of_each.sample(noise), want)


def test_a_gaussian_without_variance_returns_its_mean():
    mean = torch.tensor([[1.0, -2.0]])
    assert torch.equal(Gaussian(mean, torch.tensor(0.0)).sample(torch.ones(1, 2)), mean)


@pytest.mark.parametrize("dtype", HALVES)
def test_a_gaussian_in_half_precision_is_sampled_in_float32_and_cast_once(dtype):
    """|error| <= u |y| + 4 u32 (|mean| + |std noise|): one cast after root, product and sum."""
    generator = torch.Generator().manual_seed(0)
    mean, noise = (torch.randn(64, 64, generator=generator).to(dtype) for _ in range(2))
    var = torch.rand(64, 1, generator=generator).add(0.1).to(dtype)
    got = Gaussian(mean, var).sample(noise)
    spread = var.double().sqrt() * noise.double()
    want = mean.double() + spread
    u, u32 = torch.finfo(dtype).eps / 2, torch.finfo(torch.float32).eps / 2
    in_float32 = 4 * u32 * (mean.double().abs() + spread.abs())
    assert got.dtype == dtype
    assert ((got.double() - want).abs() <= u * (want.abs() + in_float32) + in_float32).all()


@pytest.mark.parametrize("shape", [(4,), (4, 4), (4, 4, 4), (2, 1, 1, 1), (4, 4, 4, 3)])
def test_a_variance_that_would_broadcast_along_the_wrong_axis_is_refused(unchecked, shape):
    with pytest.raises(ValueError, match=r"would broadcast along the wrong axes.*expand_to"):
        Gaussian(torch.zeros(4, 4, 4, 4), torch.ones(shape))


def test_a_variance_of_another_dtype_is_refused(unchecked):
    with pytest.raises(
        ValueError, match=r"var has dtype torch.float64, mean torch.float32; .* Cast var"
    ):
        Gaussian(torch.zeros(2, 2), torch.ones(2, 1, dtype=torch.float64))


def test_noise_of_another_shape_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"noise has shape \(1, 2\) but mean has shape \(2, 2\)"):
        Gaussian(torch.zeros(2, 2), torch.ones(2, 1)).sample(torch.zeros(1, 2))


def test_gaussian_and_prediction_are_frozen():
    x = torch.zeros(2, 2)
    for noun, field in ((Gaussian(x, x), "mean"), (Prediction(x), "x0_hat")):
        with pytest.raises(AttributeError, match="cannot assign"):
            setattr(noun, field, x)
