"""The objective with a learned variance, compared with its definition."""

import copy

import pytest
import torch

from ddpm_core.forward_process import q_sample
from ddpm_core.learned_variance import l_hybrid
from ddpm_core.losses import l_simple, min_snr_weight, prediction_target, vlb_term
from ddpm_core.parameterization import convert
from ddpm_core.samplers.ancestral import reverse_kernel
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.step import train_step
from ddpm_core.training.timestep_sampler import HISTORY
from tests.training.recorded_steps import SMALL, recorded


@pytest.mark.parametrize("loss", ["vlb", "hybrid"])
def test_loss_and_gradients_equal_those_computed_from_the_definitions(monkeypatch, loss):
    """On a copy of the network. Each of some thousand terms of a gradient has a relative error of
    2^-24 in float32: below 1e-4 of the largest. The history contains each term by timestep."""
    gamma = {"snr_gamma": 5.0} if loss == "hybrid" else {}
    more = {
        "loss": loss,
        "parameterization": "v",
        "dropout": 0.0,
        "accumulate": 2,
        "grad_clip": 1e9,
        "batch_size": 64,
    } | gamma
    config = TrainConfig(**vars(SMALL) | more)
    run = DiffusionTask.prepare(config)
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(run.state.network.head.weight, std=0.1, generator=generator)
    history, probabilities = run.state.timestep_sampler, torch.ones(config.T).double()
    assert (history is None) == (loss == "hybrid")
    if history is not None:
        history.terms += torch.linspace(1, 9, config.T).double()[:, None]
        history.terms[0] = 99  # so that t = 1, the decoder's term, is drawn
        history.drawn += HISTORY
        probabilities = history.probabilities()
    drawn, network = recorded(monkeypatch, "q_sample"), copy.deepcopy(run.state.network)
    plain = train_step(config, run.schedule, run.dataset, run.state, 0, run.device)
    ((schedule, x_0, t, noise),) = drawn
    assert (t == 1).any()
    assert (t > 1).any()
    x_t = q_sample(schedule, x_0, t, noise)
    value, variance_output = network(x_t, t).chunk(2, dim=1)
    simple = l_simple(value, prediction_target(schedule, "v", x_0, noise, t))
    x0_hat = convert(schedule, "v", "x0", value, x_t, t)
    reverse = reverse_kernel(
        schedule, x0_hat, x_t, t - 1, t, "learned_range", (variance_output + 1) / 2
    )
    if loss == "hybrid":
        weighted = simple.weighted(min_snr_weight(schedule, "v", t, 5.0))
        wanted = l_hybrid(schedule, weighted, x_0, x_t, t, reverse, 17).mean
    else:
        terms = vlb_term(schedule, x_0, x_t, t - 1, t, reverse, 17) / 64
        wanted = (terms / probabilities[t - 1]).mean()
        for timestep in set(t.tolist()):
            mine = terms.detach()[t == timestep].double()
            for column, saved in enumerate(history.terms[timestep - 1, : len(mine)].tolist()):
                assert saved == pytest.approx(float(mine[column::HISTORY][-1]), rel=1e-3, abs=1e-5)
    wanted.backward()
    assert plain == pytest.approx(float(simple.mean.detach()), rel=1e-4)
    pairs = zip(run.state.network.named_parameters(), network.parameters(), strict=True)
    for (name, mine), want in pairs:
        off = (mine.grad - want.grad).abs().max()
        assert off <= 1e-4 * want.grad.abs().max() + 1e-6, f"the gradient of {name} is off by {off}"
    for channel in (slice(0, 1), slice(1, 2)):  # the prediction's, and the variance's
        mine, want = (each.head.bias.grad[channel] for each in (run.state.network, network))
        assert mine.tolist() == pytest.approx(want.tolist(), rel=1e-3)
