"""training_loop: with a custom network, and with the same bits as the command."""

import pytest
import torch
from torch import nn

from ddpm_core import DiffusionTask, NetworkDenoiser, TrainConfig, training_loop
from ddpm_core.cli.options import parse
from ddpm_core.gate.authorization import NotVerified
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.autoencoder_run import AutoencoderTask
from ddpm_core.training.run_directory import RunDirectory
from ddpm_core.training.task import Task
from tests.training.miniature_runs import TINY, train
from tests.training.recorded_steps import SMALL


class Affine(nn.Module):
    """A network of two-dimensional points."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x_t, t):
        return self.layer(torch.cat([x_t, t[:, None] / 20], dim=1))


def points(**options: object) -> DiffusionTask:
    config = TrainConfig(
        T=20, schedule="cosine", batch_size=4, max_steps=5, device="cpu", **options
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Affine()
    return DiffusionTask.of(config, network, torch.linspace(-1, 1, 14).reshape(7, 2))


def test_loop_yields_every_step_and_its_losses():
    task = points()
    before = [p.detach().clone() for p in task.state.network.parameters()]
    rows = list(training_loop(task))
    assert [step for step, _ in rows] == [1, 2, 3, 4, 5]
    assert all(losses.keys() == {"loss"} and losses["loss"] > 0 for _, losses in rows)
    after = list(task.state.network.parameters())
    assert not any(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_loop_resumes_from_the_step_where_it_was_stopped():
    uninterrupted, resumed = points(), points()
    for _ in training_loop(uninterrupted):
        pass
    for step, _ in training_loop(resumed):
        if step == 2:
            break
    for _ in training_loop(resumed, start=2):
        pass
    for group, tensors in uninterrupted.state.tensors().items():
        for name, tensor in resumed.state.tensors()[group].items():
            assert torch.equal(tensor, tensors[name]), f"{group}: {name}"


def test_denoiser_has_the_ema_weights():
    task = points(parameterization="v")
    for _ in training_loop(task):
        pass
    denoiser, x_t = task.denoiser, torch.ones(3, 2)
    assert type(denoiser) is NetworkDenoiser
    assert denoiser.parameterization == "v"
    assert denoiser.network is task.state.ema.network
    assert denoiser(x_t, 5).x0_hat.shape == (3, 2)


def test_gate_also_decides_for_a_custom_network(tmp_path):
    with pytest.raises(NotVerified):
        points(require_verified=True, certificate=tmp_path / "none.json")


def test_command_takes_the_steps_of_the_loop(tmp_path):
    """Both end in the same bits."""
    assert train(tmp_path / "run", steps=3) == 0
    flags = [*TINY, "--max-steps", "3", "--out-dir", str(tmp_path / "run")]
    config = parse(TrainConfig, "train", flags)
    task = DiffusionTask.prepare(config)
    for _ in training_loop(task):
        pass
    run = RunDirectory(DiffusionTask.prepare(config))
    run.resume()
    assert run.step == 3
    for group, tensors in run.task.state.tensors().items():
        for name, tensor in task.state.tensors()[group].items():
            assert torch.equal(tensor, tensors[name]), f"{group}: {name}"


def test_both_commands_train_a_task():
    for task in (DiffusionTask.prepare(SMALL), AutoencoderTask.prepare(AutoencoderConfig(width=8))):
        assert isinstance(task, Task)
