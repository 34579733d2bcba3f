"""Split, grey levels, digest and batch order of datasets."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ddpm_core.data.dataset import Dataset, batch_indices, epoch_order, load_dataset
from tests.data.datasets_written import (
    GREY,
    LABELS,
    RNG,
    floor_spread,
    refusal,
    write_idx,
    write_npz,
    write_png,
)

# ------------------------------------------------------------------------------ the three-way split


def test_split_of_digits_follows_the_docstring():
    data = load_dataset("digits")
    assert data.name == "digits"
    assert data.shape == (1, 8, 8)
    assert (data.grey_levels, int(data.images.min()), int(data.images.max())) == (17, 0, 16)
    assert data.class_names == tuple("0123456789")
    assert data.test.tolist() == floor_spread(1797, 500)
    rest = [i for i in range(1797) if i not in set(data.test.tolist())]
    assert data.validation.tolist() == [rest[i] for i in floor_spread(1297, 97)]
    assert len(data.train) == 1200
    together = torch.cat([data.train, data.validation, data.test])
    assert sorted(together.tolist()) == list(range(1797))


def test_digits_equal_those_of_scikit_learn_in_the_same_order():
    from sklearn.datasets import load_digits

    data, original = load_dataset("digits"), load_digits()
    assert np.array_equal(data.images[:, 0].numpy(), original.images)
    assert data.labels is not None
    assert np.array_equal(data.labels.numpy(), original.target)


@pytest.mark.parametrize(
    ("n", "test", "validation"), [(3, 1, 1), (9, 1, 1), (40, 4, 2), (39, 3, 1)]
)
def test_npz_and_folder_use_10_percent_for_test_and_5_percent_for_validation(
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


def test_split_must_be_a_partition():
    images, one = torch.zeros(3, 1, 2, 2, dtype=torch.uint8), torch.tensor
    for train, test in [([0], [0]), ([0, 1], [1]), ([3], [1]), ([0], [-1])]:
        with pytest.raises(ValueError, match="each image must be in exactly one"):
            Dataset("x", images, None, (), 256, one(train), one([2]), one(test))


def test_fewer_than_three_images_are_refused(tmp_path):
    write_npz(tmp_path / "a.npz", images=GREY[:2])
    assert "has 2 images; train, validation and test each need" in refusal(
        f"npz:{tmp_path / 'a.npz'}"
    )
    folder = write_idx(tmp_path / "m", train_images=GREY[:1], t10k_images=GREY[:9])
    assert "has 1 image besides its test images" in refusal(f"idx:{folder}")


# -------------------------------------------------------------------------------------- grey levels


def test_grey_levels_are_evenly_spaced_in_minus_one_to_one():
    """2 k / (grey_levels - 1) - 1, by np.interp in float64; float32 represents 2 k / 16 exactly."""
    data = load_dataset("digits")
    taken = data.take(data.test)
    assert taken.dtype == torch.float32
    assert taken.shape == (500, 1, 8, 8)
    want = np.interp(data.images[data.test].numpy(), [0, 16], [-1, 1])
    assert np.array_equal(taken.numpy(), want)
    assert (taken.min(), taken.max()) == (-1, 1)


def test_all_256_grey_levels_are_within_rounding_of_even_spacing(tmp_path):
    ramp = np.arange(256, dtype=np.uint8).repeat(4).reshape(4, 16, 16)
    data = load_dataset(f"npz:{write_npz(tmp_path / 'a.npz', images=ramp)}")
    taken = data.take(torch.arange(4)).double().flatten().numpy()[::4]
    # Two float32 roundings: of a quotient below 2 and of a difference below 1.
    assert np.abs(taken - (np.arange(256) * 2 / 255 - 1)).max() <= 2**-24 + 2**-25
    assert (taken[0], taken[-1]) == (-1, 1)


def test_float_images_are_not_rescaled(tmp_path):
    images = RNG.uniform(-1, 1, (5, 3, 4, 4))
    data = load_dataset(f"npz:{write_npz(tmp_path / 'a.npz', images=images, levels=33)}")
    assert (data.images.dtype, data.grey_levels) == (torch.float32, 33)
    assert np.array_equal(data.take(torch.tensor([4, 0])), images[[4, 0]].astype(np.float32))


def test_negative_and_too_large_indices_are_refused():
    data = load_dataset("digits")
    for bad in (-1, 1797):
        with pytest.raises(ValueError, match=rf"indices span .*{bad}.* outside 0\.\.1796"):
            data.take(torch.tensor([3, bad]))


# ------------------------------------------------------------------------------------------- digest


def test_digest_depends_on_content_and_not_on_names(tmp_path):
    def digest(name: str = "a", **arrays: Any) -> str:
        content = {"images": GREY, "labels": LABELS} | arrays
        content = {name: array for name, array in content.items() if array is not None}
        return load_dataset(f"npz:{write_npz(tmp_path / f'{name}.npz', **content)}").digest()

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


def test_digest_depends_on_the_split(tmp_path):
    all_train = write_idx(tmp_path / "a", train_images=GREY)
    with_test = write_idx(tmp_path / "b", train_images=GREY[:36], t10k_images=GREY[36:])
    a, b = load_dataset(f"idx:{all_train}"), load_dataset(f"idx:{with_test}")
    assert torch.equal(a.images, b.images)
    assert a.digest() != b.digest()


# -------------------------------------------------------------------------------------- batch order


@settings(derandomize=True, deadline=None)
@given(
    n=st.integers(1, 12),
    seed=st.integers(0, 2**40),
    batch_size=st.integers(1, 30),
    steps=st.integers(1, 8),
)
def test_batches_are_consecutive_slices_of_the_epochs(n, seed, batch_size, steps):
    indices = torch.arange(n) * 3 + 5
    walked = torch.cat([batch_indices(indices, seed, step, batch_size) for step in range(steps)])
    assert len(walked) == steps * batch_size
    epochs = -(-len(walked) // n)
    laid = torch.cat([epoch_order(indices, seed, epoch) for epoch in range(epochs)])
    assert torch.equal(walked, laid[: len(walked)])
    for epoch in range(len(walked) // n):
        assert sorted(walked[epoch * n : (epoch + 1) * n].tolist()) == indices.tolist()


def test_batch_depends_only_on_its_arguments_and_uses_no_global_generator():
    indices = torch.arange(1000)
    later = batch_indices(indices, 3, 500, 64)
    before = torch.get_rng_state()
    for step in range(5):
        batch_indices(indices, 3, step, 64)
    assert torch.equal(batch_indices(indices, 3, 500, 64), later)
    assert torch.equal(torch.get_rng_state(), before)


def test_epochs_and_seeds_have_different_orders():
    indices = torch.arange(50)
    orders = [epoch_order(indices, seed, epoch) for seed in range(4) for epoch in range(4)]
    assert len({tuple(order.tolist()) for order in orders}) == 16


def test_orders_are_uniform_at_each_position():
    """3,000 orders of 4: each of 16 counts is Binomial(3000, 1/4), sigma 23.7; bound 6.5 sigma."""
    orders = torch.stack([epoch_order(torch.arange(4), 1, epoch) for epoch in range(3000)])
    counts = torch.nn.functional.one_hot(orders, 4).sum(0)
    assert (counts - 750).abs().max() <= 154, counts


@pytest.mark.parametrize(("n", "step", "size"), [(0, 0, 1), (3, -1, 1), (3, 0, 0)])
def test_empty_batches_and_negative_steps_are_refused(n, step, size):
    with pytest.raises(ValueError, match="needs an index, step >= 0 and batch_size >= 1"):
        batch_indices(torch.arange(n), 0, step, size)


# --------------------------------------------------------------------------------------------- spec


@pytest.mark.parametrize("spec", ["mnist", "", "Digit", "/some/where", ":x"])
def test_unknown_source_lists_the_valid_ones(spec):
    assert "it must be one of digits, idx:DIR, npz:FILE, folder:DIR" in refusal(spec)


def test_misspelt_source_suggests_the_closest():
    assert "Did you mean digits?" in refusal("digit")
    assert "Did you mean folder:DIR?" in refusal("foldr:x")
    assert "Did you mean" not in refusal("mnist")


def test_missing_or_superfluous_path_is_refused():
    assert refusal("idx:") == "dataset 'idx:' has no path; write idx:DIR"
    assert "write npz:FILE" in refusal("npz")
    assert "takes no path" in refusal("digits:x")


def test_error_names_a_missing_path_and_the_tilde_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in ("idx", "npz", "folder"):
        with pytest.raises(FileNotFoundError, match=f"{tmp_path}/missing does not exist"):
            load_dataset(f"{source}:~/missing")
    write_npz(tmp_path / "a.npz", images=GREY)
    assert load_dataset("npz:~/a.npz").name == "npz:~/a.npz"


def test_file_in_place_of_folder_and_the_reverse_are_refused(tmp_path):
    file = write_npz(tmp_path / "a.npz", images=GREY)
    assert "is a folder; pass the file" in refusal(f"npz:{tmp_path}")
    assert "is a file; pass the folder" in refusal(f"idx:{file}")
    assert "is a file; pass the folder" in refusal(f"folder:{file}")
