"""The plan that a run prints before its first step."""

import dataclasses

import numpy as np

from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.run_directory import RunDirectory
from ddpm_core.training.start import plan
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
