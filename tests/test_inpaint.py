"""The inpainting example: its distribution on Gaussian data, and the input that it refuses."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_core import Ancestral, Prediction, Schedule
from ddpm_core.data.dataset import load_dataset
from ddpm_core.denoiser import ClipX0
from tests.training.miniature_runs import SharedRuns, refused

FILE = Path(__file__).resolve().parent.parent / "docs" / "examples" / "inpaint.py"
spec = importlib.util.spec_from_file_location("inpaint", FILE)
assert spec is not None and spec.loader is not None  # noqa: PT018 - one fact: it is there
example = importlib.util.module_from_spec(spec)
spec.loader.exec_module(example)

MEAN = torch.tensor([0.75, -0.5], dtype=torch.float64)
COVARIANCE = torch.tensor([[0.5, 0.4], [0.4, 0.6]], dtype=torch.float64)
KNOWN = torch.tensor([1.5, 0.0], dtype=torch.float64)  # the first entry is known


def moments(resample: int, T: int) -> tuple[float, float]:
    """Return the exact mean and variance of the unknown entry.

    With the optimal denoiser x_0 is affine in the noise, so unit vectors of noise give its matrix.
    """
    schedule = Schedule.cosine(T)
    sampler = Ancestral(schedule)

    def best(x_t, t, cond=None):
        alpha_bar = schedule.alpha_bar(t)
        covariance = alpha_bar * COVARIANCE + (1 - alpha_bar) * torch.eye(2, dtype=torch.float64)
        whitened = torch.linalg.solve(covariance, (x_t - alpha_bar.sqrt() * MEAN).T).T
        return Prediction(MEAN + alpha_bar.sqrt() * whitened @ COVARIANCE)

    draws = 1 + T * resample * 3
    units = torch.zeros(draws, 1 + draws * 2, 2, dtype=torch.float64)
    for i in range(draws):
        for j in range(2):
            units[i, 1 + 2 * i + j, j] = 1
    tape = iter(units)
    mask = torch.tensor([True, False])
    out = example.inpaint(
        sampler, best, KNOWN.expand(units.shape[1], 2), mask, lambda: next(tape), resample
    )
    assert torch.equal(out[:, 0], KNOWN[:1].expand(len(out))), "the known entry has changed"
    mean, columns = out[0, 1], out[1:, 1] - out[0, 1]
    return float(mean), float(columns.square().sum())


def test_samples_approach_the_conditional_distribution():
    """The mean tends to m_2 + c_21 / c_11 (x_1 - m_1) as timesteps and repetitions grow.

    With one repetition the unknown part ignores the known one; many repetitions of few
    timesteps distort the variance.
    """
    slope = COVARIANCE[1, 0] / COVARIANCE[0, 0]
    mean = float(MEAN[1] + slope * (KNOWN[0] - MEAN[0]))
    off = [
        abs(moments(repetitions, T)[0] - mean) for repetitions, T in ((1, 12), (4, 24), (16, 48))
    ]
    assert off[0] > 2 * off[1] > 4 * off[2], f"the mean is off by {off}"
    variance = float(COVARIANCE[1, 1] - slope * COVARIANCE[0, 1])
    assert abs(moments(16, 48)[1] - variance) < abs(moments(16, 12)[1] - variance)


class Blank:
    """A sampler whose steps return 0, and which records its arguments."""

    schedule, times = Schedule.from_betas([0.1, 0.5, 0.3]), (3, 1, 0)

    def __init__(self) -> None:
        self.given: list[tuple[torch.Tensor, int, int]] = []

    def step(self, denoiser, x_t, s, t, noise, state):
        self.given.append((x_t, s, t))
        return torch.zeros_like(x_t), x_t, None


def test_each_resampling_step_draws_fresh_noise():
    """Three repetitions of 3 -> 1, then a step to data; the known part gets fresh noise."""
    numbers = iter(range(1, 100))
    sampler, image = Blank(), torch.full((1, 2), 0.5)
    known = torch.tensor([True, False])
    noise = lambda: torch.full((1, 2), float(next(numbers)))  # noqa: E731 - one number after another
    out = example.inpaint(sampler, None, image, known, noise, 3)
    assert [(s, t) for _, s, t in sampler.given] == [(1, 3)] * 3 + [(0, 1)]
    a_1, a_31 = sampler.schedule.alpha_bar(1), sampler.schedule.alpha(1, 3)
    number, want = 1, torch.full((1, 2), 1.0)
    for i, (x_t, _, _) in enumerate(sampler.given):
        assert torch.allclose(x_t, want.to(x_t.dtype), rtol=1e-6)
        known = number + 2  # drawn after the noise of the step
        x_s = torch.tensor([[a_1.sqrt() * 0.5 + (1 - a_1).sqrt() * known, 0.0]])
        want = a_31.sqrt() * x_s + (1 - a_31).sqrt() * (number + 3) if i < 2 else x_s
        number += 3
    assert torch.equal(out, torch.tensor([[0.5, 0.0]]))


@pytest.fixture(scope="module")
def run(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_runs.train(tmp_path_factory.mktemp("runs") / "digits", "--parameterization", "v")


def mask(path: Path, values: np.ndarray) -> str:
    Image.fromarray(values.astype(np.uint8)).save(path)
    return str(path)


HALF = np.repeat([255, 0], 4)[:, None] * np.ones((1, 8))


def test_the_figure_shows_one_row_of_samples(run, tmp_path):
    out = tmp_path / "out.png"
    flags = ["--mask", mask(tmp_path / "m.png", HALF), "--steps", "4", "--out", str(out)]
    example.main([str(run), *flags, "--n", "2", "--resample", "2"])
    original, _, first, second = np.split(np.asarray(Image.open(out))[4:-4, 4:], 4, axis=1)
    known = slice(0, original.shape[0] // 2)
    assert np.array_equal(original[known], first[known])
    assert np.array_equal(original[known], second[known])
    assert not np.array_equal(original, first)
    assert not np.array_equal(first, second)


def test_the_command_uses_the_chosen_image_and_options(run, tmp_path, monkeypatch):
    calls, pictures = [], []
    real, grid = example.inpaint, example.sample_grid
    monkeypatch.setattr(example, "inpaint", lambda *a: calls.append(a) or real(*a))
    monkeypatch.setattr(example, "sample_grid", lambda *a, **k: pictures.append(a) or grid(*a, **k))
    flags = ["--mask", mask(tmp_path / "m.png", HALF), "--steps", "3", "--resample", "2"]
    drawn = []
    for seed in ("0", "1"):
        more = ["--index", "7", "--n", "2", "--seed", seed, "--out", str(tmp_path / "o.png")]
        example.main([str(run), *flags, *more])
        drawn.append(pictures[-1][0][2:])
    sampler, denoiser, image, known, _, resample = calls[0]
    dataset = load_dataset("digits")
    assert torch.equal(image, dataset.take(dataset.test[[7]]).expand(2, -1, -1, -1))
    assert type(denoiser) is ClipX0
    assert denoiser.denoiser.parameterization == "v"
    assert (sampler.times, resample) == ((20, 13, 7, 0), 2)
    assert not torch.equal(*drawn)
    first, shown = pictures[0][0][:2]
    assert torch.equal(first, image[0])
    assert torch.equal(shown, torch.where(known, image[0], torch.zeros(())))


def test_learned_variance_is_that_of_the_run(shared_runs, tmp_path, monkeypatch):
    """A network of --loss hybrid has twice the channels, and its steps their own variance."""
    run = shared_runs.train(tmp_path / "hybrid", "--loss", "hybrid")
    calls, real = [], example.inpaint
    monkeypatch.setattr(example, "inpaint", lambda *a: calls.append(a) or real(*a))
    flags = ["--mask", mask(tmp_path / "m.png", HALF), "--steps", "3", "--resample", "1"]
    example.main([str(run), *flags, "--out", str(tmp_path / "o.png")])
    sampler, denoiser, *_ = calls[0]
    assert sampler.variance == "learned_range"
    assert denoiser.denoiser.learns_variance


def test_latent_runs_are_inpainted_in_their_latents(latent_run, tmp_path):
    """The known part is that of the image; elsewhere decoded latents are drawn."""
    out = tmp_path / "o.png"
    flags = ["--mask", mask(tmp_path / "m.png", HALF), "--steps", "3", "--resample", "1"]
    example.main([str(latent_run), *flags, "--n", "1", "--out", str(out)])
    original, _, drawn = np.split(np.asarray(Image.open(out))[4:-4, 4:], 3, axis=1)
    known = slice(0, original.shape[0] // 2)
    assert np.array_equal(original[known], drawn[known])
    assert not np.array_equal(original, drawn)


def test_a_latent_is_known_if_all_of_its_pixels_are():
    known = torch.ones(4, 4, dtype=torch.bool)
    known[0, 3] = False
    states = example.known_states(known, torch.zeros(1, 3, 2, 2))
    assert states.tolist() == [[[True, False], [True, True]]]
    assert torch.equal(example.known_states(known, torch.zeros(1, 1, 4, 4))[0], known)


@pytest.mark.parametrize(
    ("values", "flags", "sentence"),
    [
        (HALF[:7], [], "has 7 x 8 pixels, but the images of the run have 8 x 8"),
        (HALF + 255, [], "is white everywhere; paint the part to be drawn black"),
        (HALF * 0, [], "is black everywhere; paint the known part white (128 or more)"),
        (HALF, ["--mask", "nowhere.png"], "--mask nowhere.png is not a file; name an image"),
        (HALF, ["--index", "500"], "--index = 500 is outside 0..499"),
        (HALF, ["--n", "0"], "--n = 0 is below 1"),
        (HALF, ["--steps", "21"], "21"),
    ],
)
def test_bad_input_exits_2_with_a_message(run, tmp_path, capsys, values, flags, sentence):
    picture = mask(tmp_path / "m.png", np.minimum(values, 255))
    with pytest.raises(SystemExit) as stopped:
        example.main([str(run), "--mask", picture, "--out", str(tmp_path / "o.png"), *flags])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "o.png").exists()


def test_a_mask_with_transparent_pixels_is_refused(run, tmp_path, capsys):
    picture = Image.new("RGBA", (8, 8), "white")
    picture.putalpha(Image.fromarray(HALF.astype(np.uint8)))
    picture.save(tmp_path / "m.png")
    message = refused(capsys, example.main, str(run), "--mask", str(tmp_path / "m.png"))
    assert "m.png has transparent pixels; paint the known part white on black" in message
