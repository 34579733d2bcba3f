"""The U-Net: shapes, independence of samples, zero output at initialisation, and gradients."""

from pathlib import Path

import pytest
import torch

from ddpm_core.networks.unet import SelfAttention, UNet
from ddpm_core.training.build import build_network
from ddpm_core.training.diffusion_config import PRESETS, TrainConfig

SIZES = [(8, 8), (28, 28), (7, 13), (1, 1), (5, 64)]


def random_unet(**options) -> UNet:
    """Return a small U-Net with no parameter at 0, so that every path contributes."""
    torch.manual_seed(0)
    network = UNet(**({"image_channels": 3, "width": 8, "multipliers": (1, 2)} | options)).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape))
    return network


def batch(size=(8, 8), channels=3, n=5):
    torch.manual_seed(1)
    return torch.randn(n, channels, *size), torch.tensor([1, 7, 100, 999, 1000])[:n]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_output_shape_equals_input_shape(size, channels):
    x, t = batch(size, channels)
    assert random_unet(image_channels=channels)(x, t).shape == x.shape


def test_output_is_zero_at_initialisation():
    x, t = batch()
    assert (UNet(3, width=8, classes=10)(x, t) == 0).all()


@pytest.mark.parametrize("row", range(5))
def test_samples_of_a_batch_are_independent(row):
    """Changing all other rows leaves this one unchanged, bitwise."""
    x, t = batch()
    network = random_unet()
    before = network(x, t)[row]
    others = torch.arange(5) != row
    x, t = x.clone(), t.clone()
    x[others], t[others] = x[others] + 1, 500
    assert torch.equal(network(x, t)[row], before)


def test_permuting_the_batch_permutes_the_output():
    x, t = batch()
    order = torch.tensor([3, 0, 4, 1, 2])
    network = random_unet()
    assert torch.equal(network(x[order], t[order]), network(x, t)[order])


def test_every_parameter_gets_a_gradient():
    x, t = batch()
    network = random_unet(classes=10, fourier_frequencies=(3,), blocks=2)
    network(x, t, torch.tensor([0, 3, 9, 10, 10])).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_every_output_pixel_depends_on_every_input_pixel():
    x, t = batch((9, 7), n=1)
    x.requires_grad_()
    random_unet()(x, t)[0, 0, 4, 3].backward()
    assert (x.grad != 0).all()


@pytest.mark.parametrize("input_name", ["time", "label"])
def test_timestep_and_label_change_the_output(input_name):
    x, t = batch()
    network = random_unet(classes=10)
    labels = torch.zeros(5, dtype=torch.int64)
    if input_name == "time":
        assert not torch.equal(network(x, t, labels), network(x, t + 1, labels))
    else:
        assert not torch.equal(network(x, t, labels), network(x, t, labels + 1))


def test_labels_default_to_the_unconditional_label():
    x, t = batch()
    network = random_unet(classes=10)
    assert torch.equal(network(x, t), network(x, t, torch.full((5,), 10)))


def test_labels_without_classes_are_refused():
    x, t = batch()
    with pytest.raises(ValueError, match="labels need a U-Net with classes"):
        random_unet()(x, t, t)


@pytest.mark.parametrize(
    "options", [{"width": 7}, {"image_channels": 0}, {"multipliers": ()}, {"attention": [True]}]
)
def test_invalid_settings_are_refused(options):
    with pytest.raises(ValueError, match=r"each must be at least 1|pass one each"):
        UNet(**({"image_channels": 1, "width": 8, "multipliers": (1, 2)} | options))


@pytest.mark.parametrize("preset", PRESETS)
def test_documented_parameter_counts_of_the_presets_are_true(preset):
    count = sum(p.numel() for p in build_network(TrainConfig(preset=preset), 1).parameters())
    page = (Path(__file__).parents[2] / "docs" / "running.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith(f"| {preset} |")]
    assert row.endswith(f"| {count:,} |")


def test_attention_equals_the_fused_kernel(monkeypatch):
    """Products of 16 terms of size 1 and a softmax: some 32 roundings of u = 2^-24 each."""
    torch.manual_seed(0)
    attention = SelfAttention(128)
    torch.nn.init.normal_(attention.out.weight, std=0.1)
    x = torch.randn(2, 128, 3, 5)
    ours = attention(x)
    qkv = attention.qkv(attention.norm(x)).reshape(2, 3, 2, 64, 15).permute(1, 0, 2, 4, 3)
    fused = torch.nn.functional.scaled_dot_product_attention(*qkv)
    want = x + attention.out(fused.permute(0, 1, 3, 2).reshape(2, 128, 3, 5))
    assert (ours - want).abs().max() < 128 * 2**-24 * want.abs().max()
