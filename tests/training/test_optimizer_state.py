"""The optimizer's state is saved by name and restored with its bits and its memory format."""

import pytest
import torch
from torch import Tensor, nn

from ddpm_core.training.optimizer_state import flatten_optimizer, restore_optimizer

KINDS = {
    "foreach": {"foreach": True},
    "fused": {"fused": True},
    "amsgrad": {"amsgrad": True},
}


def made(
    dtype: torch.dtype = torch.float32, **options: bool
) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(4, 8, 3), nn.GroupNorm(2, 8), nn.Conv2d(8, 4, 3))
    network = network.to(dtype=dtype, memory_format=torch.channels_last)
    gains = [p for p in network.parameters() if p.ndim == 1]  # not in the order of named_parameters
    kernels = [p for p in network.parameters() if p.ndim > 1]
    return network, torch.optim.AdamW([{"params": gains}, {"params": kernels}], 0.1, **options)


def take_step(network: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    x = torch.randn(2, 4, 7, 7, generator=torch.Generator().manual_seed(step))
    optimizer.zero_grad()
    x = x.to(next(network.parameters()).dtype)
    network(x.contiguous(memory_format=torch.channels_last)).square().mean().backward()
    optimizer.step()


def stored(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return contiguous copies, as reading a file does."""
    return {
        name: each.detach().clone(memory_format=torch.contiguous_format)
        for name, each in tensors.items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_resumed_run_takes_the_same_steps_as_an_uninterrupted_one(kind, dtype):
    straight, optimizer = made(dtype, **KINDS[kind])
    for step in range(3):
        take_step(straight, optimizer, step)
    saved = stored(flatten_optimizer(optimizer, dict(straight.named_parameters())))
    weights = stored(straight.state_dict())

    resumed, other = made(dtype, **KINDS[kind])
    resumed.load_state_dict(weights)
    restore_optimizer(other, dict(resumed.named_parameters()), saved)
    for step in range(3, 6):
        take_step(straight, optimizer, step)
        take_step(resumed, other, step)
    for name, weight in resumed.state_dict().items():
        assert torch.equal(weight, straight.state_dict()[name]), name
    again = flatten_optimizer(other, dict(resumed.named_parameters()))
    for name, each in flatten_optimizer(optimizer, dict(straight.named_parameters())).items():
        assert torch.equal(again[name], each), name
        assert (again[name].dtype, again[name].device) == (each.dtype, each.device), name
        assert again[name].stride() == each.stride(), name


def test_each_moment_is_stored_under_its_parameter():
    network, optimizer = made()
    take_step(network, optimizer, 0)
    flat = flatten_optimizer(optimizer, dict(network.named_parameters()))
    names = [name for name, _ in network.named_parameters()]
    assert flat.keys() == {f"{n}/{e}" for n in names for e in ("step", "exp_avg", "exp_avg_sq")}
    for name, parameter in network.named_parameters():
        # After one step from zero, exp_avg is (1 - beta_1) times the gradient.
        torch.testing.assert_close(flat[f"{name}/exp_avg"], 0.1 * parameter.grad)


def test_before_the_first_step_there_is_nothing_to_save_or_restore():
    network, optimizer = made()
    assert flatten_optimizer(optimizer, dict(network.named_parameters())) == {}
    take_step(network, optimizer, 0)
    restore_optimizer(optimizer, dict(network.named_parameters()), {})
    assert len(optimizer.state) == 0


def test_restored_tensors_are_copies():
    network, optimizer = made()
    take_step(network, optimizer, 0)
    saved = stored(flatten_optimizer(optimizer, dict(network.named_parameters())))
    before = stored(saved)
    restore_optimizer(optimizer, dict(network.named_parameters()), saved)
    take_step(network, optimizer, 1)
    assert all(torch.equal(saved[name], before[name]) for name in saved)


def test_missing_and_unexpected_names_are_listed_and_the_state_is_unchanged():
    network, optimizer = made()
    take_step(network, optimizer, 0)
    saved = flatten_optimizer(optimizer, dict(network.named_parameters()))
    wrong = dict(saved)
    wrong["2.wait/exp_avg"] = wrong.pop("2.weight/exp_avg")
    with pytest.raises(
        ValueError, match=r"missing \['2.weight/exp_avg'\], unexpected \['2.wait/exp"
    ):
        restore_optimizer(optimizer, dict(network.named_parameters()), wrong)
    now = flatten_optimizer(optimizer, dict(network.named_parameters()))
    assert all(now[name] is saved[name] for name in saved)


def test_a_state_that_could_not_be_restored_is_not_saved():
    network, optimizer = made()
    take_step(network, optimizer, 0)
    unnamed = dict(list(network.named_parameters())[1:])
    with pytest.raises(
        ValueError, match=r"param_groups\[1\]\['params'\]\[0\], of shape \(8, 4, 3, 3\)"
    ):
        flatten_optimizer(optimizer, unnamed)
    unused = nn.Parameter(torch.zeros(3))
    optimizer.add_param_group({"params": [unused]})
    named = {**dict(network.named_parameters()), "unused": unused}
    with pytest.raises(ValueError, match=r"missing \['unused/exp_avg'.*must be frozen"):
        flatten_optimizer(optimizer, named)
    unused.requires_grad_(False)
    assert "unused/step" not in flatten_optimizer(optimizer, named)
    optimizer.state[unused] = {"step": 3}
    with pytest.raises(TypeError, match="unused/step is 3; only optimizers whose state is tensors"):
        flatten_optimizer(optimizer, named)
