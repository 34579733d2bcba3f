"""From a network and what it predicts to a denoiser: (x_t, t) -> x0_hat."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Parameterization, Prediction
from ddpm_core.clock import Time, check_time
from ddpm_core.learned_variance import split_range
from ddpm_core.parameterization import check_parameterization, convert
from ddpm_core.schedules import Schedule

Network = Callable[..., Tensor]
"""network(x_t, t) or network(x_t, t, labels) -> tensor of x_t's shape; t is int64 (batch,)."""


@dataclass(frozen=True)
class NetworkDenoiser:
    """The denoiser of a network that predicts eps, x0, v or the score. Eq. parameterization.*.

    learns_variance: it answers in twice the channels, of which `split_range` reads the second half.
    """

    schedule: Schedule
    network: Network
    parameterization: Parameterization = "eps"
    learns_variance: bool = False

    def __post_init__(self) -> None:
        check_parameterization("parameterization", self.parameterization)

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """x0_hat at (x_t, t), t in 1..T. `cond` goes to the network as its third argument.

        A guess of another kind is converted, Eq. losses.eps-hat and losses.v-hat.
        """
        check_time("t", t, 1, self.schedule.T, self.schedule.T, x_t)
        times = torch.full(x_t.shape[:1], t) if isinstance(t, int) else t
        times = times.to(x_t.device)
        arguments = (x_t, times) if cond is None else (x_t, times, cond)
        value, interpolation = self.network(*arguments).to(x_t.dtype), None
        if self.learns_variance:
            value, interpolation = split_range(value)
        x0_hat = convert(self.schedule, self.parameterization, "x0", value, x_t, t)
        return Prediction(x0_hat, interpolation)


@dataclass(frozen=True)
class ClipX0:
    """The wrapped denoiser with x0_hat clipped to [low, high], the range of the data."""

    denoiser: Denoiser
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low}, high = {self.high}: clipping needs low < high")

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """The wrapped x0_hat, clipped."""
        found = self.denoiser(x_t, t, cond)
        return replace(found, x0_hat=found.x0_hat.clamp(self.low, self.high))
