"""Classes that the sample command is asked for: many, unseen, and of data that changed."""

import numpy as np
import pytest

from ddpm_core.generation import generate_images
from ddpm_core.sample import main
from tests.data.datasets_written import RNG, write_npz
from tests.training.miniature_runs import refused, train

pytestmark = pytest.mark.usefixtures("undrawn")
CLASSES = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run on a hundred classes of two images each, and a class without images."""
    folder = tmp_path_factory.mktemp("hundred")
    images = RNG.integers(0, 256, (2 * CLASSES, 4, 4), np.uint8)
    names = [f"class{i}" for i in range(CLASSES)] + ["ghost"]
    path = folder / "hundred.npz"
    write_npz(path, images=images, labels=np.arange(2 * CLASSES) // 2, class_names=names)
    flags = ("--dataset", f"npz:{path}", "--conditional", "--multipliers", "1")
    assert train(folder / "run", *flags, steps=1) == 0
    return folder


def test_seventy_classes_have_a_file_name_that_is_short_enough(folder, tmp_path):
    for number in (70, 71):
        names = [f"class{i}" for i in range(number)]
        flags = ["--n", "1", "--steps", "1", "--out-dir", str(tmp_path)]
        assert main([str(folder / "run"), "--class", *names, *flags]) == 0
    arrays = sorted(tmp_path.glob("*.npy"))
    assert sorted(len(np.load(array)) for array in arrays) == [70, 71]
    assert all(len(array.stem) <= 200 for array in arrays)


@pytest.mark.parametrize("wanted", [["ghost"], ["class0", "100"], ["all"]])
def test_a_class_without_a_training_image_is_refused_by_name(folder, capsys, wanted):
    message = refused(capsys, main, str(folder / "run"), "--class", *wanted)
    assert f"--class {' '.join(wanted)}: " in message
    assert "had no training image of ghost; name other classes" in message


def test_changed_data_are_refused_before_sampling(folder, tmp_path, capsys):
    other = write_npz(tmp_path / "other.npz", images=RNG.integers(0, 256, (9, 4, 4), np.uint8))
    flags = (str(folder / "run"), "--n", "1", "--steps", "1", "--dataset", f"npz:{other}")
    flags = (*flags, "--out-dir", str(tmp_path))
    assert "was trained on other data than npz:" in refused(capsys, main, *flags)
    assert list(tmp_path.glob("*.npy")) == []
    assert "has no labels" in refused(capsys, main, *flags, "--data-changed", "ok")


def test_the_picture_of_samples_shows_that_the_data_changed(tmp_path, capsys, monkeypatch):
    images = RNG.integers(0, 256, (24, 8, 8), np.uint8)
    spec = f"npz:{write_npz(tmp_path / 'x.npz', images=images)}"
    assert train(tmp_path / "run", "--dataset", spec, steps=1) == 0
    write_npz(tmp_path / "x.npz", images=images[::-1])
    marks = []
    real = generate_images.sample_grid
    monkeypatch.setattr(
        generate_images,
        "sample_grid",
        lambda *given, **named: marks.append(named["watermark"]) or real(*given, **named),
    )
    assert main([str(tmp_path / "run"), "--n", "1", "--steps", "1", "--data-changed", "ok"]) == 0
    assert marks[0].startswith("DATA CHANGED since the training (digest ")
    assert marks[0] in capsys.readouterr().err
    (tmp_path / "x.npz").unlink()
    assert main([str(tmp_path / "run"), "--n", "1", "--steps", "1"]) == 0
    assert "x.npz is not there, so the data were not compared" in capsys.readouterr().err
    assert marks[1] is None
