"""The sample command: samples, guidance and comparison figures."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ddpm_core import Prediction, Schedule
from ddpm_core.denoiser import ClipX0
from ddpm_core.generation import compare as comparison
from ddpm_core.generation import generate_images as drawing
from ddpm_core.guidance import Guided
from ddpm_core.randomness import keyed_noise
from ddpm_core.sample import main as sample
from ddpm_core.samplers.names import SAMPLERS
from ddpm_core.samplers.timestep_spacing import log_snr
from ddpm_core.training.trained import load_trained
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def run(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "v"
    return shared_runs.train(folder, "--parameterization", "v", "--conditional")


def spy(monkeypatch: pytest.MonkeyPatch, module: Any, name: str) -> list[tuple[Any, Any]]:
    """Record the arguments of every call of `module.name`."""
    real, calls = getattr(module, name), []

    def watched(*arguments: Any, **named: Any) -> Any:
        calls.append((arguments, named))
        return real(*arguments, **named)

    monkeypatch.setattr(module, name, watched)
    return calls


def draw(run: Path, out: Path, flags: str) -> np.ndarray | None:
    assert sample([str(run), "--out-dir", str(out), *flags.split()]) == 0
    return next((np.load(each) for each in out.glob("*.npy")), None)


def test_animation_goes_from_noise_to_the_first_samples(run, tmp_path, monkeypatch):
    calls = spy(monkeypatch, drawing, "trajectory_gif")
    images = draw(run, tmp_path, "--n 3 --batch-size 2 --gif")
    ((trajectory,), _) = calls[0]
    assert [t for t, _, _ in trajectory] == [*range(20, -1, -1)]
    noise = keyed_noise((1, 8, 8), 0, "sampling", 0, range(2)).numpy()
    assert np.array_equal(trajectory[0][1], noise)
    assert all(np.abs(x0_hat).max() <= 1 for _, _, x0_hat in trajectory)
    assert np.allclose((trajectory[-1][1] + 1) / 2, images[:2], atol=1e-6)


def test_samples_are_clipped_to_the_range_of_images(run, tmp_path):
    """The predictions of a network after two training steps are far outside the range."""
    images = draw(run, tmp_path, "--n 4 --steps 2 --no-clip")
    assert (images.min(), images.max()) == (0, 1)


def test_grid_has_one_row_per_class(run, tmp_path, monkeypatch):
    calls = spy(monkeypatch, drawing, "sample_grid")
    images = draw(run, tmp_path, "--n 3 --class 7 2 --steps 2 --gif")
    ((shown, columns), _) = calls[0]
    assert columns == 3
    assert np.allclose((shown.clamp(-1, 1) + 1) / 2, images, atol=1e-6)
    assert not np.allclose(images[:2], images[1:3], atol=1e-3)


@pytest.mark.parametrize("clip", [True, False])
def test_denoiser_uses_the_parameterization_and_is_clipped_by_default(
    run, tmp_path, monkeypatch, clip
):
    calls = spy(monkeypatch, drawing, "generate")
    draw(run, tmp_path, "--n 1 --steps 2" + " --no-clip" * (not clip))
    denoiser = calls[0][0][1]
    assert isinstance(denoiser, ClipX0) is clip
    plain = denoiser.denoiser if clip else denoiser
    assert plain.parameterization == "v"
    assert plain.network.training is False


def test_comparison_uses_the_options(run, tmp_path, monkeypatch):
    calls, trajectories = (
        spy(monkeypatch, module, name)
        for module, name in ((drawing, "comparison_cells"), (comparison, "generate"))
    )
    grids = spy(monkeypatch, drawing, "comparison_grid")
    marked = dataclasses.replace(load_trained(run, torch.device("cpu")), watermark="UNVERIFIED")
    monkeypatch.setattr(drawing, "load_trained", lambda *given: marked)
    draw(
        run,
        tmp_path,
        "--compare --seed 5 --timestep-spacing log_snr --class 3 8 --guidance-scale 2",
    )
    arguments, named = calls[0]
    assert isinstance(arguments[0].denoiser, Guided)
    assert named["cond"].tolist() == [3, 8, 3, 8]
    assert grids[0][1]["watermark"] == "UNVERIFIED"
    assert grids[0][1]["title"] == "log_snr timesteps, seed 5, class 3 8, guidance scale 2"
    ddim = [(given, more) for given, more in trajectories if type(given[0]).__name__ == "DDIM"]
    assert [len(given[0].times) for given, _ in ddim] == [6, 11, 21]
    assert ddim[0][0][0].times == log_snr(marked.schedule, 5)
    assert ddim[0][0][0].eta == 0
    for _, more in trajectories:
        assert more["seed"] == 5
        assert more["cond"].tolist() == [3, 8, 3, 8]


def test_sampler_that_cannot_start_has_no_row():
    schedule = Schedule.cosine(20).with_zero_terminal_snr()
    cells = comparison.comparison_cells(lambda x, t, c: Prediction(x), schedule, (1, 2, 2), n=1)
    rows = list(dict.fromkeys(row for row, _, _ in cells))
    assert rows == ["ancestral", "ddim", "dpm++", "ancestral, all timesteps"]


def test_comparison_has_samplers_in_rows_and_numbers_of_steps_in_columns(monkeypatch):
    cells = [
        *((name, steps, torch.full((1, 1, 8, 8), 0.1 * i + 0.01 * j))
          for i, name in enumerate(SAMPLERS) for j, steps in enumerate((5, 10))),
        ("ancestral, all timesteps", 20, torch.zeros(1, 1, 8, 8)),
    ]  # fmt: skip
    pasted = spy(monkeypatch, comparison, "paste")
    texts = spy(monkeypatch, comparison.Page, "text")
    comparison.comparison_grid(cells)
    places = [(x, y) for (_, _, x, y), _ in pasted]
    lefts, tops = sorted({x for x, _ in places}), sorted({y for _, y in places})
    assert places == [*((x, y) for y in tops[:-1] for x in lefts), (lefts[0], tops[-1])]
    height = {text: y for (_, _, y, text, *_), _ in texts}
    rows = [height[name] for name in [*SAMPLERS, "ancestral, all timesteps"]]
    assert rows == sorted(rows)
    assert height["2 NFE per step"] == height["heun"] + 20


def test_class_name_takes_precedence_over_number(run):
    trained = load_trained(run, torch.device("cpu"))
    named = dataclasses.replace(trained, class_names=("1", "0", "dog"))
    config = drawing.SampleConfig(Path(), class_=("0", "1", "2"))
    assert drawing.chosen_classes(config, named) == [1, 0, 2]


def test_guidance_interval_must_be_within_1_to_T(run, tmp_path, capsys):
    guided = "--n 1 --steps 2 --class 3 --guidance-scale 2 --guidance-interval"
    draw(run, tmp_path, f"{guided} 1 20")
    with pytest.raises(SystemExit):
        draw(run, tmp_path, f"{guided} 1 21")
    assert "has T = 20 timesteps" in capsys.readouterr().err
