"""Guarantees of every function of the mathematics: timesteps, shapes, dtypes, devices, purity."""

from collections.abc import Callable
from itertools import permutations

import pytest
import torch
from torch import Tensor

from ddpm_core._types import PARAMETERIZATIONS
from ddpm_core.forward_process import q_marginal, q_sample, q_step
from ddpm_core.losses import prediction_target
from ddpm_core.parameterization import convert
from ddpm_core.posterior import q_posterior
from ddpm_core.schedules import Schedule

S = Schedule.linear(1000)
s_4, t_4 = torch.tensor([1, 0, 250, 999]), torch.tensor([2, 7, 500, 1000])

# Each is f(x, y, s, t), linear in the two events; unused arguments are ignored.
MEANS: dict[str, Callable[..., Tensor]] = {
    "q_marginal": lambda x, y, s, t: q_marginal(S, x, t).mean,
    "q_step": lambda x, y, s, t: q_step(S, x, s, t).mean,
    "q_sample": lambda x, y, s, t: q_sample(S, x, t, y),
    "q_posterior": lambda x, y, s, t: q_posterior(S, x, y, s, t).mean,
}
for a, b in permutations(PARAMETERIZATIONS, 2):
    MEANS[f"{a} -> {b}"] = lambda x, y, s, t, a=a, b=b: convert(S, a, b, x, y, t)
for a in PARAMETERIZATIONS:
    MEANS[f"target {a}"] = lambda x, y, s, t, a=a: prediction_target(S, a, x, y, t)
VARIANCES: dict[str, Callable[..., Tensor]] = {
    "q_marginal.var": lambda x, y, s, t: q_marginal(S, x, t).var.expand(x.shape),
    "q_step.var": lambda x, y, s, t: q_step(S, x, s, t).var.expand(x.shape),
    "q_posterior.var": lambda x, y, s, t: q_posterior(S, x, y, s, t).var.expand(x.shape),
}
BOTH = MEANS | VARIANCES
each = pytest.mark.parametrize("f", BOTH.values(), ids=BOTH.keys())
each_mean = pytest.mark.parametrize("f", MEANS.values(), ids=MEANS.keys())
PAIRED = {name: f for name, f in MEANS.items() if name not in ("q_marginal", "q_step")}
each_of_two_events = pytest.mark.parametrize("f", PAIRED.values(), ids=PAIRED.keys())


def events(*shape: int, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(shape, generator=generator) for _ in range(2))
    return x.to(dtype), y.to(dtype)


@each
@pytest.mark.parametrize("shape", [(4,), (4, 4, 4, 4), (4, 1, 5, 7)], ids=str)
def test_batch_rows_and_ints_give_the_same_bits(f, shape):
    """t differs in every row; one of the shapes has batch == channels == height == width."""
    x, y = events(*shape)
    batch = f(x, y, s_4, t_4)
    assert batch.shape == shape
    for i in range(4):
        row = slice(i, i + 1)
        assert torch.equal(f(x[row], y[row], s_4[row], t_4[row]), batch[row])
        assert torch.equal(f(x[row], y[row], int(s_4[i]), int(t_4[i])), batch[row])


@each
def test_one_int_equals_the_same_timestep_in_every_row(f):
    x, y = events(4, 4, 4)
    assert torch.equal(f(x, y, 3, 500), f(x, y, torch.full((4,), 3), torch.full((4,), 500)))


@each
def test_memory_layout_does_not_change_the_result(f):
    x, y = events(4, 4, 5)
    want = f(x, y, s_4, t_4)
    turned = (value.transpose(0, 2).contiguous().transpose(0, 2) for value in (x, y))
    assert torch.equal(f(*turned, s_4, t_4), want)
    expanded = (value[:, :1].expand(4, 4, 5) for value in (x, y))
    repeated = (value[:, :1].repeat(1, 4, 1) for value in (x, y))
    assert torch.equal(f(*expanded, s_4, t_4), f(*repeated, s_4, t_4))
    spaced = torch.stack([s_4, t_4], 1).unbind(1)  # timesteps with a stride of 2
    assert torch.equal(f(x, y, *spaced), want)


