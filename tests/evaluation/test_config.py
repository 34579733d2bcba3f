"""Options of the evaluate command, and what it reads from the cache."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.evaluate import main
from ddpm_core.evaluation import bits_per_dim as bound
from ddpm_core.evaluation import evaluate as evaluation
from ddpm_core.evaluation import flow_likelihood as flow
from ddpm_core.probability_flow import FlowDensity
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import newest
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def runs(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    kinds = {"RUN": [], "CONDITIONAL": ["--conditional"], "LEARNED": ["--loss", "hybrid"]}
    return {name: shared_runs.train(folder / name, *more) for name, more in kinds.items()}


def figures(run: Path, out: Path, *flags: str) -> dict:
    common = ("--samples", "0", "--batch-size", "2", "--out-dir", str(out))
    assert main([str(run), *common, *flags]) == 0
    return newest(out)


@pytest.mark.parametrize("plain", [(), ("--flow", "4", "--strata", "2")], ids=["bound", "flow"])
@pytest.mark.parametrize(
    "flags",
    [
        ("--no-clip",),
        ("--variance", "fixed_large"),
        ("--strata", "4"),
        ("--flow", "8"),
        ("--seed", "1"),
        ("--batch-size", "4"),
        ("--n", "8"),
    ],
    ids=lambda flags: flags[0],
)
def test_cache_of_other_options_is_not_used(runs, tmp_path, plain, flags):
    """After a call with other options, results equal those in an empty folder."""
    first = figures(runs["RUN"], tmp_path / "used", "--n", "4", *plain)
    got = figures(runs["RUN"], tmp_path / "used", "--n", "4", *plain, *flags)
    want = figures(runs["RUN"], tmp_path / "empty", "--n", "4", *plain, *flags)
    assert got == want
    shown = ("bits_per_dim", "terms", "flow")
    if flags[0] != "--batch-size":
        assert [got[name] for name in shown] != [first[name] for name in shown]


@pytest.mark.parametrize("more", [("--strata", "2"), ("--strata", "2", "--flow", "4")])
def test_network_is_conditioned_on_the_class_of_its_image(runs, tmp_path, monkeypatch, more):
    trained, dataset = (
        load_trained(runs["CONDITIONAL"], torch.device("cpu")),
        load_dataset("digits"),
    )
    conditions = []
    trained.network.register_forward_pre_hook(lambda _, given: conditions.append(given[2:]))
    monkeypatch.setattr(evaluation, "load_trained", lambda *given: trained)
    figures(runs["CONDITIONAL"], tmp_path, "--n", "2", *more)
    label = dataset.labels[evaluation.spread(dataset.test, 2)]
    assert conditions
    assert all(len(each) == 1 and torch.equal(each[0], label) for each in conditions)


def test_each_decile_has_the_errors_of_its_timesteps(runs, tmp_path, monkeypatch):
    found = figures(runs["RUN"], tmp_path, "--n", "2")["eps_mse"]["by_decile"]
    trained, dataset = load_trained(runs["RUN"], torch.device("cpu")), load_dataset("digits")
    schedule, errors = trained.schedule, []
    index = evaluation.spread(dataset.test, 2)
    x_0 = dataset.take(index).double()
    for t in range(1, 21):
        noise = bound.keyed_noise((1, 8, 8), 0, "bound", t, index.tolist(), dtype=torch.float64)
        x_t = schedule.alpha_bar(t).sqrt() * x_0 + schedule.one_minus_alpha_bar(t).sqrt() * noise
        with torch.no_grad():
            eps_hat = trained.network(x_t.float(), torch.full((2,), t)).double()
        errors.append(float((eps_hat - noise).square().mean()))
    assert np.allclose(found, np.reshape(errors, (10, 2)).mean(1), rtol=1e-5)


def test_batches_of_an_estimate_have_different_noise(runs, tmp_path, monkeypatch):
    real, keys = bound.keyed_generator, []
    monkeypatch.setattr(bound, "keyed_generator", lambda *given: keys.append(given) or real(*given))
    for seed in ("0", "1"):
        figures(runs["RUN"], tmp_path, "--n", "4", "--strata", "2", "--seed", seed)
    assert len(set(keys)) == len(keys) == 4


@pytest.mark.parametrize("name", ["bound", "flow"])
@pytest.mark.parametrize(
    ("flags", "variance"), [((), "learned_range"), (("--variance", "fixed_large"), "fixed_large")]
)
def test_chosen_variance_is_used(runs, tmp_path, monkeypatch, name, flags, variance):
    module = {"bound": bound, "flow": flow}[name]
    real, used = module.reverse_of, []
    monkeypatch.setattr(module, "reverse_of", lambda *given: used.append(given[2]) or real(*given))
    figures(runs["LEARNED"], tmp_path, "--n", "2", "--strata", "2", "--flow", "4", *flags)
    assert used == [variance]


def test_no_clip_does_not_clip(runs, tmp_path, monkeypatch):
    for module in (bound, flow):
        monkeypatch.setattr(module, "ClipX0", None)
    figures(runs["RUN"], tmp_path, "--n", "2", "--strata", "2", "--flow", "4", "--no-clip")


def test_errors_of_the_flow_are_those_of_the_mean(runs, tmp_path, monkeypatch):
    unit = 64 * math.log(2)

    def made(schedule, denoiser, x_1, *rest, **named):
        given = torch.tensor([3.0, 4.0]).double() * unit
        return FlowDensity(0 * given, given, given * 2)

    monkeypatch.setattr(flow, "flow_log_density", made)
    monkeypatch.setattr(
        flow, "flow_bound", lambda *given, **named: torch.tensor([1.0, 3.0]).double() * unit
    )
    found = figures(runs["RUN"], tmp_path, "--n", "2", "--strata", "2", "--flow", "4")["flow"]
    assert found["bits_per_dim"] == pytest.approx(2)
    assert found["standard_error"] == pytest.approx(1)
    assert found["probe_error"] == pytest.approx(2.5)  # sqrt((9 + 16) / 2) / sqrt(2)
    assert found["step_error"] == pytest.approx(7)


def test_cache_files_are_written_atomically(runs, tmp_path, monkeypatch):
    real, names = flow.write_bytes, []
    monkeypatch.setattr(
        flow, "write_bytes", lambda path, data: names.append(path) or real(path, data)
    )
    figures(runs["RUN"], tmp_path, "--n", "4", "--strata", "2", "--flow", "4")
    assert names == sorted((tmp_path / "flow").iterdir())
