"""npz files: read as written, refused when broken, never unpickled."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.data.dataset import load_dataset
from tests.data.datasets_written import GREY, LABELS, refusal, write_npz

# ---------------------------------------------------------------------------------------------- npz


def test_npz_labels_and_class_names_are_read(tmp_path):
    path = write_npz(
        tmp_path / "a.npz", images=GREY[:, None], labels=LABELS, class_names=["a", "b", "c", "d"]
    )
    data = load_dataset(f"npz:{path}")
    assert data.shape == (1, 6, 5)
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()
    assert data.class_names == ("a", "b", "c", "d")
    path = write_npz(tmp_path / "b.npz", images=GREY, labels=LABELS)
    assert load_dataset(f"npz:{path}").class_names == ("0", "1", "2", "3")


FLOAT = GREY / 255 * 2 - 1


def spoil(value: float) -> np.ndarray:
    images = FLOAT.copy()
    images[3, 2, 1] = value
    return images


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"x": GREY}, "holds 'x', which is not read"),
        ({"labels": LABELS}, "holds no 'images'"),
        ({"images": GREY, "lables": LABELS}, "holds 'lables', which is not read"),
        ({"images": GREY[0]}, "images have shape (6, 5); it must be (n, channels, height, width)"),
        ({"images": GREY[:0]}, "images have shape (0, 6, 5)"),
        ({"images": np.zeros((9, 8, 8, 3), np.uint8)}, "looks like channels last"),
        ({"images": GREY.astype(np.int64)}, "images have dtype int64; it must be uint8"),
        ({"images": GREY > 3}, "images have dtype bool"),
        ({"images": FLOAT.astype(np.float16)}, "images have dtype float16"),
        ({"images": spoil(np.nan)}, "images[3, 2, 1] = nan is outside [-1, 1]"),
        ({"images": spoil(-np.inf)}, "images[3, 2, 1] = -inf is outside [-1, 1]"),
        ({"images": spoil(1 + 2**-52)}, "images[3, 2, 1] = 1.0000000000000002 is outside"),
        ({"images": (FLOAT + 1) / 2}, "images has no value below 0"),
        ({"images": np.minimum(GREY, 16), "levels": 16}, "= 16 is not below levels = 16"),
        ({"images": GREY, "levels": 1}, "levels = 1 (int64, shape ()) must be one integer"),
        ({"images": GREY, "levels": 256.0}, "levels = 256.0 (float64, shape ())"),
        ({"images": GREY, "levels": [256]}, "levels = [256] (int64, shape (1,))"),
        ({"images": GREY, "labels": LABELS[1:]}, "labels (uint8, shape (39,)) must be integers of"),
        ({"images": GREY, "labels": LABELS / 1}, "labels (float64, shape (40,)) must be integers"),
        ({"images": GREY, "labels": -LABELS.astype(int)}, "labels[1] = -3 is outside 0..39"),
        (
            {"images": GREY, "labels": LABELS + np.int64(1000)},
            "labels[0] = 1000 is outside 0..39",
        ),
        (
            {"images": GREY, "labels": LABELS, "class_names": ["a", "b", "c"]},
            "labels[1] = 3 is outside 0..2, with 3 class_names",
        ),
        ({"images": GREY, "class_names": ["a"]}, "class_names (<U1, shape (1,)) must be a list"),
    ],
)
def test_a_bad_npz_is_refused_with_the_place(tmp_path, arrays, sentence):
    path = write_npz(tmp_path / "a.npz", **arrays)
    said = refusal(f"npz:{path}")
    assert sentence in said
    assert str(path) in said


class Trap:
    """Its unpickling would leave a trace."""

    sprung = False

    def __reduce__(self) -> Any:
        return spring, ()


def spring() -> None:
    Trap.sprung = True


@pytest.mark.parametrize("name", ["images", "labels", "class_names"])
def test_an_object_array_is_refused_and_never_unpickled(tmp_path, name):
    arrays = {"images": GREY, "labels": LABELS, name: np.array([Trap()], dtype=object)}
    path = write_npz(tmp_path / "a.npz", **arrays)
    assert f"{name} is an object array, that is, a pickle" in refusal(f"npz:{path}")
    assert not Trap.sprung
    np.load(path, allow_pickle=True)[name]  # the trap does work
    assert Trap.sprung
    Trap.sprung = False


@settings(derandomize=True, deadline=None)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_an_npz_cut_short_never_loads(cut):
    with tempfile.TemporaryDirectory() as folder:
        path = write_npz(Path(folder) / "a.npz", images=GREY[:3])
        whole = path.read_bytes()
        path.write_bytes(whole[: int(cut * len(whole))])
        assert "is no .npz archive, or is cut short" in refusal(f"npz:{path}")


def test_what_is_no_npz_archive_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, GREY)
    assert "is no .npz archive" in refusal(f"npz:{path}")
    np.savez(path, images=GREY)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "images cannot be read (Bad CRC-32" in refusal(f"npz:{path}")


@pytest.mark.parametrize("channels", [2, 4])
def test_channels_that_make_no_picture_are_refused(tmp_path, channels):
    images = np.zeros((12, channels, 4, 4), np.uint8)
    sentence = refusal(f"npz:{write_npz(tmp_path / 'x.npz', images=images)}")
    assert f"have {channels} channels; a picture needs 1 (grey) or 3 (RGB)" in sentence