@each
def test_arguments_and_global_state_are_not_changed(f):
    x, y = events(4, 4, 4)
    arguments = (x, y, s_4, t_4, S.log_alpha_bar)
    before = [value.clone() for value in arguments]
    state, dtype = torch.get_rng_state(), torch.get_default_dtype()
    f(x, y, s_4, t_4)
    assert all(torch.equal(value, old) for value, old in zip(arguments, before, strict=True))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_default_dtype() == dtype


@each_mean
def test_gradient_equals_the_coefficient(f):
    x, y = (value.requires_grad_() for value in events(4, 4, 4))
    grads = torch.autograd.grad(f(x, y, s_4, t_4).sum(), (x, y), allow_unused=True)
    one, zero = torch.ones(4, 4, 4), torch.zeros(4, 4, 4)
    coefs = f(one, zero, s_4, t_4), f(zero, one, s_4, t_4)
    for grad, coef in zip(grads, coefs, strict=True):
        assert torch.equal(zero if grad is None else grad, coef)


@each
@pytest.mark.parametrize(
    "pair", [(3, 500), (s_4, t_4), (s_4.to("meta"), t_4.to("meta"))], ids=["int", "cpu", "meta"]
)
def test_result_is_on_the_device_of_the_data(f, pair):
    """Values on the meta device cannot be read, so this also shows that no check synchronises."""
    x, y = (value.to("meta") for value in events(4, 4, 4))
    result = f(x, y, *pair)
    assert result.device.type == "meta"
    assert result.shape == (4, 4, 4)
    assert result.dtype == torch.float32


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_follows_the_input(f, dtype):
    assert f(*events(4, 4, dtype=dtype), s_4, t_4).dtype == dtype


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32_and_cast_once(f, dtype):
    """|error| <= u |y| from the final cast, plus 4 u32 of the terms: coefficient, product, sum.

    u is half precision's unit roundoff, u32 float32's; float16 adds its smallest subnormal.
    """
    x, y = events(4, 32, 32, dtype=dtype)
    got = f(x, y, s_4, t_4)
    x, y = x.double(), y.double()
    want = f(x, y, s_4, t_4)
    terms = f(x, y * 0, s_4, t_4).abs() + f(x * 0, y, s_4, t_4).abs()
    half, u32 = torch.finfo(dtype), torch.finfo(torch.float32).eps / 2
    in_float32 = 4 * u32 * terms
    smallest = half.smallest_normal * half.eps / 2
    allowed = half.eps / 2 * (want.abs() + in_float32) + in_float32 + smallest
    assert got.dtype == dtype
    assert ((got.double() - want).abs() <= allowed).all()


@each
def test_an_empty_batch_gives_an_empty_result(f):
    none = torch.zeros(0, dtype=torch.int64)
    assert f(torch.zeros(0, 3, 2), torch.zeros(0, 3, 2), none, none).shape == (0, 3, 2)


@each
def test_invalid_timesteps_are_refused(unchecked, f):
    for t, message in (
        (500.0, "t = 500.0 is a float"),
        (t_4.reshape(4, 1), r"t has dtype torch.int64 and shape \(4, 1\)"),
        (t_4[:1], "t has 1 entries but the batch has 4 samples"),
        (-1, "t = -1 is outside"),
        (torch.tensor([1, 2, 3, 1001]), r"t\[3\] = 1001 is outside .*\.\.1000; t = 0 is data"),
    ):
        with pytest.raises((TypeError, ValueError), match=message):
            f(*events(4, 4, 4), 0, t)


@each
def test_integer_events_are_refused(unchecked, f):
    images = torch.zeros(4, 4, dtype=torch.uint8)
    with pytest.raises(TypeError, match=r"has dtype torch.uint8; the mathematics needs floating"):
        f(images, images, s_4, t_4)


@each_of_two_events
def test_events_of_different_shape_or_dtype_are_refused(unchecked, f):
    for shape in ((1, 4, 4), (4, 4), (4, 1, 4), (4, 4, 4, 1)):
        with pytest.raises(
            ValueError, match=r"has shape .* they must be equal, .* Reshape, cast or move .* first"
        ):
            f(torch.zeros(4, 4, 4), torch.zeros(shape), s_4, t_4)
    with pytest.raises(ValueError, match=r"has dtype .*nothing is broadcast or cast silently"):
        f(torch.zeros(4, 4), torch.zeros(4, 4, dtype=torch.float64), s_4, t_4)
