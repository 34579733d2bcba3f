"""The evaluate command on a run in latents: every bound includes the autoencoder's term."""

import pytest
import torch

from ddpm_core import evaluate, sample
from ddpm_core.evaluation import flow_likelihood as flow
from tests.evaluation.evaluated import newest

CPU = torch.device("cpu")


def test_bound_includes_the_term_of_the_autoencoder(latent_run):
    few = ("--n", "6", "--samples", "20", "--steps", "4", "--flow", "5")
    assert evaluate.main([str(latent_run), *few]) == 0
    found = newest(latent_run / "evaluation")
    bound = found["bits_per_dim"]
    assert set(bound["breakdown"]) == {"prior", "steps", "decoder", "autoencoder"}
    assert bound["total"] == pytest.approx(sum(bound["breakdown"].values()))
    assert found["dims"] == 64
    assert found["clip"] is False
    assert found["quality"]["n"]["decoded"] == 20
    pixels = found["quality"]["distances"]["pixel_frechet"]
    assert pixels["decoded"] != pixels["real"]
    assert "decoded" not in found["quality"]["distances"]["copy_rate"]


@pytest.mark.parametrize("command", [sample, evaluate])
def test_no_clip_is_refused_for_latents(latent_run, capsys, command):
    with pytest.raises(SystemExit) as stopped:
        command.main([str(latent_run), "--no-clip"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert f"omit --no-clip: {latent_run} was trained in latents, which are never" in message


def test_bound_along_the_flow_includes_it_too(latent_run, tmp_path, monkeypatch):
    used = []

    def zero(schedule, x_0, *given, grey_levels):
        used.append(grey_levels)
        return torch.zeros(len(x_0), dtype=torch.float64)

    monkeypatch.setattr(flow, "flow_bound", zero)
    few = ("--n", "3", "--strata", "2", "--samples", "0", "--flow", "3", "--out-dir", str(tmp_path))
    assert evaluate.main([str(latent_run), *few]) == 0
    found = newest(tmp_path)
    breakdown = found["bits_per_dim"]["breakdown"]
    assert found["flow"]["bits_per_dim"] == pytest.approx(breakdown["autoencoder"])
    assert breakdown["autoencoder"] > 0.1
    assert used == [None]  # latents have no grey levels
