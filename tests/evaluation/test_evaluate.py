"""The evaluate command: results, cache, baselines, and errors."""

import dataclasses
import math
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.evaluate import main
from ddpm_core.evaluation import baselines
from ddpm_core.evaluation import evaluate as evaluation
from ddpm_core.evaluation.bits_per_dim import DECILES
from ddpm_core.likelihood import reverse_of, vlb_terms
from ddpm_core.randomness import keyed_noise
from ddpm_core.storage.run_lock import RunLocked, run_lock
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import newest
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def runs(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    images = np.linspace(-1, 1, 640, dtype=np.float32).reshape(40, 4, 4)
    np.savez(folder / "continuous.npz", images=images)
    kinds = {"RUN": [], "CONDITIONAL": ["--conditional"]}
    kinds["CONTINUOUS"] = ["--dataset", f"npz:{folder / 'continuous.npz'}"]
    return {name: shared_runs.train(folder / name, *more) for name, more in kinds.items()}


def figures(run: Path, out: Path, *flags: str) -> dict:
    assert main([str(run), "--out-dir", str(out), "--samples", "0", *flags]) == 0
    return newest(out)


def test_result_is_the_bound_of_the_clipped_network(runs, tmp_path, capsys):
    """Recomputed for one image, with the noise keyed by (seed, t, image)."""
    found = figures(runs["RUN"], tmp_path, "--n", "1", "--seed", "3")
    assert found["warnings"] == ["NOTE: a single image has no standard error: use more test images"]
    trained = load_trained(runs["RUN"], torch.device("cpu"))
    dataset = load_dataset("digits")
    index = dataset.test[:1]

    def network(x_t, t):
        return trained.network(x_t.float(), t).double()

    denoiser = ClipX0(NetworkDenoiser(trained.schedule, network, "eps"))
    with torch.no_grad():
        terms = vlb_terms(
            trained.schedule,
            dataset.take(index).double(),
            reverse_of(trained.schedule, denoiser),
            lambda t: keyed_noise((1, 8, 8), 3, "bound", t, index.tolist(), dtype=torch.float64),
            grey_levels=17,
        )
    bits = terms[:, 0] / (64 * math.log(2))
    assert np.allclose(found["terms"], bits, rtol=1e-6, atol=1e-12)
    breakdown = found["bits_per_dim"]["breakdown"]
    assert list(breakdown) == ["decoder", "prior", "steps"]
    assert math.isclose(found["bits_per_dim"]["total"], sum(breakdown.values()))
    parts = [breakdown[name] for name in ("decoder", "steps", "prior")]
    assert np.allclose(parts, [bits[0], bits[1:-1].sum(), bits[-1]], rtol=1e-6, atol=1e-12)
    assert found["bits_per_dim"]["standard_error"] is None
    assert found["quality"] is None
    out = capsys.readouterr().out
    printed = ", ".join(f"{name} {breakdown[name]:.3f}" for name in ("decoder", "steps", "prior"))
    assert "| digits | 1 | " in out
    assert found["warnings"][0] in out
    assert f"of which {printed}\n" in out
    (figure,) = tmp_path.glob("*.png")
    assert figure.name == "step-000002-seed-3-1-images-0-samples.png"
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_result_does_not_depend_on_the_batch_size(runs, tmp_path):
    once = figures(runs["RUN"], tmp_path / "a", "--n", "10")
    batches = figures(runs["RUN"], tmp_path / "b", "--n", "10", "--batch-size", "4")
    assert once["images"] == batches["images"] == 10
    assert np.allclose(once["terms"], batches["terms"], rtol=1e-4)
    assert math.isclose(
        once["bits_per_dim"]["standard_error"],
        batches["bits_per_dim"]["standard_error"],
        rel_tol=1e-4,
    )
    assert len(list((tmp_path / "b" / "bound").iterdir())) == 3


def test_cached_batches_are_not_recomputed(runs, tmp_path, monkeypatch):
    """The cache of other options and truncated files are not used."""
    first = figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2")
    real, computed = evaluation.bound_sums, []

    def spy(config, trained, dataset, indices, *rest):
        computed.append(len(indices))
        return real(config, trained, dataset, indices, *rest)

    monkeypatch.setattr(evaluation, "bound_sums", spy)
    assert figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2") == first
    assert computed == []
    cached = sorted((tmp_path / "bound").iterdir())[1]
    cached.write_bytes(cached.read_bytes()[:100])
    assert figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2") == first
    assert computed == [2]
    other = figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2", "--seed", "1")
    assert computed == [2, 2, 2]
    assert other["terms"] != first["terms"]
    unclipped = figures(runs["RUN"], tmp_path, "--n", "4", "--variance", "fixed_large", "--no-clip")
    assert computed == [2, 2, 2, 4]
    assert unclipped["variance"] == "fixed_large"
    assert figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2") == first
    assert computed == [2, 2, 2, 4], "other options have other cache files"
    assert sorted(each.name for each in tmp_path.glob("*.json")) == [
        "step-000002-seed-0-4-images-batches-of-2-0-samples.json",
        "step-000002-seed-0-4-images-fixed_large-unclipped-0-samples.json",
        "step-000002-seed-1-4-images-batches-of-2-0-samples.json",
    ]


def test_second_evaluation_in_a_folder_is_refused(runs, tmp_path, capsys):
    with run_lock(tmp_path), pytest.raises(SystemExit) as stopped:
        main([str(runs["RUN"]), "--out-dir", str(tmp_path), "--n", "1"])
    assert stopped.value.code == 2
    assert f"{tmp_path} is in use by process {os.getpid()}" in capsys.readouterr().err
    assert not (tmp_path / "bound").exists()


def test_folder_is_locked_until_the_end(runs, tmp_path, monkeypatch):
    real, tried = evaluation.write_bytes, []

    def write(path, data):
        with pytest.raises(RunLocked), run_lock(tmp_path):
            pass
        tried.append(path.suffix)
        real(path, data)

    monkeypatch.setattr(evaluation, "write_bytes", write)
    figures(runs["RUN"], tmp_path, "--n", "1")
    assert tried == [".npz", ".png"]


def test_progress_counts_network_evaluations_and_cached_batches(runs, tmp_path, monkeypatch):
    """10 images at 20 timesteps, some of them cached."""
    figures(runs["RUN"], tmp_path, "--n", "10", "--batch-size", "4")
    (tmp_path / "bound" / sorted(os.listdir(tmp_path / "bound"))[0]).unlink()
    bars, real = [], evaluation.progress
    monkeypatch.setattr(
        evaluation, "progress", lambda *given: bars.append((given, real(*given))) or bars[-1][1]
    )
    figures(runs["RUN"], tmp_path, "--n", "10", "--batch-size", "4")
    ((given, bar),) = bars
    assert given == (200, "bound", "network evaluation")
    assert bar.n == 200


def test_stratified_estimate_is_close_to_the_sum_over_all_timesteps(runs, tmp_path):
    """Within 5 standard errors over images. Terms of different timesteps differ a thousandfold."""
    flags = ["--n", "200", "--no-clip"]
    exact = figures(runs["RUN"], tmp_path / "a", *flags)["bits_per_dim"]
    stratified = figures(runs["RUN"], tmp_path / "b", *flags, "--strata", "10")
    estimate = stratified["bits_per_dim"]
    error = math.hypot(exact["standard_error"], estimate["standard_error"])
    assert abs(exact["total"] - estimate["total"]) < 5 * error
    parts = estimate["breakdown"]
    assert set(parts) == {"first_stratum", "other_strata", "prior"}
    assert math.isclose(estimate["total"], sum(parts.values()))
    assert math.isclose(parts["first_stratum"], stratified["terms"][0])
    assert math.isclose(parts["prior"], exact["breakdown"]["prior"], rel_tol=1e-9)


def test_conditional_run_has_an_error_for_each_decile(runs, tmp_path):
    found = figures(runs["CONDITIONAL"], tmp_path, "--n", "5")
    assert len(found["eps_mse"]["by_decile"]) == DECILES
    assert math.isclose(found["eps_mse"]["mean"], np.mean(found["eps_mse"]["by_decile"]))


def test_watermark_of_an_unverified_run_is_repeated(runs, tmp_path, monkeypatch, capsys):
    marked = dataclasses.replace(
        load_trained(runs["RUN"], torch.device("cpu")), watermark="UNVERIFIED: in a hurry"
    )
    monkeypatch.setattr(evaluation, "load_trained", lambda *given: marked)
    drawn, real = [], evaluation.bound_figure
    monkeypatch.setattr(
        evaluation, "bound_figure", lambda *a, **k: drawn.append(k) or real(*a, **k)
    )
    found = figures(runs["RUN"], tmp_path, "--n", "2")
    assert found["watermark"] == drawn[0]["watermark"] == "UNVERIFIED: in a hurry"
    assert "UNVERIFIED: in a hurry" in capsys.readouterr().err


def test_continuous_data_have_sample_quality_and_no_bound(runs, tmp_path, capsys):
    flags = ("--out-dir", str(tmp_path), "--samples", "8", "--steps", "3")
    assert main([str(runs["CONTINUOUS"]), *flags]) == 0
    found = newest(tmp_path)
    assert (found["bits_per_dim"], found["baselines"], found["flow"]) == (None, {}, None)
    distances = found["quality"]["distances"]
    assert set(distances) == {"pixel_frechet", "copy_rate"}
    assert distances["pixel_frechet"]["samples"] > distances["pixel_frechet"]["real"] > 0
    (note,) = found["warnings"]
    assert "is continuous-valued: bits per dimension are defined for grey levels" in note
    out = capsys.readouterr().out
    assert note in out
    assert "| Fréchet distance of 4 x 4 pixels |" in out
    assert list(tmp_path.glob("*.png")) == []


def test_a_missing_baseline_is_a_note_before_the_work_and_in_the_results(
    runs, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(baselines, "available_memory", lambda: 2_000_000)
    found = figures(runs["RUN"], tmp_path, "--n", "2", "--strata", "2")
    assert found["baselines"]["full-covariance Gaussian"] is None
    note = "NOTE: no baseline full-covariance Gaussian: needs 0.0 GB of memory"
    assert any(each.startswith(note) for each in found["warnings"])
    said = capsys.readouterr()
    assert note in said.err
    assert " | - |" in said.out


def test_a_figure_that_cannot_be_drawn_is_a_warning(runs, tmp_path, monkeypatch):
    def fail(*given, **named):
        raise RuntimeError("no such font")

    monkeypatch.setattr(evaluation, "bound_figure", fail)
    found = figures(runs["RUN"], tmp_path, "--n", "2", "--strata", "2")
    assert "WARNING: no figure: RuntimeError: no such font" in found["warnings"]
    assert list(tmp_path.glob("*.png")) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("nowhere", "nowhere is not a folder"),
        ("RUN --n 501", "--n = 501, but digits has 500 test images"),
        ("RUN --strata 21", "--strata = 21, but"),
        ("CONTINUOUS --n 2", "omit --n: npz:"),
        ("CONTINUOUS --flow 5", "is continuous-valued, so it has no bits per dimension"),
        ("CONTINUOUS --samples 0", "and nothing is left to evaluate; omit --samples"),
    ],
)
def test_bad_usage_exits_2_with_a_message(runs, tmp_path, capsys, arguments, message):
    words = [str(runs.get(each, each)) for each in arguments.split()]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--out-dir", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
