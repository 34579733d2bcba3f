"""Options: their sources, their precedence, and the errors for wrong ones."""

import dataclasses
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ddpm_core.cli.options import flag, from_json, parse, to_json
from ddpm_core.generation.config import SampleConfig
from ddpm_core.train import main
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.diffusion_config import TrainConfig


def test_options_come_from_defaults_then_the_file_then_flags(tmp_path, capsys):
    (tmp_path / "run.toml").write_text(
        "seed = 5\nmultipliers = [1]\ndry-run = true\ndropout = 0.0\n"
    )
    arguments = ["--config", str(tmp_path / "run.toml"), "--batch_size", "4", "--seed", "6"]
    assert main([*arguments, "--out-dir", str(tmp_path / "run"), "--denoise-at", "1000,500,0"]) == 0
    assert "4 images each" in capsys.readouterr().out
    (tmp_path / "run.toml").write_text("sead = 5\n")
    with pytest.raises(SystemExit):
        main(arguments)
    assert "did you mean seed" in capsys.readouterr().err
    (tmp_path / "run.toml").write_text("max-steps = 3\nmax_steps = 4\n")
    with pytest.raises(SystemExit):
        main(arguments)
    assert "has 'max-steps' and 'max_steps'; keep one of them" in capsys.readouterr().err
    (tmp_path / "run.toml").write_text("T = 'many'\n")
    with pytest.raises(SystemExit):
        main(arguments)
    assert f"comes from --config {tmp_path / 'run.toml'}" in capsys.readouterr().err


def test_positional_argument_is_not_absorbed_by_a_list_from_the_file(tmp_path):
    (tmp_path / "draw.toml").write_text('steps = 3\nclass = ["3", "5"]\n')
    config = parse(SampleConfig, "sample", ["RUN", "--config", str(tmp_path / "draw.toml")])
    assert (config.run, config.class_) == (Path("RUN"), ("3", "5"))


def test_option_of_a_later_version_requires_an_upgrade():
    with pytest.raises(ValueError, match="the options mixup are unknown to this version: upgrade"):
        from_json(TrainConfig, to_json(TrainConfig()) | {"mixup": 0.1})


def test_characters_outside_the_terminal_encoding_are_escaped(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    parse(TrainConfig, "train", [])
    print("\u03b1", file=terminal, flush=True)
    assert terminal.buffer.getvalue() == b"\\u03b1\n"


@pytest.mark.parametrize("command", ["train", "train_autoencoder"])
def test_help_shows_options_in_named_groups(command, capsys):
    config = {"train": TrainConfig, "train_autoencoder": AutoencoderConfig}[command]
    with pytest.raises(SystemExit) as done:
        parse(config, command, ["--help"])
    assert done.value.code == 0
    shown = capsys.readouterr().out
    groups = re.findall(r"^\W*([a-z ]+) options\b", shown, re.M)
    model = ["model", "diffusion"] if command == "train" else ["model"]
    assert groups == ["data", *model, "optimization", "logging and previews", "run", "gate"]
    flags = re.findall(r"^\W{0,3}(--[a-zA-Z][a-zA-Z-]*)", shown, re.M)
    assert set(flags) == {
        "--no-channels-last" if each.name == "channels_last" else flag(each.name)
        for each in dataclasses.fields(config)
    }
    assert len(set(flags)) <= 46


def test_both_forms_of_a_flag_are_accepted_although_help_shows_one(tmp_path):
    (tmp_path / "run.toml").write_text("compile = true\nchannels-last = false\n")
    file = ["--config", str(tmp_path / "run.toml")]
    config = parse(TrainConfig, "train", file)
    assert (config.compile, config.channels_last) == (True, False)
    config = parse(TrainConfig, "train", [*file, "--no-compile", "--channels-last"])
    assert (config.compile, config.channels_last) == (False, True)


def test_help_into_a_closed_pipe_is_no_traceback():
    command = f"{sys.executable} -m ddpm_core.train --help | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
