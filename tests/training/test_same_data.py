"""A run is the content of its data: what evaluate, sample and inpainting compare."""

import shutil

import numpy as np
import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.training import same_data
from ddpm_core.training.same_data import compare_quickly, data_of, difference
from ddpm_core.training.trained import Trained, load_trained
from tests.data.datasets_written import RNG, write_npz, write_png
from tests.training.miniature_runs import train

pytestmark = pytest.mark.usefixtures("undrawn")
PICTURES = RNG.integers(0, 256, (24, 8, 8), np.uint8)


def write_folder(folder, names=("cat", "dog"), first=0):
    """Write twelve pictures of each class."""
    for number, name in enumerate(names, first):
        for i in range(12):
            write_png(folder / name / f"{i:02}.png", PICTURES[12 * number % 24 + i])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder of pictures and a class-conditional run on it; tests copy it."""
    folder = tmp_path_factory.mktemp("made")
    write_folder(folder / "data")
    flags = ("--dataset", f"folder:{folder / 'data'}", "--conditional")
    assert train(folder / "run", *flags, steps=1) == 0
    return folder


@pytest.fixture
def trained(made, tmp_path) -> Trained:
    shutil.copytree(made / "data", tmp_path / "data")
    return load_trained(made / "run", torch.device("cpu"))


def test_the_same_data_elsewhere_are_accepted(trained, tmp_path):
    data = data_of(trained, f"folder:{tmp_path / 'data'}")
    assert data.digest() == data_of(trained).digest()
    assert data.reading.warnings == ()
    assert compare_quickly(trained, f"folder:{tmp_path / 'data'}", changed=False) == []


def test_data_that_are_gone_are_looked_for_with_dataset(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="or say with --dataset where the data are now"):
        data_of(trained, f"folder:{tmp_path / 'nowhere'}")


def test_one_changed_pixel_is_refused_or_warned_of(trained, tmp_path):
    write_png(tmp_path / "data" / "cat" / "03.png", PICTURES[3] ^ 1)
    spec = f"folder:{tmp_path / 'data'}"
    differs = r"was trained on other data than .* \(digest \w+, now"
    for compare in (data_of, compare_quickly):
        with pytest.raises(ValueError, match=differs):
            compare(trained, spec, changed=False)
    data = data_of(trained, spec, changed=True)
    (warning,) = data.reading.warnings
    assert warning.startswith("DATA CHANGED since the training (digest ")
    assert warning.endswith("test images may have been trained on")
    assert compare_quickly(trained, spec, changed=True) == [warning]


def test_more_images_are_counted(trained, tmp_path):
    write_png(tmp_path / "data" / "cat" / "added.png", PICTURES[0])
    with pytest.raises(ValueError, match=r"\(21 \+ 1 \+ 2 images, now 22 \+ 1 \+ 2; digest"):
        data_of(trained, f"folder:{tmp_path / 'data'}")


def test_a_new_class_does_not_shift_the_labels(trained, tmp_path):
    """Its name sorts first, so that by numbers each label would be that of another class."""
    write_folder(tmp_path / "data", ("aardvark",))
    spec = f"folder:{tmp_path / 'data'}"
    with pytest.raises(ValueError, match=r"\(classes cat, dog, now aardvark, cat, dog\)"):
        data_of(trained, spec)
    data = data_of(trained, spec, changed=True)
    assert data.class_names == ("cat", "dog")
    assert data.labels.tolist() == [0] * 12 + [1] * 12
    assert np.array_equal(data.images[:, 0].numpy(), PICTURES)
    assert data.reading.warnings[0].endswith("; without the new classes aardvark")


def test_swapped_names_of_an_archive_are_a_change(tmp_path):
    labels = np.arange(24) % 2
    path = tmp_path / "a.npz"
    write_npz(path, images=PICTURES, labels=labels, class_names=["cat", "dog"])
    assert train(tmp_path / "run", "--dataset", f"npz:{path}", "--conditional", steps=1) == 0
    write_npz(path, images=PICTURES, labels=labels, class_names=["dog", "cat"])
    trained = load_trained(tmp_path / "run", torch.device("cpu"))
    with pytest.raises(ValueError, match=r"\(classes cat, dog, now dog, cat\)"):
        data_of(trained)
    assert data_of(trained, changed=True).labels.tolist() == (1 - labels).tolist()


def test_classes_do_not_count_without_conditioning(trained):
    data = data_of(trained)
    state = dict(trained.about)
    assert difference(state, data, state["data"], True) is None
    state["class_names"] = ["x", "y"]
    assert difference(state, data, state["data"], False) is None
    assert difference(state, data, state["data"], True) == "classes x, y, now cat, dog"
    state["split"] = [1, 2, 3]
    found = difference(state, data, "other", False)
    assert found == f"1 + 2 + 3 images, now 21 + 1 + 2; digest {state['data'][:12]}, now other"


def test_bundled_missing_and_many_files_are_not_compared(trained, made, tmp_path, monkeypatch):
    monkeypatch.setattr(same_data, "QUICKLY_READ", 3)
    (note,) = compare_quickly(trained, None, changed=False)
    assert note.startswith("NOTE: folder:")
    assert note.endswith("has many files; pass --dataset to compare the data")
    other = load_trained(made / "run", torch.device("cpu"))
    object.__setattr__(other.config, "dataset", f"folder:{tmp_path / 'gone'}")
    (note,) = compare_quickly(other, None, changed=False)
    assert "gone is not there, so the data were not compared" in note
    object.__setattr__(other.config, "dataset", "digits")
    assert compare_quickly(other, None, changed=False) == []


def test_the_split_of_earlier_versions_is_recognised(tmp_path, monkeypatch):
    """A run that began before the split was made by class, where it would now be another."""
    labels = np.repeat([0, 1], [2, 22])
    spec = f"npz:{write_npz(tmp_path / 'a.npz', images=PICTURES, labels=labels)}"
    assert train(tmp_path / "run", "--dataset", spec, "--split", "even", steps=1) == 0
    trained = load_trained(tmp_path / "run", torch.device("cpu"))
    object.__setattr__(trained.config, "split", "by-class")  # as if it lacked the option
    even = load_dataset(spec, split_by_class=False)
    assert even.digest() != load_dataset(spec).digest()
    assert data_of(trained).digest() == even.digest()
