"""Options of sample: ranges, combinations that have no effect, and names of the files."""

import math
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ddpm_core.generation.config import SampleConfig

RUN = Path("run")
GUIDED = {"class_": ("3",), "guidance_scale": 2.0}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "--n = 0 is below 1; pass 1 or more, or omit it (default: 64)"),
        ({"first": -1}, "--first = -1 is below 0; pass 0 or more, or omit it (default: 0)"),
        ({"steps": 0}, "--steps = 0 is below 1; pass 1 or more, or omit it"),
        ({"batch_size": 0}, "--batch-size = 0 is below 1; pass 1 or more, or omit it"),
        ({"seed": -1}, "--seed = -1 is below 0"),
        ({"sampler": "ddim", "eta": 1.5}, "--eta = 1.5 is outside [0, 1]; 0 is deterministic"),
        ({"sampler": "ddim", "eta": math.nan}, "--eta = nan is outside [0, 1]"),
        ({"class_": ("3",), "guidance_scale": -1.0}, "--guidance-scale = -1.0 must be finite and"),
        ({"class_": ("3",), "guidance_scale": math.nan}, "--guidance-scale = nan must be finite"),
        ({"class_": ("3",), "guidance_scale": math.inf}, "--guidance-scale = inf must be finite"),
        (GUIDED | {"guidance_rescale": 2.0}, "--guidance-rescale = 2.0 is outside [0, 1]; pass a"),
        (GUIDED | {"guidance_interval": (5, 2)}, "--guidance-interval 5 2 needs 1 <= lowest <="),
        (GUIDED | {"guidance_interval": (0, 20)}, "--guidance-interval 0 20 needs 1 <= lowest"),
    ],
)
def test_values_outside_their_range_are_refused_with_a_remedy(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SampleConfig(RUN, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eta": 0.5}, "--eta = 0.5 needs --sampler ddim, not ancestral; change one of them"),
        (
            {"variance": "fixed_large", "sampler": "heun"},
            "--variance fixed_large needs --sampler ancestral, not heun; change one of them",
        ),
        ({"timestep_spacing": "linspace"}, "omit --timestep-spacing: without --steps all timest"),
        ({"guidance_scale": 2.0}, "omit --guidance-scale: guidance needs --class"),
        ({"guidance_interval": (1, 2)}, "omit --guidance-interval: guidance needs --class"),
        (
            {"class_": ("3",), "guidance_rescale": 0.5},
            "omit --guidance-rescale: --guidance-scale 1 is without guidance",
        ),
        ({"class_": ()}, "--class needs a name, a number, or all"),
        ({"class_": ("3", "all")}, "--class 3 all: all cannot be combined; pass all alone"),
        ({"compare": True, "steps": 5}, "omit --steps: --compare uses every sampler"),
        ({"compare": True, "sampler": "ddim"}, "omit --sampler: --compare uses every sampler"),
        ({"compare": True, "gif": True}, "omit --gif: --compare uses every sampler"),
    ],
)
def test_combinations_without_effect_are_refused_with_a_remedy(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        SampleConfig(RUN, **options)


@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "ddim", "eta": 1.0},
        {"variance": "learned_range"},
        {"steps": 1, "timestep_spacing": "log_snr"},
        {"compare": True, "timestep_spacing": "log_snr"},
        {"class_": ("all",)},
        GUIDED | {"guidance_rescale": 1.0, "guidance_interval": (7, 7)},
    ],
)
def test_valid_combinations_are_accepted(options):
    assert SampleConfig(RUN, **options)


def test_default_options_have_no_suffix():
    assert SampleConfig(RUN).suffix([]) == ""


def test_every_option_that_changes_the_samples_enters_the_file_name():
    """Not the paths, data, the device, and what is drawn of the same samples."""
    others: dict[str, dict[str, Any]] = {
        "n": {"n": 5},
        "first": {"first": 5},
        "sampler": {"sampler": "heun"},
        "steps": {"steps": 5},
        "timestep_spacing": {"steps": 5, "timestep_spacing": "log_snr"},
        "eta": {"sampler": "ddim", "eta": 0.5},
        "variance": {"variance": "fixed_large"},
        "class_": {"class_": ("3",)},
        "guidance_scale": GUIDED,
        "guidance_rescale": GUIDED | {"guidance_rescale": 0.5},
        "guidance_interval": GUIDED | {"guidance_interval": (4, 17)},
        "clip": {"clip": False},
    }
    elsewhere = {"run", "config", "out_dir", "device", "batch_size", "seed", "gif", "compare"}
    elsewhere |= {"dataset", "data_changed"}
    assert {each.name for each in fields(SampleConfig)} == {*others, *elsewhere}
    names = [SampleConfig(RUN, **options).suffix([3]) for options in others.values()]
    assert len({"", *names}) == len(others) + 1
    assert names[-2] == "-scale-2-interval-4-17-class-3"
    assert SampleConfig(RUN, class_=("dog", "cat")).suffix([2, 0]) == "-class-2-0"
    assert SampleConfig(RUN, class_=("all",)).suffix([0, 1]) == "-class-all"
