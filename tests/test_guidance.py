"""Classifier-free guidance by example, and the settings that are refused."""

import pytest
import torch

from ddpm_core import Guided, NetworkDenoiser, Schedule, UNet, drop_labels
from ddpm_core._types import Prediction
from ddpm_core.randomness import keyed_generator

X = torch.tensor([[0.5, -1.0], [2.0, 0.25]])
LABELS = torch.tensor([0, 1])


def doubling(x_t, t, cond=None):
    """Predict x_t without a label, and (k + 2) x_t with label k."""
    return Prediction(x_t if cond is None else x_t * (cond[:, None] + 2))


def test_scale_above_1_extrapolates_past_the_conditional_prediction():
    assert torch.equal(Guided(doubling, 3.0)(X, 4, LABELS).x0_hat, X * torch.tensor([[4.0], [7.0]]))


def test_the_papers_weight_is_the_scale_minus_1():
    """(1 + w) conditional - w unconditional, Ho & Salimans (2022), Eq. 6, with w = 2."""
    want = 3 * doubling(X, 4, LABELS).x0_hat - 2 * doubling(X, 4).x0_hat
    assert torch.equal(Guided(doubling, 3.0)(X, 4, LABELS).x0_hat, want)


def test_each_sample_is_guided_at_its_own_timestep():
    timesteps = torch.tensor([1, 5])
    prediction = Guided(doubling, 3.0, interval=(1, 4))(X, timesteps, LABELS).x0_hat
    assert torch.equal(prediction, X * torch.tensor([[4.0], [3.0]]))


def test_scale_0_applies_only_inside_the_interval():
    """Two samples at two timesteps: one is guided to scale 0, the other is outside the interval."""
    guided = Guided(doubling, scale=0.0, interval=(2, 3))
    both = guided(X, torch.tensor([3, 5]), torch.tensor([0, 1])).x0_hat
    assert torch.equal(both[:1], doubling(X[:1], 3).x0_hat)
    assert torch.equal(both[1:], doubling(X[1:], 5, torch.tensor([1])).x0_hat)


def test_rescaling_uses_all_channels_and_only_inside_the_interval():
    """Images of two channels, one of which has all the variance; the second is outside."""
    x = torch.stack([torch.ones(2, 2), torch.tensor([[0.0, 4.0], [8.0, 2.0]])]).expand(2, 2, 2, 2)

    def denoiser(x_t, t, cond=None):
        return Prediction(x_t if cond is None else 3 * x_t)

    guided = Guided(denoiser, scale=2.0, rescale=1.0, interval=(2, 3))
    got = guided(x, torch.tensor([3, 5]), torch.tensor([0, 0])).x0_hat
    assert torch.allclose(got, 3 * x, rtol=1e-6)
    half = Guided(denoiser, 2.0, rescale=0.5)(x, 3, torch.tensor([0, 0])).x0_hat
    assert torch.allclose(half, 5 * x * (1 + 3 / 5) / 2, rtol=1e-6)


def test_timesteps_are_doubled_with_the_batch():
    seen = []

    def denoiser(x_t, t, cond=None):
        seen.append((x_t.shape, t, cond))
        return Prediction(x_t)

    timesteps = torch.tensor([1, 5])
    Guided(denoiser, 3.0, no_label=9)(X, timesteps, LABELS)
    [(shape, times, cond)] = seen
    assert shape == (4, 2)
    assert torch.equal(times, torch.tensor([1, 5, 1, 5]))
    assert torch.equal(cond, torch.tensor([0, 1, 9, 9]))


@pytest.mark.parametrize("rescale", [0.0, 0.7])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_follows_the_input(dtype, rescale):
    prediction = Guided(doubling, 1.5, rescale=rescale)(X.to(dtype), 4, LABELS).x0_hat
    assert prediction.dtype == dtype
    assert prediction.isfinite().all()


def test_network_is_evaluated_once_on_the_doubled_batch():
    """A U-Net without labels predicts what it predicts for the label `classes`, bit for bit."""
    network = UNet(1, width=8, multipliers=(1, 2), classes=3).eval()
    calls = []
    network.register_forward_pre_hook(lambda module, arguments: calls.append(arguments))
    denoiser = NetworkDenoiser(Schedule.cosine(10), network)
    with torch.no_grad():
        Guided(denoiser, 3.0, no_label=network.classes)(
            torch.zeros(3, 1, 8, 8), 5, LABELS[[0, 1, 1]]
        )
    [(x_t, t, labels)] = calls
    assert x_t.shape == (6, 1, 8, 8)
    assert t.tolist() == [5] * 6
    assert labels.tolist() == [0, 1, 1, 3, 3, 3]


def test_guiding_an_eps_network_at_zero_snr_is_refused():
    schedule = Schedule.cosine(10).with_zero_terminal_snr()
    network = UNet(1, width=8, multipliers=(1, 2), classes=3)
    guided = Guided(NetworkDenoiser(schedule, network, "eps"), 3.0, no_label=3)
    with pytest.raises(ValueError, match="eps -> x0 does not exist at t = 10, where the SNR is 0"):
        guided(torch.zeros(1, 1, 8, 8), 10, torch.tensor([0]))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scale": -0.5}, "scale = -0.5 must be finite and at least 0"),
        ({"scale": float("nan")}, "scale = nan must be finite"),
        ({"scale": float("inf")}, "scale = inf must be finite"),
        ({"rescale": 1.5}, r"rescale = 1.5 is outside \[0, 1\]"),
        ({"interval": (5, 2)}, r"interval = \(5, 2\) must be two timesteps \(low, high\)"),
        ({"interval": (0, 2)}, r"interval = \(0, 2\) must be two timesteps \(low, high\)"),
    ],
)
def test_invalid_guidance_settings_are_refused(options, sentence):
    with pytest.raises(ValueError, match=sentence):
        Guided(doubling, **options)


@pytest.mark.parametrize("probability", [-0.1, 1.5, float("nan")])
def test_label_dropout_outside_0_to_1_is_refused(probability):
    with pytest.raises(ValueError, match=f"probability = {probability} of dropping a label"):
        drop_labels(LABELS, probability, 9, keyed_generator(0, "test"))


def test_label_dropout_is_repeatable_and_leaves_global_state_alone():
    before = torch.get_rng_state()
    first, again = (
        drop_labels(torch.arange(100) % 9, 0.5, 9, keyed_generator(0, "test")) for _ in range(2)
    )
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), before)
    assert 0 < (first == 9).sum() < 100


def test_scale_in_an_interval_keeps_its_digits():
    """1.7 is no float32: guided at every timestep of an interval it is guided without one."""
    x = X.double()
    plain = Guided(doubling, 1.7)(x, 4, LABELS).x0_hat
    assert torch.equal(Guided(doubling, 1.7, interval=(1, 9))(x, 4, LABELS).x0_hat, plain)
    times = torch.tensor([4, 4])
    assert torch.equal(Guided(doubling, 1.7, interval=(1, 9))(x, times, LABELS).x0_hat, plain)
