"""The sample command."""

from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.generation import generate_images as drawing
from ddpm_core.generation.compare import comparison_cells
from ddpm_core.sample import main
from ddpm_core.samplers.ancestral import Ancestral
from ddpm_core.samplers.base import generate
from ddpm_core.samplers.ddim import DDIM
from ddpm_core.samplers.dpm_solver import DPMSolver
from ddpm_core.samplers.heun import Heun
from ddpm_core.samplers.timestep_spacing import leading, linspace, log_snr, trailing
from ddpm_core.storage.checkpoint import load_checkpoint
from ddpm_core.training.trained import load_trained
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")

FIELDS = ("times", "eta", "variance")


@pytest.fixture(scope="module")
def run(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "digits"
    return shared_runs.train(folder, "--multipliers", "1", "2")


def draw(run: Path, out: Path, *more: str) -> np.ndarray:
    assert main([str(run), "--out-dir", str(out), *more]) == 0
    (array,) = out.glob("*.npy")
    return np.load(array)


def test_sample_does_not_depend_on_the_batch(run, tmp_path):
    """Up to rounding, whose order may depend on the batch size.

    A hundredth of the smallest distance between two samples separates rounding from other noise.
    """
    complete = draw(run, tmp_path / "a", "--n", "6")
    batches = draw(run, tmp_path / "b", "--n", "6", "--batch-size", "4")
    last_two = draw(run, tmp_path / "c", "--n", "2", "--first", "4")
    assert complete.shape == (6, 1, 8, 8)
    assert complete.min() >= 0
    assert complete.max() <= 1
    apart = min(np.abs(complete[i] - complete[j]).max() for i in range(6) for j in range(i))
    assert apart > 0.1
    assert np.abs(complete - batches).max() < apart / 100
    assert np.abs(complete[4:] - last_two).max() < apart / 100


def test_samples_are_written_although_a_picture_cannot_be_drawn(run, tmp_path, monkeypatch, capsys):
    def fail(*given, **named):
        raise RuntimeError("no such colour")

    monkeypatch.setattr(drawing, "sample_grid", fail)
    assert draw(run, tmp_path, "--n", "2", "--steps", "2").shape == (2, 1, 8, 8)
    warning = "WARNING: no step-000002-seed-0-2-samples-2-steps.png: RuntimeError: no such colour"
    printed = capsys.readouterr()
    assert warning in printed.err
    assert ".png" not in printed.out


def test_sampling_uses_the_ema_weights(run):
    saved = load_checkpoint(run / "checkpoints" / "step-000002").tensors
    drawn = load_trained(run, torch.device("cpu")).network.state_dict()
    assert all(torch.equal(drawn[name], saved["ema"][name]) for name in drawn)
    assert not all(torch.equal(drawn[name], saved["model"][name]) for name in drawn)


def test_seed_and_variance_change_the_samples(run, tmp_path):
    base = draw(run, tmp_path / "a", "--n", "2")
    assert np.abs(base - draw(run, tmp_path / "b", "--n", "2", "--seed", "1")).max() > 0.1
    large = draw(run, tmp_path / "c", "--n", "2", "--variance", "fixed_large")
    assert np.abs(base - large).max() > 0.01


@pytest.mark.parametrize(
    ("flags", "sampler"),
    [
        ("", lambda schedule: Ancestral(schedule, trailing(schedule, 6))),
        ("--variance fixed_large", lambda s: Ancestral(s, trailing(s, 6), "fixed_large")),
        ("--sampler ddim", lambda schedule: DDIM(schedule, trailing(schedule, 6))),
        ("--sampler ddim --eta 0.5", lambda s: DDIM(s, trailing(s, 6), 0.5)),
        ("--sampler dpm++ --timestep-spacing leading", lambda s: DPMSolver(s, leading(s, 6))),
        ("--sampler heun --timestep-spacing linspace", lambda s: Heun(s, linspace(s, 6))),
        ("--sampler ddim --timestep-spacing log_snr", lambda s: DDIM(s, log_snr(s, 6))),
    ],
)
def test_flags_choose_sampler_timestep_spacing_and_noise(
    run, tmp_path, monkeypatch, flags, sampler
):
    """Checked on the sampler: after so short a training all pixels are clipped."""
    used = []
    monkeypatch.setattr(
        drawing,
        "generate",
        lambda sampler, *a, **k: used.append(sampler) or generate(sampler, *a, **k),
    )
    draw(run, tmp_path, "--n", "2", "--steps", "6", *flags.split())
    expected = sampler(load_trained(run, torch.device("cpu")).schedule)
    assert type(used[0]) is type(expected)
    assert [getattr(used[0], name) for name in FIELDS if hasattr(expected, name)] == [
        getattr(expected, name) for name in FIELDS if hasattr(expected, name)
    ]


def test_comparison_has_a_row_per_sampler_and_one_with_all_timesteps(run, tmp_path):
    assert main([str(run), "--compare", "--out-dir", str(tmp_path)]) == 0
    (figure,) = tmp_path.iterdir()  # nothing else is written
    assert figure.name == "step-000002-seed-0-compare.png"
    trained = load_trained(run, torch.device("cpu"))
    denoiser = NetworkDenoiser(trained.schedule, trained.network, trained.parameterization)
    cells = list(comparison_cells(denoiser, trained.schedule, trained.image_shape, n=2))
    assert [(row, steps) for row, steps, _ in cells] == [
        *(
            (name, steps)
            for name in ("ancestral", "ddim", "dpm++", "heun")
            for steps in (5, 10, 20)
        ),
        ("ancestral, all timesteps", 20),
    ]
    cell = {(row, steps): images for row, steps, images in cells}
    assert torch.equal(cell["ancestral", 20], cell["ancestral, all timesteps", 20])
    assert not torch.equal(cell["ddim", 5], cell["dpm++", 5])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere is not a folder; name the --out-dir of a training run"),
        (["tests"], "tests holds no checkpoint; name the --out-dir of a training run, or"),
        (["RUN/samples"], "samples holds no checkpoint; name RUN, which is a training run, or"),
        (["RUN/checkpoints"], "checkpoints holds no checkpoint; name RUN, which is"),
        (["README.md"], "README.md is not a folder"),
        (["RUN", "--steps", "21"], "--steps = 21, but"),
        (["RUN", "--variance", "medium"], "fixed_large"),
        (["RUN", "--sampler", "euler"], "'euler'"),
        (["RUN", "--timestep-spacing", "cosine"], "'cosine'"),
        (["RUN", "--device", "cuda"], "--device cuda"),
    ],
)
def test_bad_usage_exits_2_with_a_message(run, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        main([each.replace("RUN", str(run)) for each in arguments])
    assert stopped.value.code == 2
    assert message.replace("RUN", str(run)) in capsys.readouterr().err


def test_unwritable_folder_is_refused_before_sampling(run, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(drawing, "generate", None)  # calling it would fail
    with pytest.raises(SystemExit):
        main([str(run), "--out-dir", str(tmp_path / "file")])
    assert "file: File exists. Choose a folder" in capsys.readouterr().err
