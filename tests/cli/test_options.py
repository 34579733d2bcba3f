"""Options: their sources, their precedence, and the errors for wrong ones."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from ddpm_core.cli.options import from_json, parse, to_json
from ddpm_core.generation.config import SampleConfig
from ddpm_core.train import main
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


def test_option_of_a_later_version_asks_for_an_upgrade():
    with pytest.raises(ValueError, match="the options mixup are unknown to this version: upgrade"):
        from_json(TrainConfig, to_json(TrainConfig()) | {"mixup": 0.1})


@pytest.mark.parametrize("command", ["train", "sample"])
def test_help_does_not_import_torch(command):
    code = (
        "import runpy, sys; sys.argv = ['x', '--help']\n"
        f"try: runpy.run_module('ddpm_core.{command}', run_name='__main__')\n"
        "except SystemExit as done: assert done.code == 0\n"
        "assert not {'torch', 'numpy', 'matplotlib', 'sklearn'} & sys.modules.keys()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "--out-dir" in done.stdout


def test_characters_outside_the_terminal_encoding_are_escaped(monkeypatch):
    terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", terminal)
    parse(TrainConfig, "train", [])
    print("\u03b1", file=terminal, flush=True)
    assert terminal.buffer.getvalue() == b"\\u03b1\n"
