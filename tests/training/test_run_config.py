"""Options of every run: their ranges, and those that a resumed run must not change."""

import dataclasses
import math
import re

import pytest

from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.run_config import check_same_run, lasting

SMALL = TrainConfig(
    width=8,
    multipliers=(1,),
    batch_size=64,
    T=20,
    schedule="cosine",
    device="cpu",
    conditional=True,
)


def test_option_missing_from_an_older_checkpoint_has_its_default():
    config = dataclasses.replace(SMALL, conditional=False)
    saved = lasting(config)
    del saved["conditional"], saved["label_dropout"]
    check_same_run(saved, config, "RUN")
    with pytest.raises(ValueError, match="RUN was made with --conditional False, not True"):
        check_same_run(saved, SMALL, "RUN")


def test_places_of_the_data_and_equal_devices_do_not_count():
    """Their content is compared: tests/training/test_run_directory.py."""
    moved = dataclasses.replace(SMALL, dataset="npz:x", image_size=8, grey_levels=2, split="even")
    moved = dataclasses.replace(moved, background="white", skip_unreadable=True, data_changed="ok")
    check_same_run(lasting(SMALL), moved, "RUN")
    assert lasting(moved)["dataset"] == "npz:x"
    elsewhere = dataclasses.replace(SMALL, device="auto")
    with pytest.raises(ValueError, match="RUN was made with --device cpu, not auto"):
        check_same_run(lasting(SMALL), elsewhere, "RUN")
    check_same_run(lasting(SMALL), elsewhere, "RUN", same_device=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"batch_size": 0},
            "--batch-size = 0 must be finite and at least 1; pass 1 or more, or omit it "
            "(default: 128)",
        ),
        (
            {"image_size": 0},
            "--image-size = 0 must be finite and at least 1; pass 1 or more, or omit it",
        ),
        ({"weight_decay": math.inf}, "--weight-decay = inf must be finite and at least 0; pass 0"),
        (
            {"grad_clip": 0.0},
            "--grad-clip = 0.0 must be finite and above 0; pass a number above 0, or omit it "
            "(default: 1.0)",
        ),
        ({"learning_rate": math.nan}, "--learning-rate = nan must be finite and above 0; pass a"),
        (
            {"ema_decay": 1.0},
            "--ema-decay = 1.0 is outside [0, 1); pass a fraction of this range, or omit it "
            "(default: 0.998)",
        ),
    ],
)
def test_values_outside_their_range_are_refused_with_a_remedy(options, message):
    with pytest.raises(ValueError, match=re.escape(message) + "$" * message.endswith((")", "it"))):
        TrainConfig(**options)
