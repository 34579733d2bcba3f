"""Joining data to a network by the names of the classes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core.data.class_names import join_classes
from ddpm_core.data.dataset import Dataset, load_dataset
from tests.data.datasets_written import GREY, write_npz


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    """40 images of the classes new, cat and dog, in turn."""
    labels, names = np.arange(40) % 3, ["new", "cat", "dog"]
    path = write_npz(tmp_path / "a.npz", images=GREY, labels=labels, class_names=names)
    return load_dataset(f"npz:{path}")


def test_labels_follow_the_names_and_new_classes_are_left_out(dataset):
    joined, left_out = join_classes(dataset, ("dog", "bird", "cat"))
    assert left_out == ["new"]
    assert joined.class_names == ("dog", "bird", "cat")
    old = torch.arange(40)[dataset.labels != 0]
    assert torch.equal(joined.images, dataset.images[old])
    assert joined.labels.tolist() == [2 if label == 1 else 0 for label in dataset.labels[old]]


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_every_image_stays_in_its_part(dataset, part):
    joined, _ = join_classes(dataset, ("cat", "dog"))
    before = getattr(dataset, part)
    before = before[dataset.labels[before] != 0]
    assert torch.equal(joined.images[getattr(joined, part)], dataset.images[before])


def test_classes_in_another_order_lose_nothing(dataset):
    joined, left_out = join_classes(dataset, ("dog", "cat", "new"))
    assert left_out == []
    assert joined.labels.tolist() == (2 - dataset.labels).tolist()


def test_data_without_labels_or_without_known_classes_are_refused(dataset):
    with pytest.raises(ValueError, match="has the classes new, cat, dog, but no training or test"):
        join_classes(dataset, ("horse",))
    with pytest.raises(ValueError, match="has no labels; give data with class folders"):
        join_classes(replace(dataset, labels=None), ("cat",))
