"""The split: evenly spaced, or by class where a class would have no training image."""

import numpy as np
import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.split import split_images, spread, without_training
from tests.data.datasets_written import GREY, floor_spread, write_npz


def test_spread_is_even_and_has_no_more_than_there_are():
    assert spread(torch.arange(10), 3).tolist() == [0, 3, 6]
    assert spread(torch.arange(2), 3).tolist() == [0, 1]


@pytest.mark.parametrize("labels", [None, np.arange(40) % 4])
def test_an_even_split_is_kept_where_every_class_has_a_training_image(labels):
    (train, validation, test), note = split_images(40, labels)
    assert note is None
    assert test.tolist() == floor_spread(40, 4)
    rest = np.setdiff1d(np.arange(40), test)
    assert validation.tolist() == rest[floor_spread(36, 2)].tolist()
    assert train.tolist() == np.setdiff1d(rest, validation).tolist()


def check_partition(split, n):
    assert np.array_equal(np.sort(np.concatenate(split)), np.arange(n))
    assert all(np.array_equal(part, np.sort(part)) for part in split[1:])


def test_a_rare_class_first_in_the_order_stays_in_training():
    labels = np.repeat([0, 1, 2], [2, 20, 20])
    even = floor_spread(42, 4)
    assert even[0] == 0  # the even split takes image 0 for test and image 1 for validation
    split, note = split_images(42, labels)
    check_partition(split, 42)
    assert without_training(labels, split[0]) == []
    assert [len(part) for part in split] == [36, 2, 4]
    assert sorted(labels[split[2]]) == [0, 1, 1, 2]  # in proportion to the classes
    assert note is not None
    assert "the split is by class" in note


def test_a_split_by_class_does_not_depend_on_the_order_of_the_images():
    labels = np.arange(200) % 100
    labels[:2] = 0
    labels[2:] = np.arange(198) % 99 + 1
    split, _ = split_images(200, np.random.default_rng(0).permutation(labels))
    check_partition(split, 200)
    assert [len(part) for part in split] == [170, 10, 20]
    assert len(np.unique(labels)) == 100


@pytest.mark.parametrize("seed", range(20))
def test_every_class_of_two_images_has_one_for_training(seed):
    labels = np.random.default_rng(seed).permutation(np.arange(60) % 30)
    split, _ = split_images(60, labels)
    check_partition(split, 60)
    assert without_training(labels, split[0]) == []


def test_images_that_a_source_has_for_test_stay_there():
    labels = np.array([0, 0, 1, 1, 1, 1, 1, 1, 1, 2])
    test = np.array([0, 9])
    split, note = split_images(10, labels, test, 1)
    check_partition(split, 10)
    assert split[2].tolist() == [0, 9]
    assert 1 in split[0]  # the only image of class 0 that is not for test
    assert without_training(labels, split[0]) == [2]
    assert note is not None


@pytest.mark.parametrize("seed", range(12))
def test_the_test_images_are_in_proportion_to_the_classes_in_any_order(seed):
    others = np.random.default_rng(seed).permutation(np.repeat([1, 2], [20, 20]))
    labels = np.concatenate([[0, 0], others])  # the even split takes both of class 0
    split, note = split_images(42, labels)
    assert note is not None
    assert sorted(labels[split[2]]) == [0, 1, 1, 2]


def test_the_number_of_validation_images_may_be_given():
    assert [len(part) for part in split_images(40, None, None, 7)[0]] == [29, 7, 4]


def test_classes_of_one_image_each_are_split_evenly():
    split, note = split_images(10, np.arange(10))
    assert note is None
    assert [len(part) for part in split] == [8, 1, 1]


def test_the_note_reaches_the_reading(tmp_path):
    labels = np.repeat([0, 1], [2, 38])
    path = write_npz(tmp_path / "a.npz", images=GREY, labels=labels)
    data = load_dataset(f"npz:{path}")
    assert 0 in data.labels[data.train]
    assert "the split is by class" in data.reading.notes[0]
    assert data.reading.used == 40
