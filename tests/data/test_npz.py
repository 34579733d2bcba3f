"""npz files: read as documented, refused when malformed, never unpickled."""

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


def images_with(value: float) -> np.ndarray:
    images = FLOAT.copy()
    images[3, 2, 1] = value
    return images


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": GREY}, "contains unknown 'x'"),
        ({"labels": LABELS}, "contains no 'images'"),
        ({"images": GREY, "lables": LABELS}, "contains unknown 'lables'"),
        ({"images": GREY[0]}, "images have shape (6, 5); must be (n, channels, height, width)"),
        ({"images": GREY[:0]}, "images have shape (0, 6, 5)"),
        ({"images": np.zeros((9, 8, 8, 3), np.uint8)}, "looks like channels last"),
        ({"images": GREY.astype(np.int64)}, "images have dtype int64; must be uint8"),
        ({"images": GREY > 3}, "images have dtype bool"),
        ({"images": FLOAT.astype(np.float16)}, "images have dtype float16"),
        ({"images": images_with(np.nan)}, "images[3, 2, 1] = nan is outside [-1, 1]"),
        ({"images": images_with(-np.inf)}, "images[3, 2, 1] = -inf is outside [-1, 1]"),
        ({"images": images_with(1 + 2**-52)}, "images[3, 2, 1] = 1.0000000000000002 is outside"),
        ({"images": (FLOAT + 1) / 2}, "images has no negative value"),
        ({"images": np.minimum(GREY, 16), "levels": 16}, "= 16 is not below `levels` = 16"),
        ({"images": GREY, "levels": 1}, "`levels` = 1 (int64, shape ()) must be one integer"),
        ({"images": GREY, "levels": 256.0}, "`levels` = 256.0 (float64, shape ())"),
        ({"images": GREY, "levels": [256]}, "`levels` = [256] (int64, shape (1,))"),
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
def test_malformed_npz_is_refused_with_the_location(tmp_path, arrays, message):
    path = write_npz(tmp_path / "a.npz", **arrays)
    refused = refusal(f"npz:{path}")
    assert message in refused
    assert str(path) in refused


class UnpicklingDetector:
    """Object whose unpickling is detected."""

    unpickled = False

    def __reduce__(self) -> Any:
        return record_unpickling, ()


def record_unpickling() -> None:
    UnpicklingDetector.unpickled = True


@pytest.mark.parametrize("name", ["images", "labels", "class_names"])
def test_object_array_is_refused_and_never_unpickled(tmp_path, name):
    arrays = {
        "images": GREY,
        "labels": LABELS,
        name: np.array([UnpicklingDetector()], dtype=object),
    }
    path = write_npz(tmp_path / "a.npz", **arrays)
    assert f"{name} is an object array, that is, a pickle" in refusal(f"npz:{path}")
    assert not UnpicklingDetector.unpickled
    np.load(path, allow_pickle=True)[name]  # the detector works
    assert UnpicklingDetector.unpickled
    UnpicklingDetector.unpickled = False


@settings(derandomize=True, deadline=None)
@given(cut=st.floats(0, 1, exclude_max=True))
def test_truncated_npz_never_loads(cut):
    with tempfile.TemporaryDirectory() as folder:
        path = write_npz(Path(folder) / "a.npz", images=GREY[:3])
        complete = path.read_bytes()
        path.write_bytes(complete[: int(cut * len(complete))])
        assert "is not an .npz archive, or is truncated" in refusal(f"npz:{path}")


def test_other_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "a.npz"
    with path.open("wb") as file:
        np.save(file, GREY)
    assert "is not an .npz archive" in refusal(f"npz:{path}")
    np.savez(path, images=GREY)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert "images cannot be read (Bad CRC-32" in refusal(f"npz:{path}")


@pytest.mark.parametrize("channels", [2, 4])
def test_number_of_channels_must_be_1_or_3(tmp_path, channels):
    images = GREY[:12, None].repeat(channels, 1)
    message = refusal(f"npz:{write_npz(tmp_path / 'x.npz', images=images)}")
    assert f"have {channels} channels; must be 1 (grey) or 3 (RGB)" in message
