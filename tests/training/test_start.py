"""The plan that a run prints before its first step."""

import dataclasses

import numpy as np
import pytest

from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.run_directory import RunDirectory
from ddpm_core.training.start import plan
from tests.training.miniature_runs import train
from tests.training.recorded_steps import SMALL


def test_the_plan_tells_continuous_values_from_grey_levels(tmp_path):
    images = np.linspace(-1, 1, 640, dtype=np.float32).reshape(40, 4, 4)
    np.savez(tmp_path / "real.npz", images=images)
    real = dataclasses.replace(SMALL, dataset=f"npz:{tmp_path / 'real.npz'}", multipliers=(1,))
    for config, values in ((real, "(1, 4, 4), continuous-valued"), (SMALL, "(1, 8, 8), 17 grey")):
        assert f"test images of shape {values}" in plan(RunDirectory(DiffusionTask.prepare(config)))


def test_the_plan_states_classes_and_label_dropout():
    config = dataclasses.replace(SMALL, conditional=True, label_dropout=0.25)
    described = DiffusionTask.prepare(config).describe()
    assert (
        ", class-conditional (10 classes, label dropout 25 %); predicts eps in pixels" in described
    )
    assert "class" not in DiffusionTask.prepare(SMALL).describe()


def test_a_dry_run_writes_nothing(tmp_path, capsys):
    assert train(tmp_path / "run", "--dry-run") == 0
    assert not (tmp_path / "run").exists()
    plan = capsys.readouterr().out
    assert "1,200 training" in plan
    assert "NOTE" not in plan
    assert train(tmp_path / "run", "--dry-run", "--warmup-steps", "9") == 0
    note = "NOTE: the learning rate warms up over 9 steps; lower --warmup-steps to reach its peak"
    assert note in capsys.readouterr().out
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit):
        train(tmp_path / "file" / "run", "--dry-run")
    assert f"{tmp_path / 'file'} is not a writable folder" in capsys.readouterr().err
