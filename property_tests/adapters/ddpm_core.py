"""Our own implementation, through the very functions that training and sampling call."""

from typing import get_args

import numpy as np
import torch

import ddpm_core
from ddpm_core._types import Parameterization

from ..protocol import Array, Betas, Normal, Times


class DdpmCore:
    """ddpm_core in float64; see `protocol.Implementation`."""

    name = "ddpm_core"
    unit_roundoff = 2.0**-53

    def alpha_bar(self, betas: Betas) -> Array:
        schedule = ddpm_core.Schedule.from_betas(betas)
        return schedule.alpha_bar(torch.arange(schedule.T + 1)).numpy()

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> Normal:
        schedule = ddpm_core.Schedule.from_betas(betas)
        return _normal(ddpm_core.q_marginal(schedule, _tensor(x_0), _tensor(t)))

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Normal:
        schedule = ddpm_core.Schedule.from_betas(betas)
        return _normal(ddpm_core.q_step(schedule, _tensor(x_s), _tensor(s), _tensor(t)))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        schedule = ddpm_core.Schedule.from_betas(betas)
        return ddpm_core.q_sample(schedule, _tensor(x_0), _tensor(t), _tensor(noise)).numpy()

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Normal:
        schedule = ddpm_core.Schedule.from_betas(betas)
        arguments = (_tensor(each) for each in (x_0, x_t, s, t))
        return _normal(ddpm_core.q_posterior(schedule, *arguments))

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        schedule = ddpm_core.Schedule.from_betas(betas)
        arguments = (_tensor(each) for each in (value, x_t, t))
        return ddpm_core.convert(schedule, _known(source), _known(target), *arguments).numpy()


def _tensor(array: Array | Times) -> torch.Tensor:
    return torch.from_numpy(np.array(array))  # a copy: nothing that ddpm_core does reaches the test


def _normal(gaussian: ddpm_core.Gaussian) -> Normal:
    mean, var = torch.broadcast_tensors(gaussian.mean, gaussian.var)
    return Normal(mean.numpy(), var.numpy())


def _known(name: str) -> Parameterization:
    names: dict[str, Parameterization] = {each: each for each in get_args(Parameterization)}
    return names[name]
