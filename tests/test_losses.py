"""Training targets, the simple loss per sample, and its weights."""

import pytest
import torch

from ddpm_core._types import PARAMETERIZATIONS
from ddpm_core.forward_process import q_sample
from ddpm_core.losses import l_simple, min_snr_weight, prediction_target
from ddpm_core.parameterization import convert
from ddpm_core.schedules import Schedule

STEEP = Schedule.from_betas([0.1, 0.5, 0.3, 0.8])
TIMESTEPS = torch.tensor([1, 2, 3, 4])
X_0, NOISE = torch.randn(2, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
# 8 u kappa, kappa = 1 + |log alpha_bar_t| / (1 - alpha_bar_t) < 4 on this schedule.
REL = 8 * 2.0**-53 * 4


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
@pytest.mark.parametrize("source", ["eps", "x0"])
def test_the_target_equals_the_converted_truth(name, source):
    """Two routes: from (x_0, noise) directly, and via x_t. The second magnifies x_t's error."""
    truth = {"eps": NOISE, "x0": X_0}[source]
    x_t, zero = q_sample(STEEP, X_0, TIMESTEPS, NOISE), torch.zeros_like(X_0)
    direct = prediction_target(STEEP, name, X_0, NOISE, TIMESTEPS)
    via_x_t = convert(STEEP, source, name, truth, x_t, TIMESTEPS)
    sizes = q_sample(STEEP, X_0.abs(), TIMESTEPS, NOISE.abs())  # the sizes of the terms of x_t
    terms = (
        convert(STEEP, source, name, truth, zero, TIMESTEPS).abs()
        + convert(STEEP, source, name, zero, sizes, TIMESTEPS).abs()
        if source != name
        else zero
    )
    own = prediction_target(STEEP, name, X_0, zero, TIMESTEPS).abs()
    own = own + prediction_target(STEEP, name, zero, NOISE, TIMESTEPS).abs()
    assert ((direct - via_x_t).abs() <= REL * (2 * terms + own)).all()


def test_eps_target_is_the_noise_and_x0_target_the_data():
    assert prediction_target(STEEP, "eps", X_0, NOISE, 2) is NOISE
    assert prediction_target(STEEP, "x0", X_0, NOISE, 2) is X_0


def test_v_and_score_targets_by_hand():
    """alpha_bar_2 = 0.45: v = sqrt(.45) noise - sqrt(.55) x_0, score = -noise / sqrt(.55)."""
    v = prediction_target(STEEP, "v", X_0, NOISE, 2)
    score = prediction_target(STEEP, "score", X_0, NOISE, 2)
    terms = 0.45**0.5 * NOISE.abs() + 0.55**0.5 * X_0.abs()
    assert ((v - (0.45**0.5 * NOISE - 0.55**0.5 * X_0)).abs() <= REL * terms).all()
    assert ((score + NOISE / 0.55**0.5).abs() <= REL * NOISE.abs() / 0.55**0.5).all()


def test_the_v_target_is_minus_x_0_at_zero_snr():
    schedule = STEEP.with_zero_terminal_snr()
    assert torch.equal(prediction_target(schedule, "v", X_0, NOISE, 4), -X_0)
    assert torch.equal(prediction_target(schedule, "score", X_0, NOISE, 4), -NOISE)


@pytest.mark.parametrize("name", PARAMETERIZATIONS)
def test_a_target_at_t_0_is_refused(name):
    with pytest.raises(ValueError, match=r"t = 0 is outside 1..4; t = 0 is data"):
        prediction_target(STEEP, name, X_0, NOISE, 0)


def test_an_unknown_target_is_refused(unchecked):
    with pytest.raises(ValueError, match=r"parameterization = 'epsilon' is unknown; .*'eps', 'x0'"):
        prediction_target(STEEP, "epsilon", X_0, NOISE, 1)


def test_the_loss_is_the_mean_square_of_each_sample():
    prediction = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]], [[-3.0, 1.0]]])
    target = torch.tensor([[[1.0, 0.0]], [[0.0, 0.0]], [[1.0, -2.0]]])
    loss = l_simple(prediction, target)
    assert torch.equal(loss.per_sample, torch.tensor([2.0, 0.0, 12.5]))
    assert loss.mean == torch.tensor(14.5 / 3)
    assert loss.mean.shape == ()


