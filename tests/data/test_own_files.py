"""Files of ddpm-core inside a folder of data."""

import pytest

from ddpm_core.data.dataset import load_dataset
from ddpm_core.data.own_files import MARKERS, is_own, is_run_directory
from ddpm_core.data.reading import OWN
from tests.data.datasets_written import GREY, refusal, write_png
from tests.training.miniature_runs import train

PICTURES = ("denoising", "loss.png", "samples")


def write_run(folder):
    """Write what marks a run directory, and pictures as a run draws them."""
    for name in PICTURES:
        write_png(folder / (name if "." in name else f"{name}/step-000010.png"), GREY[0])
    for name in MARKERS:
        (folder / name).write_text("{}")


@pytest.mark.parametrize("where", ["run", "runs/first", ""])
def test_a_run_directory_in_the_data_is_left_out(tmp_path, where):
    """Also one that is the folder of the data itself."""
    for i in range(3):
        write_png(tmp_path / f"{i}.png", GREY[i])
    before = load_dataset(f"folder:{tmp_path}").digest()
    write_run(tmp_path / where)
    data = load_dataset(f"folder:{tmp_path}")
    assert data.digest() == before
    own = data.reading.skipped[OWN]
    assert own == ((where,) if where else tuple(sorted([*MARKERS, *PICTURES])))
    assert f"{OWN} ({own[0]}" in data.reading.line


def test_class_folders_ignore_a_run_beside_them(tmp_path):
    for i, name in enumerate(["a/0.png", "a/1.png", "b/0.png", "b/1.png"]):
        write_png(tmp_path / name, GREY[i])
    write_run(tmp_path / "runs" / "folder")
    data = load_dataset(f"folder:{tmp_path}")
    assert data.class_names == ("a", "b")
    assert data.reading.skipped == {OWN: ("runs/folder",)}


def test_a_folder_of_our_own_files_alone_has_no_images(tmp_path):
    write_run(tmp_path)
    assert "contains no images" in refusal(f"folder:{tmp_path}")
    assert "(skipped: 6 written by ddpm-core)" in refusal(f"folder:{tmp_path}")


def test_files_of_sample_and_evaluate_are_recognised_by_name_and_companion(tmp_path):
    stem = tmp_path / "step-000500-seed-0-ddim"
    picture = write_png(stem.with_suffix(".png"), GREY[0])
    assert not is_own(picture)
    stem.with_suffix(".npy").touch()
    assert is_own(picture)
    evaluated = write_png(tmp_path / "step-000500-seed-1.png", GREY[0])
    evaluated.with_suffix(".json").touch()
    assert is_own(evaluated)
    assert is_own(write_png(tmp_path / "step-000500-seed-0-compare.png", GREY[0]))
    other = write_png(tmp_path / "step-000500-seedling.png", GREY[0])
    other.with_suffix(".json").touch()
    assert not is_own(other)
    frame = write_png(tmp_path / "step-000500.png", GREY[0])
    frame.with_suffix(".json").touch()
    assert not is_own(frame)


def test_all_three_files_mark_a_run_directory(tmp_path):
    for name in MARKERS:
        assert not is_run_directory(tmp_path)
        (tmp_path / name).touch()
    assert is_run_directory(tmp_path)


def test_the_cache_of_an_evaluation_is_no_class(tmp_path):
    """Written by `evaluate --out-dir` into the folder of the data."""
    for i, name in enumerate(["a/0.png", "a/1.png", "b/0.png", "samples/0.png"]):
        write_png(tmp_path / name, GREY[i])
    (tmp_path / "bound").mkdir()
    assert "bound is a class folder but contains no" in refusal(f"folder:{tmp_path}")
    (tmp_path / ".lock").touch()
    data = load_dataset(f"folder:{tmp_path}")
    assert data.class_names == ("a", "b")
    assert data.reading.skipped[OWN] == ("bound", "samples")


@pytest.mark.usefixtures("undrawn")
def test_a_run_inside_its_data_resumes(tmp_path):
    for i in range(20):
        write_png(tmp_path / f"{i:02}.png", GREY[i].repeat(2, 0).repeat(2, 1)[:8, :8])
    flags = ("--dataset", f"folder:{tmp_path}")
    assert train(tmp_path / "run", *flags, "--learning-rate-decay", "constant", steps=2) == 0
    assert train(tmp_path / "run", *flags, "--learning-rate-decay", "constant", steps=3) == 0
