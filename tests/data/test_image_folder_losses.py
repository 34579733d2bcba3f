"""Image files that are left out of a folder, all named at once, and transparency."""

import numpy as np
import pytest
from PIL import Image

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.reading import OTHER_SIZE, UNREADABLE
from tests.data.datasets_written import GREY, RNG, refusal, write_png


def tear(path):
    path.write_bytes(path.read_bytes()[:60])


def test_torn_files_are_all_named_at_once_and_skipped_when_asked(tmp_path):
    for i in range(12):
        write_png(tmp_path / f"{i:02}.jpg", GREY[i])
    for i in (3, 7, 8):
        tear(tmp_path / f"{i:02}.jpg")
    message = refusal(f"folder:{tmp_path}")
    assert "3 of 12 images" in message
    assert "3 unreadable (03.jpg, 07.jpg, 08.jpg, the first: cannot be decoded: " in message
    assert message.endswith("or pass --skip-unreadable to leave them out")
    data = load_dataset(f"folder:{tmp_path}", skip_unreadable=True)
    assert len(data.images) == data.reading.used == 9
    assert data.reading.skipped == {UNREADABLE: ("03.jpg", "07.jpg", "08.jpg")}
    assert "9 images used, skipped 3: 3 unreadable (03.jpg" in data.reading.line


def test_labels_stay_with_their_images_when_files_are_skipped(tmp_path):
    for i in range(12):
        write_png(tmp_path / "ab"[i % 2] / f"{i:02}.png", GREY[i])
    tear(tmp_path / "a" / "02.png")
    data = load_dataset(f"folder:{tmp_path}", skip_unreadable=True)
    assert data.labels.tolist() == [0] * 5 + [1] * 6
    assert np.array_equal(data.images[5:, 0].numpy(), GREY[1:12:2])


@pytest.mark.parametrize("n", [99, 98])
def test_one_percent_is_left_out_unasked(tmp_path, n):
    small = RNG.integers(0, 256, (n + 1, 2, 2), np.uint8)
    for i in range(n + 1):
        write_png(tmp_path / f"{i:03}.png", small[i])
    (tmp_path / "050.png").write_bytes(b"")
    if n == 98:
        assert "1 of 99 images" in refusal(f"folder:{tmp_path}")
    else:
        assert load_dataset(f"folder:{tmp_path}").reading.skipped == {UNREADABLE: ("050.png",)}


def test_unsupported_formats_and_broken_links_count_but_other_files_do_not(tmp_path):
    for i in range(6):
        write_png(tmp_path / f"{i}.png", GREY[i])
        (tmp_path / f"{i}.txt").write_text("a caption")
        (tmp_path / f"._{i}.png").touch()
    assert len(load_dataset(f"folder:{tmp_path}").images) == 6
    Image.fromarray(GREY[0]).save(tmp_path / "a.gif")
    (tmp_path / "b.png").symlink_to(tmp_path / "c.png")
    message = refusal(f"folder:{tmp_path}")
    assert "2 of 8 images" in message
    assert "1 format not supported (a.gif); 1 broken link (b.png)" in message


def test_images_of_another_size_than_most_are_skipped_when_asked(tmp_path):
    write_png(tmp_path / "0.png", GREY[0, :5])
    for i in range(1, 6):
        write_png(tmp_path / f"{i}.png", GREY[i])
    message = refusal(f"folder:{tmp_path}")
    assert "0.png is 5 x 5 and" in message
    assert "or --skip-unreadable to leave out the 1 of another size than most" in message
    data = load_dataset(f"folder:{tmp_path}", skip_unreadable=True)
    assert data.shape == (1, 6, 5)
    assert data.reading.skipped == {OTHER_SIZE: ("0.png",)}


def test_one_percent_of_another_size_is_left_out_unasked(tmp_path):
    small = RNG.integers(0, 256, (99, 2, 2), np.uint8)
    write_png(tmp_path / "a.png", GREY[0])
    for i in range(98):
        write_png(tmp_path / f"{i:03}.png", small[i])
    assert "to leave out the 1 of another size than most" in refusal(f"folder:{tmp_path}")
    write_png(tmp_path / "099.png", small[98])
    assert load_dataset(f"folder:{tmp_path}").reading.skipped == {OTHER_SIZE: ("a.png",)}


