"""Sample quality in the evaluate command: distances, cache, conditioning, refusals."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.denoiser import NetworkDenoiser
from ddpm_core.evaluate import main
from ddpm_core.evaluation import classifier, inception
from ddpm_core.evaluation import evaluate as evaluation
from ddpm_core.evaluation import sample_quality as realism
from ddpm_core.evaluation.distances import frechet
from ddpm_core.samplers.base import Snapshot, generate
from ddpm_core.samplers.dpm_solver import DPMSolver
from ddpm_core.samplers.timestep_spacing import trailing
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import fidelity, newest
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")
FEW = ["--n", "2", "--strata", "2", "--samples", "10", "--steps", "3", "--batch-size", "4"]


@pytest.fixture(scope="module")
def runs(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    grey = np.random.default_rng(0).integers(0, 256, (40, 4, 4), np.uint8)
    np.savez(folder / "plain.npz", images=grey)
    np.savez(folder / "few.npz", images=grey[:9])
    np.savez(folder / "labelled.npz", images=grey, labels=np.minimum(np.arange(40) % 4, 1))
    kinds = {"RUN": []}
    for name in ("plain", "few", "labelled"):
        kinds[name.upper()] = ["--dataset", f"npz:{folder / name}.npz"]
    kinds["LABELLED"] += ["--conditional"]
    kinds["ZERO"] = ["--zero-terminal-snr", "--parameterization", "v"]
    return {name: shared_runs.train(folder / name, *more) for name, more in kinds.items()}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classifier, "STEPS", 5)


def quality(run: Path, out: Path, *flags: str) -> dict:
    assert main([str(run), "--out-dir", str(out), *FEW, *flags]) == 0
    return newest(out)["quality"]


def spy_on_generate(monkeypatch: pytest.MonkeyPatch) -> list[dict]:
    """Record the keyword arguments of every call of `generate`."""
    calls = []
    monkeypatch.setattr(
        realism, "generate", lambda *args, **rest: calls.append(rest) or generate(*args, **rest)
    )
    return calls


def test_distances_are_those_of_keyed_samples_real_images_and_noise(runs, tmp_path, capsys):
    """Recomputed in one batch, which changes only the last bits of float32 samples.

    Not clipped: after two training steps all clipped pixels would be -1 or 1 for any sampler.
    """
    found = quality(runs["RUN"], tmp_path, "--seed", "3", "--no-clip")
    trained, dataset = load_trained(runs["RUN"], torch.device("cpu")), load_dataset("digits")
    schedule = trained.schedule
    denoiser = NetworkDenoiser(schedule, trained.network, "eps")
    sampler = DPMSolver(schedule, trailing(schedule, 3))
    *_, last = generate(sampler, denoiser, (1, 8, 8), indices=range(10), seed=3)
    flat = [each.flatten(1).double() for each in (last.x_t, dataset.take(dataset.test))]
    distances = found["distances"]
    assert abs(distances["pixel_frechet"]["samples"] / frechet(*flat) - 1) < 1e-5
    assert found["n"] == {"samples": 10, "real": 10, "noise": 10, "reference": 500}
    assert (found["sampler"], found["steps"], found["pixels"]) == ("dpm++", 3, "8 x 8 pixels")
    assert found["missing"] == {}
    assert list(distances) == sorted(set(realism.TITLES) - {"inception_frechet"})
    assert all(set(each) == {"samples", "real", "noise"} for each in distances.values())
    assert distances["pixel_frechet"]["noise"] > 2 * distances["pixel_frechet"]["real"]
    assert distances["copy_rate"]["real"] <= 0.01
    assert "64 activations of a small classifier of digits with " in found["feature"]
    printed = capsys.readouterr().out
    assert found["feature"].endswith("% accuracy on test images, not of Inception")
    assert f"features: {found['feature']}" in printed
    for name, title in (("feature_frechet", "Fréchet"), ("feature_kernel", "kernel")):
        sample, real, noise = (distances[name][each] for each in ("samples", "real", "noise"))
        assert f"| {title} distance of features of a small classifier, 10 samples |" in printed
        assert f"| {sample:.4f} (real {real:.4f}, noise {noise:.4f}) |" in printed
    assert "\n\n| compared with 500 test images |" in printed


def test_training_images_as_samples_have_real_distances_and_copy_rate_1(
    runs, tmp_path, monkeypatch
):
    """Noise is clamped to the range of images."""
    dataset, real = load_dataset("digits"), realism.by_pixels
    copies, compared = dataset.take(realism.spread(dataset.train, 10)), {}
    monkeypatch.setattr(realism, "samples", lambda *given: copies)
    monkeypatch.setattr(
        realism, "by_pixels", lambda sets, *rest: compared.update(sets) or real(sets, *rest)
    )
    distances = quality(runs["RUN"], tmp_path)["distances"]
    assert compared["noise"].abs().max() == 1
    assert 0.2 < (compared["noise"].abs() == 1).double().mean() < 0.45  # Gaussian: 0.317
    assert distances.pop("copy_rate")["samples"] == 1
    assert all(each["samples"] == each["real"] for each in distances.values())


def test_cached_samples_are_not_drawn_again(runs, tmp_path, monkeypatch):
    """Truncated files, and the cache of other options or weights, are not used."""
    first = quality(runs["RUN"], tmp_path)
    calls = spy_on_generate(monkeypatch)
    assert quality(runs["RUN"], tmp_path) == first
    assert calls == []
    cached = sorted((tmp_path / "samples").iterdir())[1]
    cached.write_bytes(cached.read_bytes()[:100])
    assert quality(runs["RUN"], tmp_path) == first
    assert [each["indices"] for each in calls] == [[4, 5, 6, 7]]
    flags: list[str] = []
    for i, more in enumerate(("--seed 1", "--steps 4", "--sampler ddim", "--no-clip"), 1):
        flags += more.split()
        other = quality(runs["RUN"], tmp_path, *flags)["distances"]["pixel_frechet"]["samples"]
        assert len(calls) == 1 + 3 * i
    assert other > 2 * first["distances"]["pixel_frechet"]["samples"], "not clipped"
    changed = load_trained(runs["RUN"], torch.device("cpu"))
    next(changed.network.parameters()).data.add_(0.1)
    monkeypatch.setattr(evaluation, "load_trained", lambda *given: changed)
    quality(runs["RUN"], tmp_path, *flags)
    assert len(calls) == 1 + 3 * 5


def test_interrupted_sampling_resumes_to_the_same_results(runs, tmp_path, monkeypatch, capsys):
    uninterrupted = quality(runs["RUN"], tmp_path / "uninterrupted")

    def interrupted(*args, **rest):
        if rest["indices"][0] == 8:
            raise KeyboardInterrupt
        return generate(*args, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(realism, "generate", interrupted)
        assert main([str(runs["RUN"]), "--out-dir", str(tmp_path / "cut"), *FEW]) == 130
    assert "interrupted; the same command resumes" in capsys.readouterr().err
    calls = spy_on_generate(monkeypatch)
    assert quality(runs["RUN"], tmp_path / "cut") == uninterrupted
    assert [each["indices"] for each in calls] == [[8, 9]]


def test_samples_have_the_class_proportions_of_the_training_images(runs, tmp_path, monkeypatch):
    """One in four of 40 images is of the first of two classes."""
    calls = spy_on_generate(monkeypatch)
    found = quality(runs["LABELLED"], tmp_path, "--samples", "50")
    dataset = load_dataset(load_trained(runs["LABELLED"], torch.device("cpu")).config.dataset)
    counts = torch.bincount(torch.cat([each["cond"] for each in calls]), minlength=2)
    fraction = float((dataset.labels[dataset.train] == 0).double().mean())
    assert fraction < 0.3
    assert counts.sum() == 50
    assert abs(counts[0] - 50 * fraction) < 1
    assert found["n"]["real"] == len(dataset.train) < 50


def test_without_classes_only_pixel_distances_are_reported_with_the_reason(runs, tmp_path, capsys):
    found = quality(runs["PLAIN"], tmp_path)
    assert set(found["distances"]) == {"pixel_frechet", "copy_rate"}
    assert set(found["missing"]) == {"feature_frechet", "feature_kernel", "class_histogram"}
    assert found["feature"] is None
    assert found["n"] == {"samples": 10, "real": 10, "noise": 10, "reference": 4}
    out = capsys.readouterr().out
    assert "has fewer than two classes, so there is no classifier for features" in out
    assert "full-covariance Gaussian |\n" in out, "no columns of features"


@pytest.mark.parametrize(
    ("shape", "description"),
    [
        ((1, 28, 28), "28 x 28 pixels"),
        ((1, 32, 32), "32 x 32 pixels"),
        ((3, 32, 32), "16 x 16 pixels, averaged down"),
        ((1, 1, 3000), "1 x 1000 pixels, averaged down"),
    ],
)
def test_large_images_are_averaged_down_to_at_most_1024_values(shape, description):
    assert realism.pixel_description(shape) == description
    images = torch.arange(2.0)[:, None, None, None].expand(2, *shape)
    rows = realism.pixels(images)
    assert rows.shape[1] <= 1024
    assert torch.equal(rows, torch.arange(2.0).double()[:, None].expand_as(rows))


def test_non_finite_samples_are_refused(runs, tmp_path, monkeypatch, capsys):
    nan = torch.full((4, 1, 8, 8), torch.nan)
    monkeypatch.setattr(realism, "generate", lambda *args, **rest: iter([Snapshot(0, nan, nan)]))
    with pytest.raises(SystemExit) as stopped:
        main([str(runs["RUN"]), "--out-dir", str(tmp_path), *FEW])
    assert stopped.value.code == 2
    assert "samples contain non-finite values" in capsys.readouterr().err


def test_fid_is_the_distance_of_inception_features(runs, tmp_path, monkeypatch, capsys):
    """Missing weights are refused before anything is computed."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch_fidelity", fidelity())
    with pytest.raises(SystemExit) as stopped:
        main([str(runs["RUN"]), "--out-dir", str(tmp_path / "out"), *FEW, "--fid"])
    assert stopped.value.code == 2
    assert "--fid needs the Inception weights" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    path = inception.weights_file()
    path.parent.mkdir(parents=True)
    torch.save({"weight": torch.zeros(1)}, path)
    distances = quality(runs["RUN"], tmp_path / "out", "--fid")["distances"]
    pixels, inceptions = distances["pixel_frechet"], distances["inception_frechet"]
    for name, value in inceptions.items():  # 8-bit rounding, 32 times as many, 127.5 times as large
        assert abs(value / (32 * 127.5**2 * pixels[name]) - 1) < 0.02


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "RUN --steps 30",
            "--steps = 30, but RUN has T = 20 timesteps; use 20 or fewer, or --samples 0",
        ),
        (
            "ZERO --sampler heun --steps 5",
            "--sampler heun --steps 5: times begins at t = 20, where",
        ),
        (
            "FEW --steps 3",
            "few.npz has 1 test image and a covariance needs at least 2; pass --samples",
        ),
    ],
)
def test_bad_usage_exits_2_with_a_message(runs, tmp_path, capsys, arguments, message):
    words = [str(runs.get(each, each)) for each in arguments.split()]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--out-dir", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert message.replace("RUN", str(runs["RUN"])) in " ".join(capsys.readouterr().err.split())
    assert not (tmp_path / "out").exists()


def test_without_samples_the_test_images_may_be_few(runs, tmp_path):
    found = main([str(runs["FEW"]), "--out-dir", str(tmp_path), "--strata", "2", "--samples", "0"])
    assert found == 0
    assert not (tmp_path / "samples").exists()
