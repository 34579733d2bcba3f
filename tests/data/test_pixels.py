"""The map from [-1, 1] to 8-bit pixels, which the FID features and every picture use."""

import re

import numpy as np
import pytest
import torch

from ddpm_core.data.pixels import NOT_FINITE, to_pixels


def test_every_grey_level_round_trips():
    grey = np.arange(256).reshape(16, 16)
    pixels = to_pixels((grey / 127.5 - 1).astype(np.float32)[None])
    assert pixels.dtype == np.uint8
    assert np.array_equal(pixels, np.stack([grey] * 3, axis=-1))


def test_values_between_grey_levels_are_rounded_to_the_nearest():
    """Truncation would darken every image by half a grey level."""
    levels = np.array([[[0.4, 0.6, 100.4, 100.6, 254.4, 254.6]]])
    pixels = to_pixels((levels / 127.5 - 1).astype(np.float32))
    assert pixels[0, :, 0].tolist() == [0, 1, 100, 101, 254, 255]


def test_values_are_clipped_and_non_finite_ones_are_magenta():
    values = np.array([[[-9, -1, 0, 1, 9, np.nan, np.inf, -np.inf]]], np.float32)
    want = [(0,) * 3, (0,) * 3, (128,) * 3, (255,) * 3, (255,) * 3] + [NOT_FINITE] * 3
    assert np.array_equal(to_pixels(values)[0], want)


def test_one_non_finite_channel_makes_the_pixel_magenta():
    image = np.zeros((3, 1, 2), np.float32)
    image[1, 0, 1] = np.nan
    assert to_pixels(image).tolist() == [[[128] * 3, [*NOT_FINITE]]]


def test_colour_channels_keep_their_order():
    image = np.array([1, -1, 0], np.float32).reshape(3, 1, 1)
    assert to_pixels(image).tolist() == [[[255, 0, 128]]]


def test_leading_axes_are_preserved():
    images = np.linspace(-1, 1, 2 * 4 * 3 * 5 * 7, dtype=np.float32).reshape(2, 4, 3, 5, 7)
    pixels = to_pixels(images)
    assert pixels.shape == (2, 4, 5, 7, 3)
    assert np.array_equal(pixels[1, 2], to_pixels(images[1, 2]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensor_and_array_give_the_same_pixels(dtype):
    """A tensor may require a gradient, and NumPy has no bfloat16."""
    images = torch.linspace(-1, 1, 4 * 3 * 5 * 7, requires_grad=True).reshape(4, 3, 5, 7).to(dtype)
    assert np.array_equal(to_pixels(images), to_pixels(images.detach().float().numpy()))


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(4, 2, 8, 8), (8, 8), (0, 1, 8, 8)])
def test_wrong_image_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=re.escape(f"images have shape {shape}")):
        to_pixels(np.zeros(shape, np.float32))
