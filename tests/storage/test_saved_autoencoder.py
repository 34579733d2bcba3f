"""A saved autoencoder: its weights, latent scale, decoder variance and samples."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ddpm_core.data.dataset import load_dataset
from ddpm_core.latent import posterior_of
from ddpm_core.storage.saved_autoencoder import load_autoencoder
from ddpm_core.training.trained import latest_checkpoint
from tests.training.miniature_runs import encode

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "autoencoder"
    assert encode(folder) == 0
    return folder


def test_saved_weights_are_the_ema_and_latents_have_mean_0_and_variance_1(finished):
    autoencoder, data = load_autoencoder(finished, CPU), load_dataset("digits")
    y = autoencoder.encode(data.take(data.train), data.train)
    channels = y.transpose(0, 1).flatten(1).double()
    torch.testing.assert_close(channels.mean(1), torch.zeros(4).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        channels.var(1, correction=0), torch.ones(4).double(), atol=1e-5, rtol=0
    )
    assert y.shape[1:] == (4, 4, 4)
    assert autoencoder.grey_levels == 17
    newest = latest_checkpoint(finished / "checkpoints")
    assert newest is not None
    ema = load_file(newest / "ema.safetensors")
    for name, value in autoencoder.network.state_dict().items():
        assert torch.equal(value, ema[name]), name


def test_decoder_variance_is_the_mean_squared_error(finished):
    autoencoder, data = load_autoencoder(finished, CPU), load_dataset("digits")
    few = data.train[torch.arange(500) * 1200 // 500]
    y = autoencoder.encode(data.take(few), few)
    error = (autoencoder.decode(y) - data.take(few)).square().mean()
    assert autoencoder.decoder_variance == pytest.approx(float(error), rel=1e-4)


def test_latents_are_samples_keyed_by_the_image(finished):
    autoencoder, data = load_autoencoder(finished, CPU), load_dataset("digits")
    few = data.test[:4]
    x = data.take(few)
    y, encoder = autoencoder._draw(x, few)
    assert not torch.equal(y, encoder.mean)
    again = autoencoder.encode(x[2:], few[2:])
    assert torch.equal(again, y[2:])
    raw = posterior_of(autoencoder.network.encode(x))
    torch.testing.assert_close(encoder.mean, autoencoder.scaled.scale.apply(raw.mean))
