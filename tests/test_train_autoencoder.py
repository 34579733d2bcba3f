"""The train_autoencoder command: its options become a task; the loop gives the exit code."""

from pathlib import Path

import pytest

from ddpm_core.train_autoencoder import main
from ddpm_core.training import loop
from ddpm_core.training.autoencoder_run import AutoencoderTask
from tests.commands import help_without_heavy_imports


def test_help_does_not_import_torch():
    assert "--factor" in help_without_heavy_imports("train_autoencoder")


def test_options_become_an_autoencoder_task(monkeypatch):
    configs = []
    monkeypatch.setattr(AutoencoderTask, "prepare", configs.append)

    def train(command, prepare, stop):
        assert (command, configs, stop.requested) == ("train_autoencoder", [], None)
        prepare()
        return 7

    monkeypatch.setattr(loop, "train", train)
    assert main(["--out-dir", "here", "--max-steps", "3"]) == 7
    (config,) = configs
    assert (config.out_dir, config.max_steps) == (Path("here"), 3)


def test_unknown_option_exits_2_before_anything_is_prepared(monkeypatch, capsys):
    monkeypatch.setattr(loop, "train", None)
    with pytest.raises(SystemExit) as stopped:
        main(["--max-step", "3"])
    assert stopped.value.code == 2
    assert "--max-steps" in capsys.readouterr().err