@pytest.mark.parametrize("shape", [(4,), (4, 4), (4, 4, 4, 4)], ids=str)
def test_each_sample_has_one_loss_for_any_event_shape(shape):
    """An error of i in sample i alone stays in its row; () is a valid event shape."""
    error = torch.arange(4.0).reshape(4, *[1] * (len(shape) - 1)).expand(shape)
    target = torch.randn(shape, generator=torch.Generator().manual_seed(0)).round()
    assert torch.equal(
        l_simple(target + error, target).per_sample, torch.tensor([0.0, 1.0, 4.0, 9.0])
    )


def test_the_gradient_matches_the_mean_squared_error():
    prediction = torch.tensor([[1.0, 2.0], [0.0, 4.0]], requires_grad=True)
    l_simple(prediction, torch.zeros(2, 2)).mean.backward()
    assert torch.equal(prediction.grad, 2 * prediction.detach() / 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_compared_in_float32(dtype):
    """1 + 2^-7 squared needs 15 bits, and in float16 the sum of 1,000 terms would lose them."""
    prediction = torch.full((2, 1000), 1 + 2.0**-7, dtype=dtype)
    for target in (torch.zeros(2, 1000, dtype=dtype), torch.zeros(2, 1000)):
        loss = l_simple(prediction, target)
        assert loss.per_sample.dtype == torch.float32
        # 1,000 additions of equal numbers in float32, in any order.
        error = (loss.per_sample.double() - (1 + 2.0**-7) ** 2).abs()
        assert (error <= 1000 * torch.finfo(torch.float32).eps).all()


@pytest.mark.parametrize("shape", [(4, 1), (1, 4), (4,), (4, 4, 1), (3, 4)], ids=str)
def test_a_target_of_another_shape_is_refused(unchecked, shape):
    with pytest.raises(ValueError, match=r"target has shape .* but prediction has shape \(4, 4\)"):
        l_simple(torch.zeros(4, 4), torch.zeros(shape))


def test_integers_are_refused(unchecked):
    images, floats = torch.zeros(4, 4, dtype=torch.uint8), torch.zeros(4, 4)
    with pytest.raises(TypeError, match=r"prediction has dtype torch.uint8"):
        l_simple(images, floats)
    with pytest.raises(TypeError, match=r"target has dtype torch.uint8"):
        l_simple(floats, images)


def test_min_snr_weights_by_hand():
    """alpha_bar_2 = 0.45, SNR = 9 / 11; alpha_bar_1 = 0.9, SNR = 9, above gamma = 5."""
    t = torch.tensor([2, 1])
    want = {"eps": (1, 5 / 9), "x0": (9 / 11, 5), "v": (0.45, 0.5), "score": (0.55, 0.1 * 5 / 9)}
    for name, weights in want.items():
        got = min_snr_weight(STEEP, name, t)
        assert torch.allclose(got, torch.tensor(weights, dtype=torch.float64), rtol=REL, atol=0)
        assert min_snr_weight(STEEP, name, 1) == got[1]


def test_weights_apply_per_sample():
    loss = l_simple(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1))
    assert loss.weighted(torch.tensor([3.0, 0.5]).double()).per_sample.tolist() == [3.0, 2.0]
    assert loss.weighted(torch.tensor(2.0).double()).per_sample.tolist() == [2.0, 8.0]
    assert loss.weighted(torch.ones(2).double()).per_sample.dtype == torch.float32


@pytest.mark.parametrize("shape", [(2, 1), (1,), (3,), (1, 2)], ids=str)
def test_weights_of_another_shape_are_refused(unchecked, shape):
    loss = l_simple(torch.tensor([[1.0], [2.0]]), torch.zeros(2, 1))
    with pytest.raises(ValueError, match=r"of shape \(.*\) does not fit x of shape \(2,\)"):
        loss.weighted(torch.ones(shape).double())


@pytest.mark.parametrize("gamma", [0.0, -1.0, float("nan")])
def test_gamma_not_above_0_is_refused(gamma):
    with pytest.raises(ValueError, match=r"gamma = .* must be above 0"):
        min_snr_weight(STEEP, "eps", 1, gamma)


def test_a_weight_at_t_0_is_refused():
    with pytest.raises(ValueError, match=r"t = 0 is outside 1..4"):
        min_snr_weight(STEEP, "eps", 0)
