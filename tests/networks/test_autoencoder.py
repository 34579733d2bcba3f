"""The autoencoder: shapes, factors, gradients, and the settings that are refused."""

import pytest
import torch

from ddpm_core.networks.autoencoder import Autoencoder


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_latents_are_smaller_by_the_factor(factor, channels):
    network = Autoencoder(channels, latent_channels=5, factor=factor, width=8)
    x = torch.zeros(2, channels, 16, 24)
    moments = network.encode(x)
    assert moments.shape == (2, 10, 16 // factor, 24 // factor)
    assert network.decode(moments[:, :5]).shape == x.shape


def test_more_blocks_have_more_parameters():
    sizes = [sum(p.numel() for p in Autoencoder(1, width=8, blocks=n).parameters()) for n in (1, 2)]
    assert sizes[1] > 1.5 * sizes[0]


def test_every_parameter_gets_a_gradient():
    """Parameters are perturbed first, because the last layer of each branch starts at 0."""
    torch.manual_seed(0)
    network = Autoencoder(1, factor=4, width=8)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    moments = network.encode(torch.randn(2, 1, 8, 8))
    mean, log_var = moments.chunk(2, dim=1)
    (network.decode(mean + log_var).square().mean()).backward()
    missing = [name for name, p in network.named_parameters() if not p.grad.abs().max() > 0]
    assert missing == []


def test_images_of_a_batch_are_independent():
    torch.manual_seed(0)
    network = Autoencoder(1, factor=2, width=8).eval()
    x = torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(network.encode(x)[1:2], network.encode(x[1:2]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Autoencoder(1, factor=3), "factor = 3 must be one of 2, 4, 8"),
        (lambda: Autoencoder(1, latent_channels=0), "each must be at least 1"),
        (
            lambda: Autoencoder(1, factor=4).encode(torch.zeros(1, 1, 8, 6)),
            "8 x 6 pixels are not divisible",
        ),
    ],
)
def test_invalid_settings_and_sizes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
