"""Images that cannot be what was meant."""

import numpy as np
import pytest

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.value_checks import check_values
from tests.data.datasets_written import GREY, refusal, write_npz, write_png


@pytest.mark.parametrize("high", [1, 9, 16, 63])
def test_grey_levels_at_the_dark_end_are_refused_with_the_remedy(high):
    images = GREY % (high + 1)
    with pytest.raises(ValueError, match=f"only the grey levels 0 to {high} of 256, so") as caught:
        check_values(images, None, "npz:x")
    assert f"--grey-levels {high + 1} if there are no others" in str(caught.value)
    assert "or pass --grey-levels 256" in str(caught.value)
    check_values(images, high + 1, "npz:x")
    check_values(images, 256, "npz:x")


@pytest.mark.parametrize("low", [192, 254])
def test_grey_levels_at_the_bright_end_are_refused(low):
    images = low + GREY % np.uint8(256 - low)
    with pytest.raises(ValueError, match=f"only the grey levels {low} to 255 of 256, so its"):
        check_values(images, None, "npz:x")


def test_usual_images_pass():
    check_values(GREY % 65, None, "npz:x")
    check_values(191 + GREY % 65, None, "npz:x")
    check_values(GREY // 128 * np.uint8(255), None, "npz:x")
    check_values(100 + GREY % 2, None, "npz:x")  # in the middle
    check_values(GREY / 1000, None, "npz:x")


def test_images_that_are_all_the_same_are_refused(tmp_path):
    alike = GREY[:1].repeat(12, 0)
    for images in (alike, alike / 255 * 2 - 1):
        path = write_npz(tmp_path / "a.npz", images=images)
        assert "all 12 images are the same" in refusal(f"npz:{path}")
    alike[-1, -1, -1] ^= 1
    check_values(alike, None, "npz:x")


def test_masks_of_0_and_1_in_a_folder_are_read_when_their_levels_are_given(tmp_path):
    for i in range(6):
        write_png(tmp_path / f"{i}.png", GREY[i] % 2)
    assert "only the grey levels 0 to 1 of 256" in refusal(f"folder:{tmp_path}")
    data = load_dataset(f"folder:{tmp_path}", grey_levels=2)
    assert data.grey_levels == 2
    assert data.take(data.train).unique().tolist() == [-1, 1]
