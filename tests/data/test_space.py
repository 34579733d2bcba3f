"""Pixels and latents implement the same operations."""

import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.space import PIXELS, Space, enter_space, reopen_space, space_named

CPU = torch.device("cpu")


def test_pixels_are_the_identity(tmp_path):
    images = load_dataset("digits")
    few = images.train[:3]
    x = images.take(few)
    space, dataset = enter_space(images, None, CPU, write=True)
    assert space is reopen_space(tmp_path, CPU, None) is PIXELS
    assert dataset is images
    assert PIXELS.encode(x, few) is PIXELS.decode(x) is PIXELS.colors(x) is x
    assert PIXELS.data_digest("digest") == "digest"
    x_0, grey_levels, nats = PIXELS.bound_terms(x, few, 17)
    assert x_0.dtype == torch.float64
    assert torch.equal(x_0, x.double())
    assert grey_levels == 17
    assert torch.equal(nats, torch.zeros(3).double())
    PIXELS.install(tmp_path)
    assert not any(tmp_path.iterdir())
    assert PIXELS.is_installed(tmp_path)


def test_latents_implement_every_operation_of_pixels(coder, tmp_path):
    images = load_dataset("digits")
    space, latents = enter_space(images, coder, CPU, write=False)
    few = images.train[:3]
    x = images.take(few)
    for each in (PIXELS, space):
        assert isinstance(each, Space)
    assert (space.clips, space.exact, space.suffix) == (False, False, "-latent")
    assert space.data_digest("digest") != "digest"
    y = space.encode(x, few)
    assert y.shape == (3, 4, 4, 4)
    assert space.decode(y).shape == x.shape
    assert space.colors(y).shape == (3, 3, 8, 8)
    assert space.decoded_shape((4, 4, 4)) == (1, 8, 8)
    x_0, grey_levels, nats = space.bound_terms(x, few, 17)
    assert torch.equal(x_0, y.double())
    assert grey_levels is None, "latents are continuous-valued"
    assert (nats != 0).all()
    assert not space.is_installed(tmp_path)
    space.install(tmp_path)
    assert space.is_installed(tmp_path)
    assert reopen_space(tmp_path, CPU, space.digest).digest == space.digest
    assert torch.equal(latents.images[few], y)


def test_spaces_are_named_in_messages():
    assert space_named(None) == "pixels"
    assert space_named("0123456789abcdef") == "the latents of autoencoder 0123456789ab"
