"""The evaluate command on a run in latents: what the autoencoder costs is in every bound."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core import Gaussian, evaluate, latent_bound, reverse_of, sample, vlb_terms
from ddpm_core.data.dataset import load_dataset
from ddpm_core.evaluation import flow_likelihood as flow
from ddpm_core.evaluation.bits_per_dim import bound_of, denoiser_in_float64
from ddpm_core.evaluation.cache import key_for
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.randomness import keyed_noise
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import newest

CPU = torch.device("cpu")


def test_an_evaluation_adds_what_the_autoencoder_costs(latent_run):
    few = ("--n", "6", "--samples", "20", "--steps", "4", "--flow", "5")
    assert evaluate.main([str(latent_run), *few]) == 0
    found = newest(latent_run / "evaluation")
    bound = found["bits_per_dim"]
    assert set(bound["shares"]) == {"prior", "steps", "decoder", "autoencoder"}
    assert bound["total"] == pytest.approx(sum(bound["shares"].values()))
    assert found["dims"] == 64
    assert found["clip"] is False
    assert found["quality"]["n"]["decoded"] == 20
    pixels = found["quality"]["distances"]["pixel_frechet"]
    assert pixels["decoded"] != pixels["real"]
    assert "decoded" not in found["quality"]["distances"]["copy_rate"]


@pytest.mark.parametrize("command", [sample, evaluate])
def test_what_is_never_clipped_is_not_asked_to_be_left_unclipped(latent_run, capsys, command):
    with pytest.raises(SystemExit) as stopped:
        command.main([str(latent_run), "--no-clip"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"leave --no-clip out: {latent_run} was trained in latents, which are never" in said


def test_the_bound_along_the_flow_has_it_too(latent_run, tmp_path, monkeypatch):
    told = []

    def nothing(schedule, x_0, *given, grey_levels):
        told.append(grey_levels)
        return torch.zeros(len(x_0), dtype=torch.float64)

    monkeypatch.setattr(flow, "flow_bound", nothing)
    few = ("--n", "3", "--strata", "2", "--samples", "0", "--flow", "3", "--out-dir", str(tmp_path))
    assert evaluate.main([str(latent_run), *few]) == 0
    found = newest(tmp_path)
    shares = found["bits_per_dim"]["shares"]
    assert found["flow"]["bits_per_dim"] == pytest.approx(shares["autoencoder"])
    assert shares["autoencoder"] > 0.1
    assert told == [None]  # latents have no grey levels


def test_the_bound_of_an_image_is_that_of_its_latents_and_what_they_cost(latent_run):
    trained, data = load_trained(latent_run, CPU), load_dataset("digits")
    few = data.test[:3]
    part = bound_of(EvaluateConfig(latent_run), trained, data, few, CPU)
    kept, x = trained.space, data.take(few).double()
    y, law = kept._draw(x.float(), few)
    law = Gaussian(law.mean.double(), law.var.double())
    decoder = Gaussian(kept.decode(y).double(), torch.full_like(x, kept.decoder_variance))
    terms = vlb_terms(
        trained.schedule,
        y.double(),
        reverse_of(trained.schedule, denoiser_in_float64(trained), "fixed_small"),
        lambda t: keyed_noise((4, 4, 4), 0, "bound", t, few.tolist(), dtype=torch.float64),
        grey_levels=None,
    )
    wanted = latent_bound(x, y.double(), law, decoder, terms.sum(0), 17)
    np.testing.assert_allclose(part.images, wanted.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(part.autoencoder, (wanted - terms.sum(0)).detach().numpy())


def test_what_is_kept_of_an_evaluation_is_that_of_this_autoencoder(latent_run):
    trained, data = load_trained(latent_run, CPU), load_dataset("digits")
    other = replace(trained, space=replace(trained.space, digest="another"))
    assert key_for(trained, data, ()) != key_for(other, data, ())
