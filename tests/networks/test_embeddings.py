"""Sinusoidal timestep embeddings and Fourier features."""

import mpmath as mp
import pytest
import torch

from ddpm_core.networks.embeddings import fourier_features, timestep_embedding


@pytest.mark.parametrize("t", [0, 1, 7, 937, 1000, 4000])
def test_timestep_embedding_is_sines_then_cosines_of_the_documented_frequencies(t):
    """float64 angles carry 3 u t, u = 2^-53; the result is rounded to float32 once."""
    got = timestep_embedding(torch.tensor([t]), 8)[0].double()
    omega = [mp.mpf(10000) ** (-mp.mpf(i) / 4) for i in range(4)]
    want = [mp.sin(w * t) for w in omega] + [mp.cos(w * t) for w in omega]
    for mine, exact in zip(got.tolist(), want, strict=True):
        assert abs(mine - exact) <= 2**-24 * abs(exact) + 8 * (t + 1) * 2**-53


def test_no_two_timesteps_share_an_embedding():
    rows = timestep_embedding(torch.arange(4001), 32)
    assert len(torch.unique(rows, dim=0)) == 4001


@pytest.mark.parametrize("t", [torch.tensor([1.0]), torch.tensor([[1]])])
def test_timestep_embedding_refuses_anything_but_integer_batches(t, unchecked):
    with pytest.raises(TypeError, match="integers of shape"):
        timestep_embedding(t, 8)


def test_fourier_features_repeat_with_the_grey_levels():
    """17 grey levels are 1/8 apart, which is the period of frequency 4."""
    values = torch.arange(17.0).reshape(1, 1, 1, 17) / 8 - 1
    features = fourier_features(values, (4,))
    assert features.shape == (1, 3, 1, 17)
    assert (features[:, 1].abs() < 16 * torch.pi * 2**-23).all()
    assert (features[:, 2] - 1).abs().max() < 16 * torch.pi * 2**-23
    assert torch.equal(fourier_features(values, ()), values)
