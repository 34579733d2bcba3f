"""Options of the sources; each source has its own tests beside this file."""

import numpy as np
import pytest

from ddpm_core.data.dataset import load_dataset
from tests.data.datasets_written import GREY, write_npz, write_png


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"background": "white"}, "--background is for folder:DIR, not npz:"),
        ({"skip_unreadable": True}, "--skip-unreadable is for folder:DIR, not npz:"),
        ({"grey_levels": 255}, "has the grey level 255; pass 256 to 256"),
        ({"grey_levels": 257}, "has the grey level 255; pass 256 to 256"),
    ],
)
def test_options_that_do_not_fit_are_refused(tmp_path, options, sentence):
    path = write_npz(tmp_path / "a.npz", images=GREY)
    with pytest.raises(ValueError, match=sentence):
        load_dataset(f"npz:{path}", **options)


def test_grey_levels_must_agree_with_what_the_source_says(tmp_path):
    with pytest.raises(ValueError, match="says that it has 17; omit it"):
        load_dataset("digits", grey_levels=16)
    assert load_dataset("digits", grey_levels=17).grey_levels == 17
    path = write_npz(tmp_path / "a.npz", images=GREY / 255 * 2 - 1)
    with pytest.raises(ValueError, match=r"--grey-levels 2, but npz:.* has floats; omit it"):
        load_dataset(f"npz:{path}", grey_levels=2)
    path = write_npz(tmp_path / "b.npz", images=GREY % 2)
    assert load_dataset(f"npz:{path}", grey_levels=2).grey_levels == 2


def test_resizing_and_fewer_grey_levels_exclude_each_other(tmp_path):
    for i in range(6):
        write_png(tmp_path / f"{i}.png", GREY[i] % 2)
    with pytest.raises(ValueError, match="--grey-levels 2 does not hold after --image-size"):
        load_dataset(f"folder:{tmp_path}", 4, grey_levels=2)
    with pytest.raises(ValueError, match="image_size = 0 is below 1"):
        load_dataset(f"folder:{tmp_path}", 0)
    write_png(tmp_path / "9.png", np.full((6, 5), 200, np.uint8))
    assert load_dataset(f"folder:{tmp_path}", 4, grey_levels=256).grey_levels == 256
