"""Denoisers made of a network and its parameterization: (x_t, t) -> x0_hat."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Parameterization, Prediction, check_parameterization
from ddpm_core.clock import Time, check_time
from ddpm_core.learned_variance import split_range
from ddpm_core.parameterization import convert
from ddpm_core.schedules import Schedule

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)

Network = Callable[..., Tensor]
"""network(x_t, t) or network(x_t, t, labels) -> tensor of x_t's shape; t is int64 (batch,)."""


@dataclass(frozen=True)
class NetworkDenoiser:
    """The denoiser of a network that predicts eps, x0, v or the score. Eq. parameterization.*.

    The network gets x_t in the dtype of its parameters, and its output is cast to that of x_t.
    learns_variance: the output has twice the channels, the second half for `split_range`.
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
        """Return the prediction at (x_t, t), t in 1..T; `cond` is the network's third argument.

        The network's output is converted to x0_hat, Eq. losses.eps-hat and losses.v-hat.
        """
        check_time("t", t, 1, self.schedule.T, self.schedule.T, x_t)
        times = torch.full(x_t.shape[:1], t) if isinstance(t, int) else t
        times = times.to(x_t.device)
        x_in = x_t.to(parameter_dtype(self.network, x_t))
        arguments = (x_in, times) if cond is None else (x_in, times, cond)
        value, interpolation = self.network(*arguments).to(x_t.dtype), None
        if self.learns_variance:
            value, interpolation = split_range(value)
        x0_hat = convert(self.schedule, self.parameterization, "x0", value, x_t, t)
        return Prediction(x0_hat, interpolation)


def parameter_dtype(network: Network, x_t: Tensor) -> torch.dtype:
    """Return the dtype of the network's first parameter, x_t's own if it has none.

    It is the dtype of the network's input in Eq. losses.eps-hat.
    Quantized weights, in integers or float8, do not count: their layers take x_t as it is.
    """
    parameters = network.parameters() if isinstance(network, torch.nn.Module) else iter(())
    return next((each.dtype for each in parameters if each.dtype in DTYPES), x_t.dtype)


@dataclass(frozen=True)
class ClipX0:
    """A denoiser whose x0_hat is clipped to [low, high], the range of the data."""

    denoiser: Denoiser
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low = {self.low}, high = {self.high}; low must be below high")

    def __call__(
        self,
        x_t: Float[Tensor, " batch *event"],
        t: Time,
        cond: Int[Tensor, " batch"] | None = None,
    ) -> Prediction:
        """Return the wrapped prediction with x0_hat clipped."""
        found = self.denoiser(x_t, t, cond)
        return replace(found, x0_hat=found.x0_hat.clamp(self.low, self.high))
