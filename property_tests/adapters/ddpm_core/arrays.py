"""Conversion between the protocol's NumPy arrays and ddpm_core's tensors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, get_args

import torch

import ddpm_core
from ddpm_core._types import Parameterization, Prediction
from ddpm_core.samplers.ancestral import Variance

from ... import protocol
from ...protocol import Array, Betas, ConditionalDenoiser, Denoiser, DenoiserWithJacobian


@dataclass
class Working:
    """How a call works: the dtypes of its samples in turn, and whether gradients are recorded."""

    dtypes: Iterator[torch.dtype] = field(default_factory=lambda: cycle([torch.float64]))
    differentiates: bool = False
    inputs: list[tuple[Array, torch.Tensor]] = field(default_factory=list)  # samples
    outputs: list[torch.Tensor] = field(default_factory=list)
    passed: list[torch.Tensor] = field(default_factory=list)  # to functions of the caller


_working: ContextVar[Working] = ContextVar("working", default=Working())  # noqa: B039 - records nothing


def recording() -> Working:
    """Return the current way of working, with gradients."""
    return Working(_working.get().dtypes, differentiates=True)


@contextmanager
def working(how: Working) -> Iterator[None]:
    """Convert samples as `how` says inside the context."""
    token = _working.set(how)
    try:
        yield
    finally:
        _working.reset(token)


def timesteps_of(schedule: ddpm_core.Schedule) -> torch.Tensor:
    return torch.arange(len(schedule.log_alpha_bar), device="cpu")


def alpha_bar_table(schedule: ddpm_core.Schedule) -> Array:
    return schedule.alpha_bar(timesteps_of(schedule)).numpy()


def schedule_tables(schedule: ddpm_core.Schedule) -> protocol.ScheduleTables:
    noise = schedule.one_minus_alpha_bar(timesteps_of(schedule)).numpy()
    return protocol.ScheduleTables(alpha_bar_table(schedule), noise)


_reused: list[dict[Any, Any]] = []  # by constructor and arguments, inside `reused_objects`


@contextmanager
def reused_objects() -> Iterator[None]:
    """Construct schedules, denoisers and samplers once inside the context."""
    _reused.append({})
    try:
        yield
    finally:
        _reused.pop()


def made(build: Callable[..., Any], *arguments: Any) -> Any:
    """Return build(*arguments), inside `reused_objects` the same object for equal arguments."""
    for objects in _reused:
        key = build, *arguments
        if key not in objects:
            objects[key] = build(*arguments)
        return objects[key]
    return build(*arguments)


def schedule_of(betas: Betas, zero_terminal: bool = False) -> ddpm_core.Schedule:
    schedule: ddpm_core.Schedule = made(_schedule, betas, zero_terminal)
    return schedule


def _schedule(betas: Betas, zero_terminal: bool) -> ddpm_core.Schedule:
    schedule = ddpm_core.Schedule.from_betas(betas)
    return schedule.with_zero_terminal_snr() if zero_terminal else schedule


def variance_named(name: str) -> Variance:
    names: dict[str, Variance] = {each: each for each in get_args(Variance)}
    return names[name]


def table(array: Any) -> Any:
    """Return a tensor in the array's memory, so that a write of ddpm_core is seen; an int as is.

    It stays float64, as tables and weights over t do.
    """
    if isinstance(array, int):
        return array
    can_be_shared = array.flags.writeable and all(each >= 0 for each in array.strides)
    return torch.from_numpy(array if can_be_shared else array.copy())


def tensor(array: Any) -> Any:
    """Return `table(array)`, samples in the call's dtype and recorded for gradients."""
    found, how = table(array), _working.get()
    if isinstance(found, torch.Tensor) and found.is_floating_point():
        found = found.to(next(how.dtypes))
        if how.differentiates:
            how.inputs.append((array, found.requires_grad_()))
    return found


def given(found: torch.Tensor) -> Array:
    """Return what ddpm_core passes to a function of the caller, and record it for gradients."""
    how = _working.get()
    if how.differentiates:
        how.passed.append(found)
    return in_float64(found)


def in_float64(found: torch.Tensor) -> Array:
    return found.detach().double().numpy()


def array(found: torch.Tensor) -> Array:
    """Return what ddpm_core returned, samples in float64, and record it for gradients."""
    how = _working.get()
    if found.is_floating_point() and how.differentiates:
        how.outputs.append(found)
    return in_float64(found) if found.is_floating_point() else found.numpy()


def gaussian_arrays(gaussian: ddpm_core.Gaussian) -> protocol.Gaussian:
    mean, var = torch.broadcast_tensors(gaussian.mean, gaussian.var)
    return protocol.Gaussian(array(mean), array(var))


def prediction_named(name: str) -> Parameterization:
    names: dict[str, Parameterization] = {each: each for each in get_args(Parameterization)}
    return names[name]


def gaussian_tensors(gaussian: protocol.Gaussian) -> ddpm_core.Gaussian:
    return ddpm_core.Gaussian(tensor(gaussian.mean), tensor(gaussian.var))


def labels_of(denoiser: Any) -> torch.Tensor | None:
    return tensor(denoiser.labels) if isinstance(denoiser, protocol.Labelled) else None


def times_of(times: tuple[int, ...], betas: Betas) -> tuple[int, ...]:
    """Return (), the default, for all timesteps."""
    return () if len(times) > len(betas) else times


def denoiser_of(denoiser: Denoiser) -> ddpm_core.Denoiser:
    if isinstance(denoiser, protocol.Labelled):
        return conditional_denoiser_of(denoiser.denoiser)
    return conditional_denoiser_of(lambda x_t, t, labels: denoiser(x_t, t))


def conditional_denoiser_of(denoiser: ConditionalDenoiser) -> ddpm_core.Denoiser:
    def predict(
        x_t: torch.Tensor, t: torch.Tensor | int, cond: torch.Tensor | None = None
    ) -> Prediction:
        labels = None if cond is None else cond.numpy()
        times = t if isinstance(t, int) else t.numpy()
        return Prediction(tensor(denoiser(given(x_t), times, labels)))

    return predict


def differentiable(denoiser: DenoiserWithJacobian) -> ddpm_core.Denoiser:
    """Return a denoiser whose autograd gradient is the given Jacobian."""

    class WithJacobian(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x_t: torch.Tensor, t: int, cond: Any) -> torch.Tensor:
            x, labels = given(x_t), None if cond is None else cond.numpy()
            x0_hat, jacobian = (
                denoiser.denoiser(x, t, labels)  # None where ddpm_core loses the labels
                if isinstance(denoiser, protocol.Labelled)
                else denoiser(x, t)
            )
            ctx.save_for_backward(tensor(jacobian))
            return tensor(x0_hat)

        @staticmethod
        def backward(ctx: Any, along: torch.Tensor) -> tuple[torch.Tensor, None, None]:
            (jacobian,) = ctx.saved_tensors
            rows = torch.bmm(along.reshape(len(along), 1, jacobian.shape[1]), jacobian)
            return rows.reshape(along.shape), None, None

    def predict(x_t: torch.Tensor, t: int, cond: torch.Tensor | None = None) -> Prediction:
        return Prediction(WithJacobian.apply(x_t, t, cond))

    return predict
