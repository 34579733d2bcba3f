"""Denoisers made of a network and its parameterization: (x_t, t) -> x0_hat."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import (
    Denoiser,
    Parameterization,
    Prediction,
    check_parameterization,
    compute_dtype,
    evaluate,
)
from ddpm_core.clock import Time, check_time
from ddpm_core.learned_variance import split_range
from ddpm_core.parameterization import convert
from ddpm_core.schedules import Schedule

DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)

Network = Callable[..., object]
"""network(x_t, t) or network(x_t, t, labels) -> a tensor of x_t's shape; t is int64 (batch,)."""

Clock = Literal["timestep", "from_zero", "float", "fraction"]
CLOCKS: tuple[Clock, ...] = get_args(Clock)


@dataclass(frozen=True)
class NetworkDenoiser:
    """The denoiser of a network that predicts eps, x0, v or the score. Eq. parameterization.*.

    The network gets a copy of x_t in the dtype of its parameters, and its output is cast to that of
    x_t. An output may also be a tuple of one tensor, a mapping with "sample", or an object with
    that attribute. learns_variance: the output has twice the channels, the second half for
    `split_range`. clock: the network's timesteps are int64 t = 1..T ("timestep"), t - 1
    ("from_zero", as in libraries that count 0..T - 1), t in x_t's dtype ("float"), or t / T
    ("fraction"). label_name: the keyword of its labels; default: the third argument.
    """

    schedule: Schedule
    network: Network
    parameterization: Parameterization = "eps"
    learns_variance: bool = False
    clock: Clock = "timestep"
    label_name: str | None = None
    keeps_input: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_parameterization("parameterization", self.parameterization)
        if self.clock not in CLOCKS:
            raise ValueError(f"clock = {self.clock!r} is unknown; it must be one of {CLOCKS}")

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
        times = torch.full(x_t.shape[:1], t, device="cpu") if isinstance(t, int) else t.clone()
        times = self._on_its_clock(times.to(x_t.device), x_t)
        outputs = 2 if self.learns_variance else 1
        value = network_output(self.network, x_t, times, cond, self.label_name, outputs)
        interpolation = None
        if self.learns_variance:
            value, interpolation = split_range(value)
        x0_hat = convert(self.schedule, self.parameterization, "x0", value, x_t, t)
        return Prediction(x0_hat, interpolation)

    def _on_its_clock(self, times: Tensor, x_t: Tensor) -> Tensor:
        match self.clock:
            case "from_zero":
                return times - 1
            case "float":
                return times.to(compute_dtype(x_t))
            case "fraction":
                return times.to(compute_dtype(x_t)) / self.schedule.T
        return times


def network_output(
    network: Network,
    x: Float[Tensor, " batch *event"],
    times: Tensor,
    cond: Int[Tensor, " batch"] | None,
    label_name: str | None,
    outputs: int,
) -> Float[Tensor, " batch *output"]:
    """Return the output of a network at x in x's dtype; it may write in its arguments.

    Eq. losses.eps-hat evaluates it once. outputs: how many tensors like x its channels hold. Raises
    TypeError for an output that is not a floating-point tensor and ValueError for another shape or
    device.
    """
    x_in = x.to(parameter_dtype(network, x), copy=True)
    if cond is None:
        found = network(x_in, times)
    elif label_name is None:
        found = network(x_in, times, cond.clone())
    else:
        found = network(x_in, times, **{label_name: cond.clone()})
    value = _tensor_of(found)
    if not isinstance(value, Tensor) or not value.is_floating_point():
        what = f"{value.dtype} tensor" if isinstance(value, Tensor) else type(found).__name__
        raise TypeError(
            f"the network returned a {what}; it must return one floating-point tensor like x_t, "
            'alone, in a tuple of one, or as "sample". Wrap it in a function that selects it'
        )
    channels = x.shape[1:2].numel() * outputs
    shape = (*x.shape[:1], channels, *x.shape[2:]) if x.ndim > 1 else tuple(x.shape)
    if tuple(value.shape) != shape or value.device != x.device:
        twice = x.ndim > 1 and tuple(value.shape[1:2]) == (2 * x.shape[1],) and outputs == 1
        hint = ". If the second half is a variance, pass learns_variance=True" if twice else ""
        raise ValueError(
            f"the network returned shape {tuple(value.shape)} on {value.device} for x_t of shape "
            f"{tuple(x.shape)} on {x.device}; it must be {shape} on {x.device}{hint}"
        )
    return value.to(x.dtype)


def _tensor_of(found: object) -> object:
    """Return the tensor of a common kind of output, or the output itself."""
    if isinstance(found, Mapping) and "sample" in found:
        return found["sample"]
    if isinstance(found, tuple | list) and len(found) == 1:
        return found[0]
    return found if isinstance(found, Tensor) else getattr(found, "sample", found)


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

    keeps_input: ClassVar[bool] = True

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
        found = evaluate(self.denoiser, x_t, t, cond)
        return replace(found, x0_hat=found.x0_hat.clamp(self.low, self.high))
