"""Conversion between the protocol's NumPy arrays and ddpm_core's tensors."""

from typing import Any, get_args

import numpy as np
import torch

import ddpm_core
from ddpm_core._types import Parameterization, Prediction
from ddpm_core.samplers.ancestral import Variance

from ... import protocol
from ...protocol import Array, Betas, ConditionalDenoiser, Denoiser, DenoiserWithJacobian, Times


def timesteps_of(schedule: ddpm_core.Schedule) -> torch.Tensor:
    return torch.arange(len(schedule.log_alpha_bar))


def alpha_bar_table(schedule: ddpm_core.Schedule) -> Array:
    return schedule.alpha_bar(timesteps_of(schedule)).numpy()


def schedule_tables(schedule: ddpm_core.Schedule) -> protocol.ScheduleTables:
    noise = schedule.one_minus_alpha_bar(timesteps_of(schedule)).numpy()
    return protocol.ScheduleTables(alpha_bar_table(schedule), noise)


def schedule_of(betas: Betas, zero_terminal: bool = False) -> ddpm_core.Schedule:
    schedule = ddpm_core.Schedule.from_betas(betas)
    return schedule.with_zero_terminal_snr() if zero_terminal else schedule


def variance_named(name: str) -> Variance:
    names: dict[str, Variance] = {each: each for each in get_args(Variance)}
    return names[name]


def tensor(array: Array | Times) -> torch.Tensor:
    return torch.from_numpy(np.array(array))  # a copy, so that ddpm_core cannot modify the argument


def gaussian_arrays(gaussian: ddpm_core.Gaussian) -> protocol.Gaussian:
    mean, var = torch.broadcast_tensors(gaussian.mean, gaussian.var)
    return protocol.Gaussian(mean.numpy(), var.numpy())


def prediction_named(name: str) -> Parameterization:
    names: dict[str, Parameterization] = {each: each for each in get_args(Parameterization)}
    return names[name]


def gaussian_tensors(gaussian: protocol.Gaussian) -> ddpm_core.Gaussian:
    return ddpm_core.Gaussian(tensor(gaussian.mean), tensor(gaussian.var))


def denoiser_of(denoiser: Denoiser) -> ddpm_core.Denoiser:
    return conditional_denoiser_of(lambda x_t, t, labels: denoiser(x_t, t))


def conditional_denoiser_of(denoiser: ConditionalDenoiser) -> ddpm_core.Denoiser:
    def predict(x_t: torch.Tensor, t: int, cond: torch.Tensor | None = None) -> Prediction:
        labels = None if cond is None else cond.numpy()
        return Prediction(tensor(denoiser(x_t.numpy(), t, labels)))

    return predict


def differentiable(denoiser: DenoiserWithJacobian) -> ddpm_core.Denoiser:
    """Return a denoiser whose autograd gradient is the given Jacobian."""

    class WithJacobian(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x_t: torch.Tensor, t: int) -> torch.Tensor:
            x0_hat, jacobian = denoiser(x_t.detach().numpy(), t)
            ctx.save_for_backward(tensor(jacobian))
            return tensor(x0_hat)

        @staticmethod
        def backward(ctx: Any, along: torch.Tensor) -> tuple[torch.Tensor, None]:
            (jacobian,) = ctx.saved_tensors
            rows = torch.bmm(along.reshape(len(along), 1, jacobian.shape[1]), jacobian)
            return rows.reshape(along.shape), None

    def predict(x_t: torch.Tensor, t: int, cond: torch.Tensor | None = None) -> Prediction:
        return Prediction(WithJacobian.apply(x_t, t))

    return predict
