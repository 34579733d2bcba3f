"""The exponential moving average, compared with its closed form."""

import mpmath as mp
import pytest
import torch
from torch import nn

from ddpm_core.training.ema import Ema, ema_decay


def test_ema_is_the_weighted_sum_of_all_weights():
    """A step is one lerp in float64: two roundings, so 3 u a step of the largest value."""
    torch.manual_seed(0)
    network = nn.Linear(3, 2).double()
    ema = Ema(network, 0.9)
    want = [mp.mpf(value) for value in network.weight.flatten().tolist()]
    largest = max(map(abs, want))
    for step in range(60):
        with torch.no_grad():
            network.weight.copy_(torch.randn(2, 3))
        ema.update(network, step)
        d = min(mp.mpf("0.9"), mp.mpf(1 + step) / (10 + step))
        weights = [mp.mpf(value) for value in network.weight.flatten().tolist()]
        want = [d * old + (1 - d) * new for old, new in zip(want, weights, strict=True)]
        largest = max(largest, *map(abs, weights))
    for got, exact in zip(ema.network.weight.flatten().tolist(), want, strict=True):
        assert abs(got - exact) <= 3 * 60 * 2**-53 * largest


def test_decay_warms_up_to_its_value():
    assert [ema_decay(step, 0.5) for step in (0, 1, 7, 8, 1000)] == [
        1 / 10,
        2 / 11,
        8 / 17,
        0.5,
        0.5,
    ]


def test_buffers_are_copied_and_weights_are_not_shared():
    network = nn.BatchNorm1d(2)
    ema = Ema(network, 0.999)
    network.running_mean.fill_(3.0)
    network.weight.data.fill_(2.0)
    assert (ema.network.weight == 1).all()
    ema.update(network, 10_000)
    assert (ema.network.running_mean == 3).all()
    assert not ema.network.training
    assert not any(p.requires_grad for p in ema.network.parameters())


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match=f"decay = {decay}"):
        Ema(nn.Linear(1, 1), decay)
