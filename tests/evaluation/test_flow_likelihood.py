"""evaluate --flow: the density of test images along the flow, and the resulting bound."""

import math
from pathlib import Path

import pytest
import torch

from ddpm_core.data.dataset import load_dataset
from ddpm_core.denoiser import ClipX0, NetworkDenoiser
from ddpm_core.evaluate import main
from ddpm_core.evaluation import flow_likelihood as flow
from ddpm_core.forward_process import q_sample
from ddpm_core.likelihood import reverse_of
from ddpm_core.probability_flow import FlowDensity, flow_bound, flow_log_density
from ddpm_core.randomness import keyed_noise
from ddpm_core.samplers.timestep_spacing import log_snr
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import newest
from tests.training.miniature_runs import SharedRuns

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def run(shared_runs: SharedRuns, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared_runs.train(tmp_path_factory.mktemp("runs") / "run")


def figures(run: Path, out: Path, *flags: str) -> dict:
    common = ("--strata", "2", "--samples", "0", "--out-dir", str(out))
    assert main([str(run), *common, *flags]) == 0
    return newest(out)["flow"]


def test_result_is_the_flow_bound_of_the_clipped_network(run, tmp_path, capsys):
    """Recomputed for one image, with noise and probes keyed by (seed, image)."""
    found = figures(run, tmp_path, "--n", "1", "--seed", "3", "--flow", "8")
    trained, dataset = load_trained(run, torch.device("cpu")), load_dataset("digits")
    index, schedule = dataset.test[:1].tolist(), trained.schedule

    def network(x_t, t):
        return trained.network(x_t.float(), t).double()

    def noise(purpose, step):
        return keyed_noise((1, 8, 8), 3, purpose, step, index, dtype=torch.float64)

    denoiser = ClipX0(NetworkDenoiser(schedule, network, "eps"))
    x_0 = dataset.take(dataset.test[:1]).double()
    x_1 = q_sample(schedule, x_0, 1, noise("flow", 0))
    probes = torch.stack([noise("probes", 0), noise("probes", 1)]).sign()
    density = flow_log_density(schedule, denoiser, x_1, probes, times=log_snr(schedule, 8))
    reverse = reverse_of(schedule, denoiser)
    with torch.no_grad():
        bound = flow_bound(schedule, x_0, x_1, density.nats, reverse, grey_levels=17)
    assert math.isclose(found["bits_per_dim"], float(bound) / (64 * math.log(2)), rel_tol=1e-6)
    assert math.isclose(found["log_density_at_t_1"], float(density.nats), rel_tol=1e-6)
    assert (found["timesteps"], found["probes"], found["standard_error"]) == (8, 2, None)
    assert "probability flow, 8 timesteps: " in capsys.readouterr().out


def test_interrupted_flow_resumes_from_the_cache(run, tmp_path, monkeypatch):
    flags = ("--n", "4", "--batch-size", "2", "--flow", "4")
    uninterrupted = figures(run, tmp_path / "a", *flags)
    calls, real = [], flow.flow_log_density

    def interrupted(*given, **named):
        calls.append(len(given[2]))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(flow, "flow_log_density", interrupted)
        assert main([str(run), *("--out-dir", str(tmp_path / "b"), "--strata", "2"), *flags]) == 130
    assert figures(run, tmp_path / "b", *flags) == uninterrupted
    monkeypatch.setattr(flow, "flow_log_density", None)  # nothing is recomputed
    assert figures(run, tmp_path / "b", *flags) == uninterrupted


def test_more_timesteps_than_the_run_has_are_refused(run, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main([str(run), "--out-dir", str(tmp_path), "--flow", "21"])
    assert "has T = 20 timesteps" in capsys.readouterr().err


def test_flow_at_zero_terminal_snr_is_refused(shared_runs, tmp_path, capsys):
    more = ("--zero-terminal-snr", "--parameterization", "v")
    folder = shared_runs.train(tmp_path / "run", *more)
    with pytest.raises(SystemExit, match="2"):
        main([str(folder), "--flow", "4"])
    assert "Omit --flow" in capsys.readouterr().err


def test_no_flow_is_computed_without_the_option(run, tmp_path, monkeypatch):
    monkeypatch.setattr(flow, "flow_log_density", None)
    assert figures(run, tmp_path, "--n", "2") is None


def test_errors_are_those_of_the_mean(run, tmp_path, monkeypatch):
    unit = 64 * math.log(2)

    def made(schedule, denoiser, x_1, *rest, **named):
        given = torch.tensor([3.0, 4.0]).double() * unit
        return FlowDensity(0 * given, given, given * 2)

    monkeypatch.setattr(flow, "flow_log_density", made)
    monkeypatch.setattr(
        flow, "flow_bound", lambda *given, **named: torch.tensor([1.0, 3.0]).double() * unit
    )
    found = figures(run, tmp_path, "--n", "2", "--flow", "4")
    assert found["bits_per_dim"] == pytest.approx(2)
    assert found["standard_error"] == pytest.approx(1)
    assert found["probe_error"] == pytest.approx(2.5)  # sqrt((9 + 16) / 2) / sqrt(2)
    assert found["step_error"] == pytest.approx(7)
