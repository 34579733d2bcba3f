"""One training step in autocast, compared with the exact gradient in float64."""

import dataclasses

import pytest
import torch
from torch import nn

from ddpm_core.training import step
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.step import train_step
from tests.training.recorded_steps import SMALL, recorded

K = 2.0**-8  # unit roundoff of bfloat16


class Linear(nn.Module):
    """eps_hat = W x_t, whose gradient has a closed form."""

    def __init__(self, size):
        super().__init__()
        self.linear = nn.Linear(size, size, bias=False)

    def forward(self, x, t):
        return self.linear(x.flatten(1)).reshape(x.shape)


def gradients(monkeypatch, compiled):
    """Return the gradient of a step in bf16, the exact one, and how far it may be off.

    W, x and their product are rounded to bfloat16: eps_hat is off by ((1 + k)^3 - 1) |W| |x|. Its
    gradient, x again and the sum over the batch are rounded once more. Sums in float32 add 2^-17.
    """
    config = TrainConfig(**vars(SMALL) | {"dtype": "bf16", "compile": compiled})
    drawn = recorded(monkeypatch, "q_sample")
    run = DiffusionTask.prepare(config)
    torch.manual_seed(0)
    network = Linear(run.dataset.images[0].numel())
    state = dataclasses.replace(
        run.state,
        network=network,
        forward=torch.compile(network) if compiled else network,
        optimizer=torch.optim.SGD(network.parameters(), lr=0.0),
    )
    monkeypatch.setattr(type(state), "update", lambda *_: None)
    train_step(config, run.schedule, run.dataset, state, 0, run.device)
    ((schedule, x_0, t, noise),) = drawn
    x_t = step.q_sample(schedule, x_0, t, noise)
    x, target, weight = (
        each.double().flatten(1) for each in (x_t, noise, network.linear.weight.detach())
    )
    error = x @ weight.T - target
    exact = 2 / x.numel() * error.T @ x
    once, thrice = (1 + 2.0**-17) * (1 + K) - 1, (1 + 2.0**-17) * (1 + K) ** 3 - 1
    off = thrice * x.abs() @ weight.abs().T  # of eps_hat
    off = (1 + once) ** 3 * off + thrice * error.abs()
    return network.linear.weight.grad.double(), exact, 2 / x.numel() * off.T @ x.abs()


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")  # of its own modules
@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "compiled"])
def test_gradient_in_bf16_is_within_its_roundings_of_the_exact_one(monkeypatch, compiled):
    """Eq. rounding.cast for each rounding; the largest error is more than a fiftieth of the bound.

    Errors of the same size in the other direction show that the comparison can fail: a loss that is
    a twentieth too large is outside the bound.
    """
    got, exact, allowed = gradients(monkeypatch, compiled)
    assert ((got - exact).abs() <= allowed).all()
    assert ((got - exact).abs() / allowed).max() > 1 / 50
    assert not ((1.05 * got - exact).abs() <= allowed).all()
