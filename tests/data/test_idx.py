"""IDX files are read as written and refused when broken."""

import gzip
import struct
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.idx import read_idx
from tests.data.datasets_written import (
    GREY,
    LABELS,
    floor_spread,
    idx_bytes,
    refusal,
    write_idx,
)


@pytest.mark.parametrize("dot", ["-", "."])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_files_are_read_as_written_in_every_spelling(tmp_path, dot, pack):
    end = ".gz" if pack is gzip.compress else ""
    for name, array in {"train": GREY[:30], "t10k": GREY[30:]}.items():
        labels = LABELS[:30] if name == "train" else LABELS[30:]
        (tmp_path / f"{name}-images{dot}idx3-ubyte{end}").write_bytes(pack(idx_bytes(array)))
        (tmp_path / f"{name}-labels{dot}idx1-ubyte{end}").write_bytes(pack(idx_bytes(labels)))
    data = load_dataset(f"idx:{tmp_path}")
    assert np.array_equal(data.images[:, 0].numpy(), GREY)
    assert data.labels is not None
    assert data.labels.tolist() == LABELS.tolist()
    assert data.class_names == ("0", "1", "2", "3")
    assert data.grey_levels == 256
    assert data.test.tolist() == list(range(30, 40))
    assert data.validation.tolist() == [0]


def test_idx_without_t10k_and_labels_gives_a_tenth_to_test(tmp_path):
    data = load_dataset(f"idx:{write_idx(tmp_path, train_images=GREY)}")
    assert data.test.tolist() == [0, 10, 20, 30]
    assert len(data.validation) == 2
    assert data.labels is None
    assert data.class_names == ()


@pytest.mark.parametrize(("trained", "validation"), [(60_000, 3000), (120_000, 5000)])
def test_idx_validation_is_a_twentieth_of_the_train_file_and_5000_at_most(
    tmp_path, trained, validation
):
    dot = (np.arange(trained) % 256).astype(np.uint8).reshape(-1, 1, 1)
    data = load_dataset(f"idx:{write_idx(tmp_path, train_images=dot, t10k_images=dot[:10_000])}")
    assert (len(data.validation), len(data.test)) == (validation, 10_000)
    assert data.validation.tolist() == floor_spread(trained, validation)


def test_label_255_is_a_class(tmp_path):
    folder = write_idx(tmp_path, train_images=GREY, train_labels=LABELS + np.uint8(252))
    assert len(load_dataset(f"idx:{folder}").class_names) == 256


@settings(derandomize=True, deadline=None)
@given(pack=st.sampled_from([bytes, gzip.compress]), data=st.data())
def test_truncated_idx_file_never_loads(pack, data):
    complete = pack(idx_bytes(GREY[:7]))
    cut = data.draw(st.integers(0, len(complete) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train-images-idx3-ubyte"
        path.write_bytes(complete[:cut])
        with pytest.raises(ValueError, match=r"truncated|ends at") as caught:
            read_idx(path, 3)
        assert str(path) in str(caught.value)
        if pack is bytes:
            assert f"ends at byte {cut}" in str(caught.value)
        path.write_bytes(complete)
        assert np.array_equal(read_idx(path, 3), GREY[:7])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_idx_file_with_extra_bytes_is_refused_with_the_position(tmp_path, pack):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(pack(idx_bytes(GREY) + b"abc"))
    sentence = refusal(f"idx:{tmp_path}")
    assert "40 x 6 x 5 = 1200 bytes must follow its 16-byte header" in sentence
    want = "3 bytes too many from byte 1216" if pack is bytes else "from decompressed byte 1216"
    assert want in sentence


def test_flipped_bit_in_a_gzip_stream_is_refused_with_the_number_of_bytes_read(tmp_path):
    packed = bytearray(gzip.compress(idx_bytes(GREY)))
    packed[-7] ^= 1  # in the CRC: every byte is there
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
    assert "breaks off after 1216 decompressed bytes (CRC" in refusal(f"idx:{tmp_path}")
    packed[30] ^= 0xFF
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
    assert "corrupt or truncated" in refusal(f"idx:{tmp_path}")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_header_that_declares_terabytes_allocates_nothing(tmp_path, pack):
    absurd = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"abc"
    (tmp_path / "train-images-idx3-ubyte").write_bytes(pack(absurd))
    tracemalloc.start()
    sentence = refusal(f"idx:{tmp_path}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sentence.count("byte 19") == 1
    assert peak < 2**23, peak


def test_gzip_bomb_is_not_expanded_beyond_the_declared_size(tmp_path):
    bomb = gzip.compress(idx_bytes(GREY[:3]) + bytes(2**26), 1)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(bomb)
    tracemalloc.start()
    assert "too many from decompressed byte 106" in refusal(f"idx:{tmp_path}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23, peak


@pytest.mark.parametrize(
    ("place", "value", "sentence"),
    [
        (0, 0x89, "starts with the bytes 89 00 08 03, so it is not an IDX file"),
        (2, 0x0D, "byte 2, the element type, is 0x0d; it must be 0x08"),
        (3, 1, "byte 3 declares 1 axes; it must be 3"),
        (7, 0, "bytes 4 to 7 declare a size of 0"),
    ],
)
def test_wrong_header_byte_is_named(tmp_path, place, value, sentence):
    data = bytearray(idx_bytes(GREY))
    data[place] = value
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    assert sentence in refusal(f"idx:{tmp_path}")


def test_missing_idx_files_are_reported_with_all_spellings(tmp_path):
    sentence = refusal(f"idx:{tmp_path}")
    for dot in "-.":
        for end in ("", ".gz"):
            assert f"train-images{dot}idx3-ubyte{end}" in sentence


def test_idx_files_that_do_not_belong_together_are_refused(tmp_path):
    folder = write_idx(tmp_path / "a", train_images=GREY, train_labels=LABELS[:-1])
    assert "has 39 labels, but train-images-idx3-ubyte has 40 images" in refusal(f"idx:{folder}")
    folder = write_idx(tmp_path / "b", train_images=GREY, t10k_images=GREY.reshape(40, 5, 6))
    assert "t10k images are 5 x 6, train images 6 x 5" in refusal(f"idx:{folder}")
    folder = write_idx(tmp_path / "c", train_images=GREY, train_labels=LABELS, t10k_images=GREY)
    assert "labels for train but none for t10k" in refusal(f"idx:{folder}")
    folder = write_idx(tmp_path / "d", train_images=GREY, t10k_images=GREY, t10k_labels=LABELS)
    assert "labels for t10k but none for train" in refusal(f"idx:{folder}")
    folder = write_idx(tmp_path / "e", train_images=GREY, t10k_labels=LABELS)
    assert "has t10k-labels-idx1-ubyte but no t10k images" in refusal(f"idx:{folder}")
