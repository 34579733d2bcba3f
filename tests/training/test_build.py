"""Building networks from options: the input that is refused."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core.data.dataset import load_dataset
from ddpm_core.train import main as train
from ddpm_core.training.build import build_dataset, check_classes, images_per_class
from ddpm_core.training.diffusion_config import TrainConfig
from tests.training.miniature_runs import refused

OPTIONS = "--max-steps 2 --width 8 --multipliers 1 --batch-size 8 --T 20 --schedule cosine"

IMAGES = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)

SHORT = [*OPTIONS.split(), "--preview-steps", "2"]


def test_conditional_training_on_data_without_classes_is_refused(tmp_path, capsys):
    np.savez(tmp_path / "plain.npz", images=IMAGES)
    data, out = f"npz:{tmp_path / 'plain.npz'}", tmp_path / "run"
    message = refused(capsys, train, "--conditional", "--dataset", data, "--out-dir", str(out))
    assert "has no classes: give it labels" in message
    assert not out.exists()


def test_options_of_the_data_reach_the_reading(tmp_path):
    np.savez(tmp_path / "masks.npz", images=IMAGES % 2)
    config = TrainConfig(dataset=f"npz:{tmp_path / 'masks.npz'}", grey_levels=2)
    assert build_dataset(config).grey_levels == 2
    with pytest.raises(ValueError, match="--background is for folder:DIR"):
        build_dataset(dataclasses.replace(config, background="white"))
    with pytest.raises(ValueError, match="--skip-unreadable is for folder:DIR"):
        build_dataset(dataclasses.replace(config, skip_unreadable=True))
    with pytest.raises(ValueError, match="only 8-bit images are resized"):
        build_dataset(dataclasses.replace(config, image_size=4))


def test_a_class_without_a_training_image_is_refused_by_name(tmp_path):
    labels = np.arange(30) % 3
    for names in (["a", "b", "c"], ["a", "b", "c", "ghost"]):
        np.savez(tmp_path / "x.npz", images=IMAGES, labels=labels, class_names=names)
        dataset = load_dataset(f"npz:{tmp_path / 'x.npz'}")
        check_classes(dataset)
        assert images_per_class(dataset)[:3] == [9, 8, 9]
        assert images_per_class(dataset)[3:] == [0] * (len(names) - 3)
    moved = dataclasses.replace(
        dataset,
        train=torch.arange(30)[labels != 1][:18],
        validation=torch.arange(30)[labels == 1],
        test=torch.arange(30)[labels != 1][18:],
    )
    with pytest.raises(
        ValueError, match=r"these classes of npz:.* have no training image: b\. Add"
    ):
        check_classes(moved)
    assert images_per_class(dataclasses.replace(dataset, labels=None)) == []


def test_a_class_in_the_test_folder_alone_is_refused_for_conditional_runs(tmp_path, capsys):
    for i, name in enumerate(["train/a/0", "train/a/1", "train/b/2", "test/a/3", "test/rare/4"]):
        path = tmp_path / "data" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(IMAGES[i]).save(path)
    flags = ["--dataset", f"folder:{tmp_path / 'data'}", "--out-dir", str(tmp_path / "run")]
    message = refused(capsys, train, *flags, *SHORT, "--conditional")
    assert "have no training image: rare. Add images, or remove the classes" in message
    assert train([*flags, *SHORT, "--dry-run"]) == 0
