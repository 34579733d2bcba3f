"""Image folders and resizing."""

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core.data.dataset import load_dataset
from tests.data.datasets_written import GREY, RNG, refusal, write_idx, write_npz, write_png

# ------------------------------------------------------------------------------------------- folder


def test_class_folders_become_labels_sorted_by_name(tmp_path):
    for i, name in enumerate(["b/1.PNG", "a/2.png", "a/1.png", "b/0.png"]):
        write_png(tmp_path / name, GREY[i])
    (tmp_path / "notes.txt").write_text("skipped")
    (tmp_path / ".trash").mkdir()
    (tmp_path / "a" / "._1.png").write_text("skipped")
    data = load_dataset(f"folder:{tmp_path}")
    assert data.class_names == ("a", "b")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(data.images[:, 0].numpy(), GREY[[2, 1, 3, 0]])


def test_one_colour_image_makes_all_images_rgb(tmp_path):
    colour = RNG.integers(0, 256, (6, 5, 3), np.uint8)
    for i in range(3):
        write_png(tmp_path / f"{i}.png", GREY[i])
    assert load_dataset(f"folder:{tmp_path}").shape == (1, 6, 5)
    write_png(tmp_path / "3.png", colour)
    data = load_dataset(f"folder:{tmp_path}")
    assert data.shape == (3, 6, 5)
    assert np.array_equal(data.images[3].numpy(), colour.transpose(2, 0, 1))
    for channel in range(3):
        assert np.array_equal(data.images[:3, channel].numpy(), GREY[:3])


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("LA", 1), ("RGBA", 3), ("P", 3), ("CMYK", 3)]
)
def test_every_mode_becomes_grey_or_rgb(tmp_path, mode, channels):
    """Transparency is ignored, because it is asked for."""
    black = np.where(GREY[:3] > 127, 255, 0).astype(np.uint8)
    for i in range(3):
        image = Image.fromarray(black[i]).convert(mode)
        if mode in ("LA", "RGBA"):
            image.putalpha(7)
        if mode == "P":
            image.info["transparency"] = bytes(256)
        image.save(tmp_path / f"{i}.{'jpg' if mode == 'CMYK' else 'png'}", quality=100)
    data = load_dataset(f"folder:{tmp_path}", background="none")
    assert data.shape == (channels, 6, 5)
    exact = 0 if mode != "CMYK" else 8  # JPEG at quality 100 rounds its coefficients
    want = np.broadcast_to(black[:, None], (3, channels, 6, 5)).astype(int)
    assert np.abs(data.images.numpy() - want).max() <= exact


def test_exif_orientation_is_applied(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # stored rotated by 90 degrees anticlockwise
    for i in range(3):
        Image.fromarray(GREY[i]).save(tmp_path / f"{i}.png", exif=turned)
    data = load_dataset(f"folder:{tmp_path}")
    assert np.array_equal(data.images[:, 0].numpy(), np.rot90(GREY[:3], -1, (1, 2)))


def test_error_for_different_sizes_names_the_first_two_that_differ(tmp_path):
    for i, side in enumerate([6, 6, 7, 8]):
        write_png(tmp_path / f"{i}.png", RNG.integers(0, 256, (5, side), np.uint8))
    message = refusal(f"folder:{tmp_path}")
    assert f"{tmp_path}/0.png is 6 x 5 and {tmp_path}/2.png is 7 x 5 pixels" in message
    assert "--image-size" in message
    assert load_dataset(f"folder:{tmp_path}", 4).shape == (1, 4, 4)


def test_image_size_crops_the_centre_before_resizing(tmp_path):
    wide = np.full((6, 12), 255, np.uint8)
    wide[:, 3:9] = GREY[0, :6, :1]  # only the central square remains
    for i, image in enumerate([wide, wide.T, np.full((6, 6), 9, np.uint8)]):
        write_png(tmp_path / f"{i}.png", image)
    data = load_dataset(f"folder:{tmp_path}", 6)
    assert np.array_equal(data.images[0, 0].numpy(), wide[:, 3:9])
    assert np.array_equal(data.images[1, 0].numpy(), wide[:, 3:9].T)
    small = load_dataset(f"folder:{tmp_path}", 2)
    assert small.images[2].unique().tolist() == [9]


def test_resizing_averages_pixels(tmp_path):
    board = np.indices((32, 32)).sum(0) % 2 * np.uint8(255)
    images = np.stack([board.astype(np.uint8)] * 2 + [255 - board.astype(np.uint8)])
    data = load_dataset(f"npz:{write_npz(tmp_path / 'a.npz', images=images)}", 8)
    inner = data.images[:, :, 2:-2, 2:-2].double()  # at the border the filter window is truncated
    assert (inner - 127.5).abs().max() <= 4, inner


def test_unreadable_image_is_named(tmp_path):
    for i in range(3):
        write_png(tmp_path / f"{i}.png", GREY[i])
    path = tmp_path / "1.png"
    path.write_bytes(path.read_bytes()[:60])
    sentence = (
        "1 of 3 images in {} cannot be used: 1 unreadable (1.png, the first: cannot be decoded"
    )
    assert refusal(f"folder:{tmp_path}").startswith(sentence.format(tmp_path))
    path.write_text("no image")
    assert refusal(f"folder:{tmp_path}").startswith(sentence.format(tmp_path))


def test_16_bit_images_are_refused(tmp_path):
    write_png(tmp_path / "0.png", np.full((4, 4), 1000, np.uint16))
    sentence = "1 unreadable (0.png, the first: has 16 bits per channel; must be 8"
    assert sentence in refusal(f"folder:{tmp_path}")


def test_folders_with_ambiguous_classes_are_refused(tmp_path):
    assert "contains no images: searched it and its sub-folders for .png, .jpg" in refusal(
        f"folder:{tmp_path}"
    )
    write_png(tmp_path / "a" / "0.png", GREY[0])
    (tmp_path / "b").mkdir()
    assert f"{tmp_path}/b is a class folder but contains no .png" in refusal(f"folder:{tmp_path}")
    write_png(tmp_path / "1.png", GREY[1])
    message = refusal(f"folder:{tmp_path}")
    assert "mixes images and class folders, such as 1.png and a/0.png" in message


# --------------------------------------------------------------------------------------- image size


def test_only_8_bit_images_are_resized(tmp_path):
    assert "has 17 grey levels of 8 x 8 pixels; only 8-bit images" in refusal("digits", 16)
    assert load_dataset("digits", 8).digest() == load_dataset("digits").digest()
    path = write_npz(tmp_path / "a.npz", images=GREY / 255 * 2 - 1)
    assert "has float images of 6 x 5 pixels" in refusal(f"npz:{path}", 6)
    assert "image_size = 0 is below 1" in refusal("digits", 0)
    folder = write_idx(tmp_path / "m", train_images=GREY, t10k_images=GREY)
    data = load_dataset(f"idx:{folder}", 3)
    assert data.shape == (1, 3, 3)
    assert data.images.dtype == torch.uint8
