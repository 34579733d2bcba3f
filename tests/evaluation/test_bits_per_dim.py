"""The bound of test images: its terms, its errors by timestep, its options."""

import numpy as np
import pytest
import torch

from ddpm_core import Gaussian, latent_bound, reverse_of, vlb_terms
from ddpm_core.data.dataset import load_dataset
from ddpm_core.evaluation import bits_per_dim as bound
from ddpm_core.evaluation import evaluate as evaluation
from ddpm_core.evaluation import flow_likelihood as flow
from ddpm_core.evaluation.bits_per_dim import (
    BoundSums,
    bound_sums,
    denoiser_in_float64,
    merged,
    read_cached,
)
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.randomness import keyed_noise
from ddpm_core.training.trained import load_trained
from tests.evaluation.evaluated import in_batches_of_two

CPU = torch.device("cpu")
pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.mark.parametrize("more", [("--strata", "2"), ("--strata", "2", "--flow", "4")])
def test_network_is_conditioned_on_the_class_of_its_image(runs, tmp_path, monkeypatch, more):
    trained, dataset = (
        load_trained(runs["CONDITIONAL"], torch.device("cpu")),
        load_dataset("digits"),
    )
    conditions = []
    trained.network.register_forward_pre_hook(lambda _, given: conditions.append(given[2:]))
    monkeypatch.setattr(evaluation, "load_trained", lambda *given: trained)
    in_batches_of_two(runs["CONDITIONAL"], tmp_path, "--n", "2", *more)
    label = dataset.labels[evaluation.spread(dataset.test, 2)]
    assert conditions
    assert all(len(each) == 1 and torch.equal(each[0], label) for each in conditions)


def test_each_decile_has_the_errors_of_its_timesteps(runs, tmp_path, monkeypatch):
    found = in_batches_of_two(runs["RUN"], tmp_path, "--n", "2")["eps_mse"]["by_decile"]
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
        in_batches_of_two(runs["RUN"], tmp_path, "--n", "4", "--strata", "2", "--seed", seed)
    assert len(set(keys)) == len(keys) == 4


@pytest.mark.parametrize("name", ["bound", "flow"])
@pytest.mark.parametrize(
    ("flags", "variance"), [((), "learned_range"), (("--variance", "fixed_large"), "fixed_large")]
)
def test_chosen_variance_is_used(runs, tmp_path, monkeypatch, name, flags, variance):
    module = {"bound": bound, "flow": flow}[name]
    real, used = module.reverse_of, []
    monkeypatch.setattr(module, "reverse_of", lambda *given: used.append(given[2]) or real(*given))
    in_batches_of_two(runs["LEARNED"], tmp_path, "--n", "2", "--strata", "2", "--flow", "4", *flags)
    assert used == [variance]


def test_no_clip_does_not_clip(runs, tmp_path, monkeypatch):
    for module in (bound, flow):
        monkeypatch.setattr(module, "ClipX0", None)
    in_batches_of_two(
        runs["RUN"], tmp_path, "--n", "2", "--strata", "2", "--flow", "4", "--no-clip"
    )


def test_bound_in_latents_includes_the_autoencoder_term(latent_run):
    trained, data = load_trained(latent_run, CPU), load_dataset("digits")
    few = data.test[:3]
    found = bound_sums(EvaluateConfig(latent_run), trained, data, few, CPU)
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
    np.testing.assert_allclose(found.images, wanted.detach().numpy(), rtol=1e-9)
    np.testing.assert_allclose(found.autoencoder, (wanted - terms.sum(0)).detach().numpy())


def sums(**changed) -> BoundSums:
    arrays = {
        "images": [1.0, 2.0],
        "terms": [1.5, 1.25, 0.25],
        "errors": range(10),
        "counts": [2.0] * 10,
        "autoencoder": [0.0, 0.5],
    }
    return BoundSums(**{name: np.array(each, float) for name, each in (arrays | changed).items()})


def test_merged_batches_have_every_image_and_the_sum_of_the_rest():
    both = merged([sums(), sums(images=[4.0], terms=[1.0, 2.0, 1.0], autoencoder=[0.25])])
    assert both.images.tolist() == [1, 2, 4]
    assert both.autoencoder.tolist() == [0, 0.5, 0.25]
    assert both.terms.tolist() == [2.5, 3.25, 1.25]
    assert both.errors.tolist() == list(range(0, 20, 2))
    assert both.counts.tolist() == [4] * 10


def test_sums_are_read_from_their_cache_file(tmp_path):
    path = tmp_path / "batch.npz"
    path.write_bytes(sums().to_bytes("key"))
    found = read_cached(path, "key")
    assert all(np.array_equal(each, vars(sums())[name]) for name, each in vars(found).items())
    assert read_cached(path, "another") is None


def test_network_is_evaluated_in_float32_for_states_in_float64(runs):
    trained, seen = load_trained(runs["RUN"], CPU), []
    trained.network.register_forward_pre_hook(lambda _, given: seen.append(given[0].dtype))
    x_t = torch.zeros(2, 1, 8, 8, dtype=torch.float64)
    x0_hat = denoiser_in_float64(trained)(x_t, 5).x0_hat
    assert (seen, x0_hat.dtype) == ([torch.float32], torch.float64)