def test_files_of_several_images_are_unreadable(tmp_path):
    frames = [Image.fromarray(each) for each in GREY[:3]]
    for ending in ("png", "tiff", "webp"):
        frames[0].save(tmp_path / f"0.{ending}", save_all=True, append_images=frames[1:])
        assert "holds 3 images; must hold one" in refusal(f"folder:{tmp_path}")
        (tmp_path / f"0.{ending}").unlink()
        Image.fromarray(GREY[0]).save(tmp_path / f"1.{ending}")


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_images_of_more_than_8_bits_are_unreadable(tmp_path, dtype):
    Image.fromarray(GREY[0].astype(dtype)).save(tmp_path / "0.tiff")
    assert "has 16 bits per channel; must be 8" in refusal(f"folder:{tmp_path}")


def test_a_folder_of_unusable_files_alone_is_refused(tmp_path):
    (tmp_path / "0.png").touch()
    with pytest.raises(ValueError, match=r"1 unreadable \(0.png, the first: .*\. Replace them"):
        load_dataset(f"folder:{tmp_path}", skip_unreadable=True)


@pytest.mark.parametrize("ending", ["png", "webp", "bmp", "tiff", "tif"])
def test_formats_give_the_same_pixels(tmp_path, ending):
    colour = RNG.integers(0, 256, (3, 6, 5, 3), np.uint8)
    for i in range(3):
        options = {"lossless": True} if ending == "webp" else {}
        Image.fromarray(colour[i]).save(tmp_path / f"{i}.{ending}", **options)
    data = load_dataset(f"folder:{tmp_path}")
    assert np.array_equal(data.images.numpy(), colour.transpose(0, 3, 1, 2))


# ------------------------------------------------------------------------------------- transparency


def shapes(folder, mode="RGBA"):
    """Write black images whose shapes are in the transparency; return the opacity."""
    alpha = GREY[:4]
    for i, each in enumerate(alpha):
        image = Image.new(mode, (5, 6))
        image.putalpha(Image.fromarray(each))
        image.save(folder / f"{i}.png")
    return alpha


def test_transparency_needs_a_background(tmp_path):
    shapes(tmp_path)
    message = refusal(f"folder:{tmp_path}")
    assert "4 of 4 images" in message
    assert "have transparent pixels: 0.png, 1.png, 2.png, and 1 more" in message
    assert "Pass --background white" in message


@pytest.mark.parametrize(("mode", "channels"), [("RGBA", 3), ("LA", 1)])
def test_transparent_pixels_show_the_background(tmp_path, mode, channels):
    alpha = shapes(tmp_path, mode)
    data = load_dataset(f"folder:{tmp_path}", background="white")
    assert data.shape == (channels, 6, 5)
    assert np.abs(data.images.numpy().astype(int) - (255 - alpha[:, None].astype(int))).max() <= 1
    red = load_dataset(f"folder:{tmp_path}", background="#ff0000")
    assert red.shape == (3, 6, 5)
    assert np.array_equal(red.images[:, 0].numpy(), data.images[:, 0].numpy())
    assert not red.images[:, 1:].any()


@pytest.mark.parametrize("background", ["black", "none"])
def test_images_that_become_all_alike_are_refused(tmp_path, background):
    shapes(tmp_path)
    with pytest.raises(ValueError, match="all 4 images are the same"):
        load_dataset(f"folder:{tmp_path}", background=background)


def test_transparent_colours_of_a_palette_show_the_background(tmp_path):
    for i in range(4):
        image = Image.fromarray(GREY[i] % 4, "P")
        image.putpalette([0, 0, 0, 80, 80, 80, 160, 160, 160, 240, 240, 240])
        image.save(tmp_path / f"{i}.png", transparency=0)
    assert "have transparent pixels" in refusal(f"folder:{tmp_path}")
    data = load_dataset(f"folder:{tmp_path}", background="white")
    assert sorted(data.images.unique().tolist()) == [80, 160, 240, 255]


def test_opaque_images_need_no_background(tmp_path):
    for i in range(4):
        image = Image.fromarray(GREY[i])
        image.putalpha(255)
        image.save(tmp_path / f"{i}.png")
    assert np.array_equal(load_dataset(f"folder:{tmp_path}").images[:, 0].numpy(), GREY[:4])


def test_an_unknown_colour_is_refused_before_reading(tmp_path):
    with pytest.raises(ValueError, match="--background blurple is not a colour; pass a name"):
        load_dataset(f"folder:{tmp_path}", background="blurple")
