"""The evaluate command on a run in latents: every bound includes the autoencoder's term."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ddpm_core import Gaussian, evaluate, latent_bound, reverse_of, sample, vlb_terms
from ddpm_core.data.dataset import load_dataset
from ddpm_core.evaluation import flow_likelihood as flow
from ddpm_core.evaluation.bits_per_dim import bound_sums, denoiser_in_float64
from ddpm_core.evaluation.cache import cache_key
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.randomness import keyed_noise
from ddpm_core.training.trained import load_trained
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


def test_bound_of_an_image_is_that_of_its_latents_plus_the_autoencoder_term(latent_run):
    trained, data = load_trained(latent_run, CPU), load_dataset("digits")
    few = data.test[:3]
    sums = bound_sums(EvaluateConfig(latent_run), trained, data, few, CPU)
    space, x = trained.space, data.take(few).double()
    y, encoder = space._draw(x.float(), few)
    encoder = Gaussian(encoder.mean.double(), encoder.var.double())
    decoder = Gaussian(space.decode(y).double(), torch.full_like(x, space.decoder_variance))
    terms = vlb_terms(
        trained.schedule,
        y.double(),
        reverse_of(trained.schedule, denoiser_in_float64(trained), "fixed_small"),
        lambda t: keyed_noise((4, 4, 4), 0, "bound", t, few.tolist(), dtype=torch.float64),
        grey_levels=None,
    )
    wanted = latent_bound(x, y.double(), encoder, decoder, terms.sum(0), 17)
    np.testing.assert_allclose(sums.images, wanted.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(sums.autoencoder, (wanted - terms.sum(0)).detach().numpy())


def test_cache_key_depends_on_the_autoencoder(latent_run):
    trained, data = load_trained(latent_run, CPU), load_dataset("digits")
    other = replace(trained, space=replace(trained.space, digest="another"))
    assert cache_key(trained, data, ()) != cache_key(other, data, ())
