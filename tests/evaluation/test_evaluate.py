"""The evaluate command: figures of a run, kept part by part, and compared with baselines."""

import dataclasses
import errno
import math
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from ddpm_core.data.dataset import load_dataset
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.evaluate import main
from ddpm_core.evaluation import evaluate as evaluation
from ddpm_core.evaluation.baselines import baselines, marginal, normal
from ddpm_core.evaluation.bits_per_dim import DECILES
from ddpm_core.likelihood import reverse_of, vlb_terms
from ddpm_core.randomness import keyed_generator, keyed_noise
from ddpm_core.storage.run_lock import RunLock, RunLocked
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import newest
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def runs(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    real = np.linspace(-1, 1, 640, dtype=np.float32).reshape(40, 4, 4)
    np.savez(folder / "real.npz", images=real)
    kinds = {"RUN": [], "TOLD": ["--conditional"]}
    kinds["REAL"] = ["--dataset", f"npz:{folder / 'real.npz'}"]
    return {name: shared_runs.train(folder / name, *more) for name, more in kinds.items()}


def figures(run: Path, out: Path, *flags: str) -> dict:
    assert main([str(run), "--out-dir", str(out), "--samples", "0", *flags]) == 0
    return newest(out)


def test_it_is_the_bound_of_the_clipped_network(runs, tmp_path, capsys):
    """Worked out again for one image, with the noise that (seed, t, image) keys."""
    found = figures(runs["RUN"], tmp_path, "--n", "1", "--seed", "3")
    assert found["notes"] == ["NOTE: of one image no error is known: take more test images"]
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
    shares = found["bits_per_dim"]["shares"]
    assert list(shares) == ["decoder", "prior", "steps"]
    assert math.isclose(found["bits_per_dim"]["total"], sum(shares.values()))
    split = [shares[name] for name in ("decoder", "steps", "prior")]
    assert np.allclose(split, [bits[0], bits[1:-1].sum(), bits[-1]], rtol=1e-6, atol=1e-12)
    assert found["bits_per_dim"]["standard_error"] is None
    assert found["quality"] is None
    out = capsys.readouterr().out
    printed = ", ".join(f"{name} {shares[name]:.3f}" for name in ("decoder", "steps", "prior"))
    assert "| digits | 1 | " in out
    assert found["notes"][0] in out
    assert f"of which {printed}\n" in out
    (picture,) = tmp_path.glob("*.png")
    assert picture.name == "step-000002-seed-3-1-images-0-samples.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_every_image_counts_once_in_whatever_parts(runs, tmp_path):
    whole = figures(runs["RUN"], tmp_path / "a", "--n", "10")
    parts = figures(runs["RUN"], tmp_path / "b", "--n", "10", "--batch-size", "4")
    assert whole["images"] == parts["images"] == 10
    assert np.allclose(whole["terms"], parts["terms"], rtol=1e-4)
    assert math.isclose(
        whole["bits_per_dim"]["standard_error"],
        parts["bits_per_dim"]["standard_error"],
        rel_tol=1e-4,
    )
    assert len(list((tmp_path / "b" / "parts").iterdir())) == 3


def test_what_is_done_is_not_done_again(runs, tmp_path, monkeypatch):
    """Nor is it taken from another question, or from a file that was cut off."""
    first = figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2")
    real, asked = evaluation.bound_of, []

    def watched(config, trained, dataset, indices, *rest):
        asked.append(len(indices))
        return real(config, trained, dataset, indices, *rest)

    monkeypatch.setattr(evaluation, "bound_of", watched)
    assert figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2") == first
    assert asked == []
    part = sorted((tmp_path / "parts").iterdir())[1]
    part.write_bytes(part.read_bytes()[:100])
    assert figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2") == first
    assert asked == [2]
    other = figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2", "--seed", "1")
    assert asked == [2, 2, 2]
    assert other["terms"] != first["terms"]
    wide = figures(runs["RUN"], tmp_path, "--n", "4", "--variance", "fixed_large", "--no-clip")
    assert asked == [2, 2, 2, 4]
    assert wide["variance"] == "fixed_large"
    assert figures(runs["RUN"], tmp_path, "--n", "4", "--batch-size", "2") == first
    assert asked == [2, 2, 2, 4], "what other options asked for lies beside"
    assert sorted(each.name for each in tmp_path.glob("*.json")) == [
        "step-000002-seed-0-4-images-batches-of-2-0-samples.json",
        "step-000002-seed-0-4-images-fixed_large-unclipped-0-samples.json",
        "step-000002-seed-1-4-images-batches-of-2-0-samples.json",
    ]


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_keeps_what_is_done(runs, tmp_path, monkeypatch, capsys, number, code, word):
    real, before = evaluation.bound_of, signal.getsignal(signal.SIGTERM)

    def interrupted(config, trained, dataset, indices, *rest):
        if len(list((tmp_path / "parts").glob("*.npz"))) == 1:
            os.kill(os.getpid(), number)
        return real(config, trained, dataset, indices, *rest)

    monkeypatch.setattr(evaluation, "bound_of", interrupted)
    flags = ["--n", "4", "--batch-size", "2", "--samples", "0"]
    usual = signal.signal(signal.SIGINT, signal.default_int_handler)  # in the background: ignored
    try:
        assert main([str(runs["RUN"]), "--out-dir", str(tmp_path), *flags]) == code
    finally:
        signal.signal(signal.SIGINT, usual)
    assert f"ddpm_core.evaluate: {word}; the same command resumes" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before
    assert len(list((tmp_path / "parts").glob("*.npz"))) == 1
    assert not list(tmp_path.glob("*.json"))


def test_two_evaluations_do_not_share_a_folder(runs, tmp_path, capsys):
    with RunLock(tmp_path), pytest.raises(SystemExit) as stopped:
        main([str(runs["RUN"]), "--out-dir", str(tmp_path), "--n", "1"])
    assert stopped.value.code == 2
    assert f"{tmp_path} is in use by process {os.getpid()}" in capsys.readouterr().err
    assert not (tmp_path / "parts").exists()


def test_the_folder_is_held_to_the_end(runs, tmp_path, monkeypatch):
    real, tried = evaluation.write_bytes, []

    def write(path, data):
        with pytest.raises(RunLocked), RunLock(tmp_path):
            pass
        tried.append(path.suffix)
        real(path, data)

    monkeypatch.setattr(evaluation, "write_bytes", write)
    figures(runs["RUN"], tmp_path, "--n", "1")
    assert tried == [".npz", ".png"]


def test_a_full_disk_is_a_sentence(runs, tmp_path, monkeypatch, capsys):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(evaluation, "write_bytes", full)
    assert main([str(runs["RUN"]), "--out-dir", str(tmp_path), "--n", "1", "--samples", "0"]) == 1
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert "free space, or choose another --out-dir" in said


def test_progress_counts_calls_and_what_is_kept(runs, tmp_path, monkeypatch):
    """Of 10 images at 20 levels, of which a part is kept."""
    figures(runs["RUN"], tmp_path, "--n", "10", "--batch-size", "4")
    (tmp_path / "parts" / sorted(os.listdir(tmp_path / "parts"))[0]).unlink()
    bars, real = [], evaluation.progress
    monkeypatch.setattr(
        evaluation, "progress", lambda *given: bars.append((given, real(*given))) or bars[-1][1]
    )
    figures(runs["RUN"], tmp_path, "--n", "10", "--batch-size", "4")
    ((given, bar),) = bars
    assert given == (200, "bound", "call")
    assert bar.n == 200


def test_an_estimate_is_near_the_sum_over_all_levels(runs, tmp_path):
    """Within 5 standard errors of it, both taken over images; levels here differ by thousands."""
    flags = ["--n", "200", "--no-clip"]
    whole = figures(runs["RUN"], tmp_path / "a", *flags)["bits_per_dim"]
    estimate = figures(runs["RUN"], tmp_path / "b", *flags, "--strata", "10")
    some = estimate["bits_per_dim"]
    error = math.hypot(whole["standard_error"], some["standard_error"])
    assert abs(whole["total"] - some["total"]) < 5 * error
    assert set(some["shares"]) == {"lowest_levels", "other_levels", "prior"}
    assert math.isclose(some["total"], sum(some["shares"].values()))
    assert math.isclose(some["shares"]["lowest_levels"], estimate["terms"][0])
    assert math.isclose(some["shares"]["prior"], whole["shares"]["prior"], rel_tol=1e-9)


def test_classes_are_told_and_each_tenth_has_its_error(runs, tmp_path):
    found = figures(runs["TOLD"], tmp_path, "--n", "5")
    assert len(found["eps_mse"]["by_decile"]) == DECILES
    assert math.isclose(found["eps_mse"]["mean"], np.mean(found["eps_mse"]["by_decile"]))


def test_the_mark_of_an_unverified_run_is_repeated(runs, tmp_path, monkeypatch, capsys):
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


def test_baselines_know_what_they_are_told():
    dataset = load_dataset("digits")
    found = baselines(dataset, dataset.test, seed=0)
    assert found["uniform"] == math.log2(17)
    assert 2 < found["per-pixel marginal"] < 3 < math.log2(17)
    assert found["full-covariance Gaussian"] < math.log2(17)
    first = dataset.test[:1]
    counts = [(dataset.images[dataset.train][:, 0, 0, 0] == k).sum() + 1 for k in range(17)]
    corner = dataset.images[first][0, 0, 0, 0]
    share = counts[int(corner)] / sum(counts)
    others = marginal(dataset, first) + share.log()
    assert others > 0
    assert normal(dataset, first, seed=0).shape == (1,)
    assert normal(dataset, first, seed=0) != normal(dataset, first, seed=1)


def test_the_normal_baseline_is_scipys_on_the_grid_of_levels():
    """Counted in levels, of which each is 1 wide and the noise within half of one."""
    dataset = load_dataset("digits")
    train, test = (
        dataset.images[each].flatten(1).numpy() for each in (dataset.train, dataset.test)
    )
    noise = torch.rand(
        test.shape, dtype=torch.float64, generator=keyed_generator(3, "dequantisation")
    )
    law = stats.multivariate_normal(train.mean(0), np.cov(train.T) + np.eye(64) / 12)
    bits = -law.logpdf(test + noise.numpy() - 0.5) / (64 * math.log(2))
    found = baselines(dataset, dataset.test, seed=3)["full-covariance Gaussian"]
    assert found == pytest.approx(bits.mean(), rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("nowhere", "nowhere is not a folder"),
        ("RUN --n 0", "--n = 0 is below 1"),
        ("RUN --n 501", "--n = 501, but digits has 500 test images"),
        ("RUN --strata 21", "--strata = 21, but"),
        ("RUN --variance medium", "fixed_large"),
        ("RUN --flow 2", "--flow = 2 is below 3: a step is"),
        ("RUN --samples 0 --sampler ddim", "leave --sampler out: --samples 0 draws none"),
        ("RUN --samples 0 --steps 5", "leave --steps out: --samples 0 draws none"),
        ("REAL", "holds real numbers, and bits per dimension are of grey levels: store uint8"),
    ],
)
def test_bad_usage_exits_2_with_a_sentence(runs, tmp_path, capsys, arguments, sentence):
    words = [str(runs.get(each, each)) for each in arguments.split()]
    with pytest.raises(SystemExit) as stopped:
        main([*words, "--out-dir", str(tmp_path / "out")])
    assert stopped.value.code == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
