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


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("conditional = 3", "has conditional = 3; write true or false"),
        ('dry-run = "yes"', 'has dry-run = "yes"; write true or false'),
        ("max-steps = true", "has max-steps = true; write a value, not true or false"),
    ],
)
def test_true_and_false_in_a_file_are_for_switches_only(entry, message, tmp_path, capsys):
    (tmp_path / "run.toml").write_text(entry)
    with pytest.raises(SystemExit) as done:
        parse(TrainConfig, "train", ["--config", str(tmp_path / "run.toml")])
    assert done.value.code == 2
    assert f"--config {tmp_path / 'run.toml'} {message}" in capsys.readouterr().err


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
    assert len(set(flags)) <= 51  # five of them say how to read images that are not as expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--T", "many"],
            "Error parsing --T: 'many' is not an integer; pass an integer, such as 3",
        ),
        (["--dropout", "x"], "Error parsing --dropout: 'x' is not a number; pass a number"),
        (["--image-size", "x"], "Error parsing --image-size: 'x' is not an integer"),
        (["--denoise-at", "5", "x"], "Error parsing --denoise-at: 'x' is not an integer"),
        (["--multipliers", "1.5"], "Error parsing --multipliers: '1.5' is not an integer"),
        (["--T", "0"], "ddpm_core.train: --T = 0 must be finite and at least 1; pass 1 or more"),
    ],
)
def test_an_invalid_value_is_refused_with_its_option_and_a_remedy(arguments, message, capsys):
    with pytest.raises(SystemExit) as done:
        parse(TrainConfig, "train", arguments)
    assert done.value.code == 2
    assert message in " ".join(re.sub("[\u2500-\u257f]", " ", capsys.readouterr().err).split())


def test_checks_of_a_command_without_groups_are_one_line(capsys):
    with pytest.raises(SystemExit) as done:
        parse(SampleConfig, "sample", ["RUN", "--n", "0"])
    assert done.value.code == 2
    sentence = "ddpm_core.sample: --n = 0 is below 1; pass 1 or more, or omit it (default: 64)\n"
    assert capsys.readouterr().err == sentence


def test_optional_values_are_read_as_their_own_kind():
    arguments = ["--image-size", "8", "--snr-gamma", "5", "--latent", "a/b", "--multipliers", "1,2"]
    config = parse(TrainConfig, "train", arguments)
    assert (config.image_size, config.snr_gamma, config.latent) == (8, 5.0, Path("a/b"))
    assert config.multipliers == (1, 2)
    guided = ["--class", "3", "--guidance-scale", "2"]
    config = parse(SampleConfig, "sample", ["RUN", "--guidance-interval", "1", "9", *guided])
    assert config.guidance_interval == (1, 9)


@pytest.mark.parametrize("config", [TrainConfig, SampleConfig])
def test_help_shows_every_default_but_none_and_no_union(config, capsys):
    with pytest.raises(SystemExit):
        parse(config, "command", ["--help"])
    shown = capsys.readouterr().out
    assert "None" not in shown
    assert "(default: )" not in shown
    assert "(default: 0)" in shown  # of --seed: 0 == False, but it is not a flag
    assert "Do not " in shown  # of a flag that is printed as --no-


def test_help_joins_the_lines_of_a_text(capsys):
    @dataclasses.dataclass(frozen=True)
    class Options:
        fast: bool = True
        """Skip
        the check."""
        steps: int = 3
        """Number of
        7 steps."""

    with pytest.raises(SystemExit):
        parse(Options, "command", ["--help"])
    shown = capsys.readouterr().out
    assert "Do not skip the check. " in shown
    assert "Number of 7 steps. (default: 3)" in shown


def test_both_forms_of_a_flag_are_accepted_although_help_shows_one(tmp_path):
    (tmp_path / "run.toml").write_text("compile = true\nchannels-last = false\n")
    file = ["--config", str(tmp_path / "run.toml")]
    config = parse(TrainConfig, "train", file)
    assert (config.compile, config.channels_last) == (True, False)
    config = parse(TrainConfig, "train", [*file, "--no-compile", "--channels-last"])
    assert (config.compile, config.channels_last) == (False, True)


def test_help_into_a_closed_pipe_has_no_traceback():
    command = f"{sys.executable} -m ddpm_core.train --help | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_toml_of_a_windows_editor_is_read(tmp_path):
    """It begins with a byte order mark, and its lines end in CR LF."""
    path = tmp_path / "run.toml"
    path.write_bytes(b"\xef\xbb\xbfmax-steps = 5\r\nseed = 6\r\n")
    config = parse(TrainConfig, "train", ["--config", str(path)])
    assert (config.max_steps, config.seed) == (5, 6)


def test_removed_working_directory_is_refused(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(SystemExit) as stopped:
        parse(TrainConfig, "train", [])
    monkeypatch.chdir(tmp_path)
    assert stopped.value.code == 2
    assert "the working directory was removed; cd to" in capsys.readouterr().err
