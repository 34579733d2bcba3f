"""Structure of image folders: classes, splits, deeper folders, and skipped files."""

import os

import numpy as np
import pytest
from PIL import Image

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.folder_listing import list_folder
from ddpm_core.data.reading import BROKEN_LINK, FORMAT, HIDDEN, NOT_AN_IMAGE
from tests.data.datasets_written import GREY, refusal, write_png


def fill(folder, *names):
    for i, name in enumerate(names):
        write_png(folder / name, GREY[i])
    return folder


def test_every_skipped_file_has_its_reason(tmp_path):
    fill(tmp_path, "0.png", "1.png", "2.png", ".hidden.png", "__MACOSX/3.png")
    Image.fromarray(GREY[0]).save(tmp_path / "a.gif")
    Image.fromarray(GREY[0]).save(tmp_path / "picture", "png")  # without an ending
    (tmp_path / "b.heic").touch()
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "Thumbs.db").write_bytes(b"data")
    (tmp_path / "away.png").symlink_to(tmp_path / "nowhere.png")
    os.mkfifo(tmp_path / "pipe.png")
    found = list_folder(tmp_path)
    assert [file.name for file in found.files] == ["0.png", "1.png", "2.png"]
    skipped = {reason: [each.name for each in files] for reason, files in found.skipped.items()}
    assert skipped == {
        HIDDEN: [".hidden.png", "__MACOSX"],
        FORMAT: ["a.gif", "b.heic", "picture"],
        NOT_AN_IMAGE: ["Thumbs.db", "notes.txt", "pipe.png"],
        BROKEN_LINK: ["away.png"],
    }


@pytest.mark.parametrize("ending", ["PNG", "jpeg", "jfif", "webp", "bmp", "tif", "TIFF"])
def test_formats_that_pillow_reads_are_listed(tmp_path, ending):
    assert len(list_folder(fill(tmp_path, f"0.{ending}")).files) == 1


def test_deeper_folders_belong_to_their_class(tmp_path):
    fill(tmp_path, "cat/0.png", "cat/kittens/1.png", "dog/2.png", "dog/3.png")
    found = list_folder(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert found.labels.tolist() == [0, 0, 1, 1]
    assert found.notes == [
        "1 images in deeper folders, such as cat/kittens/1.png, have the class of the "
        "folder at the top"
    ]


def test_a_folder_around_the_class_folders_is_followed(tmp_path):
    fill(tmp_path, "data/animals/cat/0.png", "data/animals/dog/1.png")
    found = list_folder(tmp_path)
    assert found.class_names == ("cat", "dog")
    assert found.notes == ["the images are in the folders of data/animals"]
    fill(tmp_path / "one", "images/0.png", "images/1.png")
    assert list_folder(tmp_path / "one").class_names == ("images",)
    fill(tmp_path / "one", "images/more/2.png")
    assert list_folder(tmp_path / "one").labels.tolist() == [0, 0, 0]


def test_a_link_to_a_folder_above_ends(tmp_path):
    fill(tmp_path, "cat/0.png", "dog/1.png")
    (tmp_path / "cat" / "again").symlink_to(tmp_path)
    found = list_folder(tmp_path)
    assert len(found.files) == 2
    assert found.skipped[NOT_AN_IMAGE] == [tmp_path / "cat" / "again"]


# ------------------------------------------------------------------------------------------- splits


@pytest.mark.parametrize(
    "names",
    [("train", "val", "test"), ("Training", "valid", "test2017"), ("seg_train", "dev", "seg_test")],
)
def test_folders_named_like_splits_are_splits(tmp_path, names):
    train, validation, test = names
    fill(tmp_path, f"{train}/0.png", f"{train}/1.png", f"{validation}/2.png", f"{test}/3.png")
    data = load_dataset(f"folder:{tmp_path}")
    assert (data.labels, data.class_names) == (None, ())
    for part, want in ((data.train, [0, 1]), (data.validation, [2]), (data.test, [3])):
        got = data.images[part, 0].numpy()
        assert np.array_equal(got, GREY[want])
    assert data.reading.notes == (f"the folders {train}, {validation}, {test} are splits",)


def test_splits_may_have_class_folders(tmp_path):
    fill(tmp_path / "train", "a/0.png", "b/1.png", "b/2.png")
    fill(tmp_path / "test", "a/0.png", "b/1.png")
    data = load_dataset(f"folder:{tmp_path}")
    assert data.class_names == ("a", "b")
    assert data.labels[data.test].tolist() == [0, 1]
    assert sorted(data.labels[data.train].tolist()) == [0, 1]
    assert len(data.validation) == 1
    assert "validation images are taken from those for training" in data.reading.notes[0]


def test_a_class_may_be_called_train(tmp_path):
    fill(tmp_path, "train/0.png", "train/1.png", "bus/2.png", "bus/3.png")
    assert load_dataset(f"folder:{tmp_path}").class_names == ("bus", "train")


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (("train/0.png", "test/1.png", "cats/2.png"), "which look like splits, and cats"),
        (("train/0.png", "test/1.png", "2.png"), "which look like splits, and images"),
        (("val/0.png", "test/1.png"), "has the splits val, test but none for training"),
        (("train/a/0.png", "test/1.png"), "test has images outside of class folders"),
        (("0.png", "cats/deep/1.png"), "mixes images and class folders, such as 0.png and cats/"),
    ],
)
def test_folders_that_are_read_by_half_are_refused(tmp_path, names, sentence):
    assert sentence in refusal(f"folder:{fill(tmp_path, *names)}")


def test_an_empty_class_folder_is_refused_unless_it_is_hidden(tmp_path):
    fill(tmp_path, "a/0.png", "b/1.png", "__MACOSX/a/._0.png", "c/.2.png")
    assert list_folder(tmp_path).class_names == ("a", "b")
    (tmp_path / "d").mkdir()
    assert f"{tmp_path}/d is a class folder but contains no .png" in refusal(f"folder:{tmp_path}")
