"""Part of our adapter: schedules and samplers that the caller makes."""

from dataclasses import dataclass
from typing import Any

import torch

import ddpm_core
from ddpm_core._types import Prediction

from ... import protocol
from ...protocol import Array, Denoiser
from .arrays import alpha_bar_table, denoiser_of, given, made, table, tensor
from .sampling import trajectory_of


class Parts:
    """Methods of `protocol.Implementation` on parts of the caller's own, in float64."""

    def alpha_bar_of_logs(self, log_alpha_bar: Array) -> Array:
        return alpha_bar_table(made(_schedule, _Table(log_alpha_bar)))

    def own_trajectory(
        self,
        times: tuple[int, ...],
        step: protocol.StepFunction,
        denoiser: Denoiser,
        x_T: Array,
        noises: list[Array],
    ) -> protocol.Trajectory:
        tape = dict(zip(times, map(tensor, noises), strict=False))
        run = ddpm_core.sampling_loop(
            _Own(times, step), denoiser_of(denoiser), tensor(x_T), tape.__getitem__
        )
        return trajectory_of([*run])


class _Table:
    """A table in the caller's memory, equal to another one that held the same numbers."""

    def __init__(self, array: Array) -> None:
        self.array, self.content = array, array.tobytes()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Table) and self.content == other.content

    def __hash__(self) -> int:
        return hash(self.content)


def _schedule(given: _Table) -> ddpm_core.Schedule:
    return ddpm_core.Schedule(table(given.array))


@dataclass(frozen=True)
class _Own:
    """A sampler with the caller's steps, whose state is the timesteps that are left."""

    times: tuple[int, ...]
    function: protocol.StepFunction

    def init(self, x_t: torch.Tensor) -> tuple[int, ...]:
        return self.times

    def draws_noise(self, s: int, t: int) -> bool:
        return s > 0

    def step(
        self, denoise: Any, x_t: torch.Tensor, s: int, t: int, noise: Any, state: tuple[int, ...]
    ) -> tuple[torch.Tensor, torch.Tensor, tuple[int, ...]]:
        assert (t, s) == state[:2], f"the step {t} -> {s} is taken where {state} are left"
        prediction: Prediction = denoise(x_t, t)
        arrays = given(prediction.x0_hat), given(x_t)
        x_s = self.function(*arrays, s, t, None if noise is None else given(noise))
        return tensor(x_s), prediction.x0_hat, state[1:]
