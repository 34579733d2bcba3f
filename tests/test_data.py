"""Data sets: what was written is read, what is broken is refused, a batch needs no state."""

import gzip
import struct
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ddpm_core.training.data import Dataset, batch_indices, epoch_order, load_dataset
from ddpm_core.training.idx import read_idx

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 6, 5), np.uint8)
LABELS = (np.arange(40) * 7 % 4).astype(np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx(folder: Path, **arrays: np.ndarray) -> Path:
    """Files such as train-images-idx3-ubyte from train_images=..."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        path = folder / f"{name.replace('_', '-')}-idx{array.ndim}-ubyte"
        path.write_bytes(idx_bytes(array))
    return folder


def write_png(path: Path, array: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


def write_npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def refusal(spec: str, image_size: int | None = None) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_dataset(spec, image_size)
    sentence = str(caught.value)
    assert len(sentence) < 500, sentence
    return sentence


def floor_spread(n: int, count: int) -> list[int]:
    return [k * n // count for k in range(count)]


# ------------------------------------------------------------------------------ the three-way split


def test_the_digits_are_split_as_the_docstring_says():
    data = load_dataset("digits")
    assert data.name == "digits"
    assert data.shape == (1, 8, 8)
    assert (data.levels, int(data.images.min()), int(data.images.max())) == (17, 0, 16)
    assert data.class_names == tuple("0123456789")
    assert data.test.tolist() == floor_spread(1797, 500)
    rest = [i for i in range(1797) if i not in set(data.test.tolist())]
    assert data.validation.tolist() == [rest[i] for i in floor_spread(1297, 97)]
    assert len(data.train) == 1200
    together = torch.cat([data.train, data.validation, data.test])
    assert sorted(together.tolist()) == list(range(1797))


def test_the_digits_are_those_of_scikit_learn_in_their_order():
    from sklearn.datasets import load_digits

    data, original = load_dataset("digits"), load_digits()
    assert np.array_equal(data.images[:, 0].numpy(), original.images)
    assert data.labels is not None
    assert np.array_equal(data.labels.numpy(), original.target)


@pytest.mark.parametrize(
    ("n", "test", "validation"), [(3, 1, 1), (9, 1, 1), (40, 4, 2), (39, 3, 1)]
)
def test_npz_and_folder_give_a_tenth_to_test_and_a_twentieth_to_validation(
    tmp_path, n, test, validation
):
    write_npz(tmp_path / "a.npz", images=GREY[:n])
    for i in range(n):
        write_png(tmp_path / "pictures" / f"{i:02}.png", GREY[i])
    for spec in (f"npz:{tmp_path / 'a.npz'}", f"folder:{tmp_path / 'pictures'}"):
        data = load_dataset(spec)
        assert data.test.tolist() == floor_spread(n, test)
        assert len(data.validation) == validation
        assert len(data.train) == n - test - validation
        assert np.array_equal(data.images[:, 0].numpy(), GREY[:n])


def test_a_split_that_is_no_partition_is_refused():
    images, one = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor
    for train, test in [([0], [0]), ([0, 1], [1]), ([3], [1]), ([0], [-1])]:
        with pytest.raises(ValueError, match="each image must be in exactly one"):
            Dataset("x", images, None, (), 256, one(train), one([2]), one(test))


def test_fewer_than_three_images_are_refused(tmp_path):
    write_npz(tmp_path / "a.npz", images=GREY[:2])
    assert "has 2 images; train, validation and test need" in refusal(f"npz:{tmp_path / 'a.npz'}")
    folder = write_idx(tmp_path / "m", train_images=GREY[:1], t10k_images=GREY[:9])
    assert "has 1 image beside its test images" in refusal(f"idx:{folder}")


# -------------------------------------------------------------------------------------- grey levels


def test_levels_are_spread_evenly_from_minus_one_to_one():
    """2 k / (levels - 1) - 1, in float64 by another route; one rounding of 2 k / 16 is exact."""
    data = load_dataset("digits")
    taken = data.take(data.test)
    assert taken.dtype == torch.float32
    assert taken.shape == (500, 1, 8, 8)
    want = np.interp(data.images[data.test].numpy(), [0, 16], [-1, 1])
    assert np.array_equal(taken.numpy(), want)
    assert (taken.min(), taken.max()) == (-1, 1)


def test_all_256_levels_keep_their_distance(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).repeat(4).reshape(4, 16, 16)
    data = load_dataset(f"npz:{write_npz(tmp_path / 'a.npz', images=ramp)}")
    taken = data.take(torch.arange(4)).double().flatten().numpy()[::4]
    # Two roundings, of a quotient below 2 and of a difference below 1.
    assert np.abs(taken - (np.arange(256) * 2 / 255 - 1)).max() <= 2**-24 + 2**-25
    assert (taken[0], taken[-1]) == (-1, 1)


def test_float_images_are_taken_as_they_are(tmp_path):
    images = RNG.uniform(-1, 1, (5, 3, 4, 4))
    data = load_dataset(f"npz:{write_npz(tmp_path / 'a.npz', images=images, levels=33)}")
    assert (data.images.dtype, data.levels) == (torch.float32, 33)
    assert np.array_equal(data.take(torch.tensor([4, 0])), images[[4, 0]].astype(np.float32))


def test_an_index_that_would_wrap_is_refused():
    data = load_dataset("digits")
    for bad in (-1, 1797):
        with pytest.raises(ValueError, match=rf"indices span .*{bad}.* outside 0\.\.1796"):
            data.take(torch.tensor([3, bad]))


# ------------------------------------------------------------------------------------------- digest


def test_the_digest_tells_content_apart_and_not_names(tmp_path):
    def digest(name: str = "a", **arrays: Any) -> str:
        held = {"images": GREY, "labels": LABELS} | arrays
        held = {name: array for name, array in held.items() if array is not None}
        return load_dataset(f"npz:{write_npz(tmp_path / f'{name}.npz', **held)}").digest()

    other, flipped = GREY.copy(), LABELS.copy()
    other[-1, -1, -1] ^= 1
    flipped[-1] ^= 1
    assert digest() == digest("b") == digest(class_names=list("abcd"))
    changed = [
        digest(),
        digest(images=other),
        digest(labels=flipped),
        digest(labels=None),
        digest(levels=257),
        digest(images=GREY.transpose(0, 2, 1).reshape(GREY.shape)),
        digest(images=GREY.reshape(40, 5, 6)),  # the same bytes in another shape
    ]
    assert len(set(changed)) == len(changed)


def test_the_digest_sees_the_split(tmp_path):
    all_train = write_idx(tmp_path / "a", train_images=GREY)
    with_test = write_idx(tmp_path / "b", train_images=GREY[:36], t10k_images=GREY[36:])
    a, b = load_dataset(f"idx:{all_train}"), load_dataset(f"idx:{with_test}")
    assert torch.equal(a.images, b.images)
    assert a.digest() != b.digest()


# -------------------------------------------------------------------------------- the order of data


@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 2**40),
    batch_size=st.integers(1, 30),
    steps=st.integers(1, 8),
)
def test_batches_walk_through_the_epochs_laid_end_to_end(n, seed, batch_size, steps):
    indices = torch.arange(n) * 3 + 5
    walked = torch.cat([batch_indices(indices, seed, step, batch_size) for step in range(steps)])
    assert len(walked) == steps * batch_size
    epochs = -(-len(walked) // n)
    laid = torch.cat([epoch_order(indices, seed, epoch) for epoch in range(epochs)])
    assert torch.equal(walked, laid[: len(walked)])
    for epoch in range(len(walked) // n):
        assert sorted(walked[epoch * n : (epoch + 1) * n].tolist()) == indices.tolist()


def test_a_batch_depends_on_its_step_alone_and_touches_no_global_generator():
    indices = torch.arange(1000)
    later = batch_indices(indices, 3, 500, 64)
    before = torch.get_rng_state()
    for step in range(5):
        batch_indices(indices, 3, step, 64)
    assert torch.equal(batch_indices(indices, 3, 500, 64), later)
    assert torch.equal(torch.get_rng_state(), before)


def test_epochs_and_seeds_have_orders_of_their_own():
    indices = torch.arange(50)
    orders = [epoch_order(indices, seed, epoch) for seed in range(4) for epoch in range(4)]
    assert len({tuple(order.tolist()) for order in orders}) == 16


def test_every_index_may_stand_at_every_place():
    """3,000 orders of 4: each of 16 counts is Binomial(3000, 1/4) with sigma 23.7; 6.5 sigma."""
    orders = torch.stack([epoch_order(torch.arange(4), 1, epoch) for epoch in range(3000)])
    counts = torch.nn.functional.one_hot(orders, 4).sum(0)
    assert (counts - 750).abs().max() <= 154, counts


@pytest.mark.parametrize(("n", "step", "size"), [(0, 0, 1), (3, -1, 1), (3, 0, 0)])
def test_a_batch_of_nothing_is_refused(n, step, size):
    with pytest.raises(ValueError, match="needs an index, step >= 0 and batch_size >= 1"):
        batch_indices(torch.arange(n), 0, step, size)


# --------------------------------------------------------------------------------------------- spec


@pytest.mark.parametrize("spec", ["mnist", "", "Digit", "/some/where", ":x"])
def test_an_unknown_source_is_answered_with_the_valid_ones(spec):
    assert "it must be one of digits, idx:DIR, npz:FILE, folder:DIR" in refusal(spec)


def test_a_misspelt_source_is_answered_with_the_nearest():
    assert "Did you mean digits?" in refusal("digit")
    assert "Did you mean folder:DIR?" in refusal("foldr:x")
    assert "Did you mean" not in refusal("mnist")


def test_a_spec_without_its_path_or_with_one_too_many_is_refused():
    assert refusal("idx:") == "dataset 'idx:' names no path; write idx:DIR"
    assert "write npz:FILE" in refusal("npz")
    assert "without a path" in refusal("digits:x")


def test_a_missing_path_is_named_and_the_tilde_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in ("idx", "npz", "folder"):
        with pytest.raises(FileNotFoundError, match=f"there is no {tmp_path}/missing"):
            load_dataset(f"{source}:~/missing")
    write_npz(tmp_path / "a.npz", images=GREY)
    assert load_dataset("npz:~/a.npz").name == "npz:~/a.npz"


def test_a_file_for_a_folder_and_a_folder_for_a_file_are_refused(tmp_path):
    file = write_npz(tmp_path / "a.npz", images=GREY)
    assert "is a folder; give the file" in refusal(f"npz:{tmp_path}")
    assert "is a file; give the folder" in refusal(f"idx:{file}")
    assert "is a file; give the folder" in refusal(f"folder:{file}")


# ---------------------------------------------------------------------------------------------- IDX


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
    assert data.levels == 256
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
    dot = np.zeros((trained, 1, 1), np.uint8)
    data = load_dataset(f"idx:{write_idx(tmp_path, train_images=dot, t10k_images=dot[:10_000])}")
    assert (len(data.validation), len(data.test)) == (validation, 10_000)
    assert data.validation.tolist() == floor_spread(trained, validation)


def test_label_255_is_a_class(tmp_path):
    folder = write_idx(tmp_path, train_images=GREY, train_labels=LABELS + np.uint8(252))
    assert len(load_dataset(f"idx:{folder}").class_names) == 256


@given(pack=st.sampled_from([bytes, gzip.compress]), data=st.data())
def test_an_idx_file_cut_at_any_byte_never_loads(pack, data):
    whole = pack(idx_bytes(GREY[:7]))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train-images-idx3-ubyte"
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"cut short|ends at") as caught:
            read_idx(path, 3)
        assert str(path) in str(caught.value)
        if pack is bytes:
            assert f"ends at byte {cut}" in str(caught.value)
        path.write_bytes(whole)
        assert np.array_equal(read_idx(path, 3), GREY[:7])


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_idx_file_with_bytes_too_many_says_from_where(tmp_path, pack):
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(pack(idx_bytes(GREY) + b"abc"))
    sentence = refusal(f"idx:{tmp_path}")
    assert "40 x 6 x 5 = 1200 bytes must follow its 16-byte header" in sentence
    want = "3 bytes too many from byte 1216" if pack is bytes else "from decompressed byte 1216"
    assert want in sentence


def test_a_flipped_bit_in_a_gzip_stream_is_refused_with_what_was_read(tmp_path):
    packed = bytearray(gzip.compress(idx_bytes(GREY)))
    packed[-7] ^= 1  # in the CRC: every byte is there
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
    assert "breaks off after 1216 decompressed bytes (CRC" in refusal(f"idx:{tmp_path}")
    packed[30] ^= 0xFF
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(packed)
    assert "corrupt or cut short" in refusal(f"idx:{tmp_path}")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_header_that_promises_terabytes_allocates_nothing(tmp_path, pack):
    absurd = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + b"abc"
    (tmp_path / "train-images-idx3-ubyte").write_bytes(pack(absurd))
    tracemalloc.start()
    sentence = refusal(f"idx:{tmp_path}")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sentence.count("byte 19") == 1
    assert peak < 2**23, peak


def test_a_gzip_bomb_is_not_expanded_beyond_what_its_header_declares(tmp_path):
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
        (0, 0x89, "starts with the bytes 89 00 08 03, so it is no IDX file"),
        (2, 0x0D, "byte 2, the element type, is 0x0d; it must be 0x08"),
        (3, 1, "byte 3 announces 1 axes; it must be 3"),
        (7, 0, "bytes 4 to 7 announce a size of 0"),
    ],
)
def test_a_wrong_header_byte_is_named(tmp_path, place, value, sentence):
    data = bytearray(idx_bytes(GREY))
    data[place] = value
    (tmp_path / "train-images-idx3-ubyte").write_bytes(data)
    assert sentence in refusal(f"idx:{tmp_path}")


def test_missing_idx_files_are_listed_by_the_names_looked_for(tmp_path):
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
        ({"images": GREY[:0]}, "images have shape (0, 1, 6, 5)"),
        ({"images": np.zeros((9, 8, 8, 3), np.uint8)}, "looks like channels last"),
        ({"images": GREY.astype(np.int64)}, "images have dtype int64; it must be uint8"),
        ({"images": GREY > 3}, "images have dtype bool"),
        ({"images": FLOAT.astype(np.float16)}, "images have dtype float16"),
        ({"images": spoil(np.nan)}, "images[3, 0, 2, 1] = nan is outside [-1, 1]"),
        ({"images": spoil(-np.inf)}, "images[3, 0, 2, 1] = -inf is outside [-1, 1]"),
        ({"images": spoil(1 + 2**-52)}, "images[3, 0, 2, 1] = 1.0000000000000002 is outside"),
        ({"images": np.minimum(GREY, 16), "levels": 16}, "= 16 is not below levels = 16"),
        ({"images": GREY, "levels": 1}, "levels = 1 (int64, shape ()) must be one integer"),
        ({"images": GREY, "levels": 256.0}, "levels = 256.0 (float64, shape ())"),
        ({"images": GREY, "levels": [256]}, "levels = [256] (int64, shape (1,))"),
        ({"images": GREY, "labels": LABELS[1:]}, "labels (uint8, shape (39,)) must be integers of"),
        ({"images": GREY, "labels": LABELS / 1}, "labels (float64, shape (40,)) must be integers"),
        ({"images": GREY, "labels": -LABELS.astype(int)}, "labels[1] = -3 is outside 0..39"),
        (
            {"images": GREY, "labels": LABELS + np.int64(10**12)},
            "labels[0] = 1000000000000 is outside 0..39",
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


# ------------------------------------------------------------------------------------------- folder


def test_class_folders_become_labels_in_the_order_of_their_names(tmp_path):
    for i, name in enumerate(["b/1.PNG", "a/2.png", "a/1.png", "b/0.png"]):
        write_png(tmp_path / name, GREY[i])
    (tmp_path / "notes.txt").write_text("left alone")
    (tmp_path / ".trash").mkdir()
    (tmp_path / "a" / "._1.png").write_text("left alone")
    data = load_dataset(f"folder:{tmp_path}")
    assert data.class_names == ("a", "b")
    assert data.labels is not None
    assert data.labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(data.images[:, 0].numpy(), GREY[[2, 1, 3, 0]])


def test_one_colour_image_makes_all_of_them_rgb(tmp_path):
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
def test_every_mode_becomes_grey_or_rgb_and_alpha_is_dropped(tmp_path, mode, channels):
    black = np.where(GREY[:3] > 127, 255, 0).astype(np.uint8)
    for i in range(3):
        image = Image.fromarray(black[i]).convert(mode)
        if mode in ("LA", "RGBA"):
            image.putalpha(7)
        if mode == "P":
            image.info["transparency"] = bytes(256)
        image.save(tmp_path / f"{i}.{'jpg' if mode == 'CMYK' else 'png'}", quality=100)
    data = load_dataset(f"folder:{tmp_path}")
    assert data.shape == (channels, 6, 5)
    exact = 0 if mode != "CMYK" else 8  # JPEG at quality 100 rounds its coefficients
    want = np.broadcast_to(black[:, None], (3, channels, 6, 5)).astype(int)
    assert np.abs(data.images.numpy() - want).max() <= exact


def test_the_orientation_that_a_camera_noted_is_applied(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6  # stored a quarter turn anticlockwise of what was seen
    for i in range(3):
        Image.fromarray(GREY[i]).save(tmp_path / f"{i}.png", exif=turned)
    data = load_dataset(f"folder:{tmp_path}")
    assert np.array_equal(data.images[:, 0].numpy(), np.rot90(GREY[:3], -1, (1, 2)))


def test_images_of_two_sizes_are_refused_by_the_first_two_that_differ(tmp_path):
    for i, side in enumerate([6, 6, 7, 8]):
        write_png(tmp_path / f"{i}.png", np.zeros((5, side), np.uint8))
    sentence = refusal(f"folder:{tmp_path}")
    assert f"{tmp_path}/0.png is 6 x 5 and {tmp_path}/2.png is 7 x 5 pixels" in sentence
    assert "--image-size" in sentence
    assert load_dataset(f"folder:{tmp_path}", 4).shape == (1, 4, 4)


def test_image_size_crops_the_centre_before_it_resizes(tmp_path):
    wide = np.full((6, 12), 255, np.uint8)
    wide[:, 3:9] = GREY[0, :6, :1]  # only the central square is kept
    for i, image in enumerate([wide, wide.T, np.full((6, 6), 9, np.uint8)]):
        write_png(tmp_path / f"{i}.png", image)
    data = load_dataset(f"folder:{tmp_path}", 6)
    assert np.array_equal(data.images[0, 0].numpy(), wide[:, 3:9])
    assert np.array_equal(data.images[1, 0].numpy(), wide[:, 3:9].T)
    small = load_dataset(f"folder:{tmp_path}", 2)
    assert small.images[2].unique().tolist() == [9]


def test_resizing_averages_rather_than_picks(tmp_path):
    board = np.indices((32, 32)).sum(0) % 2 * np.uint8(255)
    images = np.stack([board.astype(np.uint8)] * 3)
    data = load_dataset(f"npz:{write_npz(tmp_path / 'a.npz', images=images)}", 8)
    inner = data.images[:, :, 2:-2, 2:-2].double()  # the border's window is cut, and so uneven
    assert (inner - 127.5).abs().max() <= 4, inner


def test_a_broken_image_is_named(tmp_path):
    for i in range(3):
        write_png(tmp_path / f"{i}.png", GREY[i])
    path = tmp_path / "1.png"
    path.write_bytes(path.read_bytes()[:60])
    assert refusal(f"folder:{tmp_path}").startswith(f"{path} cannot be read as PNG or JPEG (")
    path.write_text("no image")
    assert refusal(f"folder:{tmp_path}").startswith(f"{path} cannot be read as PNG or JPEG (")


def test_16_bit_images_are_refused_rather_than_halved(tmp_path):
    write_png(tmp_path / "0.png", np.full((4, 4), 1000, np.uint16))
    assert "0.png has 16 bits a channel; images must have 8" in refusal(f"folder:{tmp_path}")


def test_a_folder_whose_classes_are_unclear_is_refused(tmp_path):
    assert "has no images: looked for .png, .jpg, .jpeg" in refusal(f"folder:{tmp_path}")
    write_png(tmp_path / "a" / "0.png", GREY[0])
    (tmp_path / "b").mkdir()
    assert f"{tmp_path}/b would be a class, but has no .png" in refusal(f"folder:{tmp_path}")
    write_png(tmp_path / "1.png", GREY[1])
    sentence = refusal(f"folder:{tmp_path}")
    assert "has images beside its class folders, such as 1.png and a/0.png" in sentence


# --------------------------------------------------------------------------------------- image size


def test_only_8_bit_images_are_resized(tmp_path):
    assert "has 17 grey levels of 8 x 8 pixels; only 8-bit images" in refusal("digits", 16)
    assert load_dataset("digits", 8).digest() == load_dataset("digits").digest()
    path = write_npz(tmp_path / "a.npz", images=FLOAT)
    assert "has float images of 6 x 5 pixels" in refusal(f"npz:{path}", 6)
    assert "image_size = 0 is below 1" in refusal("digits", 0)
    folder = write_idx(tmp_path / "m", train_images=GREY, t10k_images=GREY)
    data = load_dataset(f"idx:{folder}", 3)
    assert data.shape == (1, 3, 3)
    assert data.images.dtype == torch.uint8
