"""Part of our adapter: sampling steps, complete runs and timestep spacings."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import torch

import ddpm_core
from ddpm_core._types import Prediction
from ddpm_core.samplers.base import Snapshot
from ddpm_core.samplers.timestep_spacing import TIMESTEP_SPACINGS

from ... import protocol
from ...protocol import Array, Betas, SamplingSpec
from .arrays import (
    array,
    denoiser_of,
    given,
    labels_of,
    made,
    schedule_of,
    tensor,
    times_of,
    variance_named,
)

FIRST, SECOND = ("fixed_small", "fixed_large", "ddim", "dpm++1"), ("dpm++2m", "heun")


class Sampling:
    """Methods of `protocol.Implementation` on samplers, in float64."""

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        arguments = schedule_of(betas), (), variance_named(variance)
        sampler = made(ddpm_core.Ancestral, *arguments)
        return _step(sampler, x0_hat, x_t, s, t, noise)

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        sampler = made(ddpm_core.DDIM, schedule_of(betas), (), eta)
        return _step(sampler, x0_hat, x_t, s, t, noise)

    def solver_steps(
        self,
        betas: Betas,
        sampler: str,
        times: tuple[int, ...],
        x_t: Array,
        predictions: list[Array],
    ) -> Array:
        chosen = _sampler(SamplingSpec(betas, sampler, times, lambda x, t: x))
        found = iter([Prediction(tensor(each)) for each in predictions])
        x = tensor(x_t)
        state = chosen.init(x)
        *visited, _ = times
        for t, s in pairwise(visited):
            x, _, state = chosen.step(lambda *_: next(found), x, s, t, None, state)
        return array(x)

    def first_step(
        self, spec: SamplingSpec, x_t: Array, s: int, t: int, noise: Array
    ) -> protocol.Step:
        sampler, x, added = _sampler(spec), tensor(x_t), tensor(noise)
        added = added if sampler.draws_noise(s, t) else None
        x_s, x0_hat, _ = sampler.step(denoiser_of(spec.denoiser), x, s, t, added, sampler.init(x))
        return protocol.Step(array(x_s), array(x0_hat))

    def encode(self, spec: SamplingSpec, x: Array, timestep: int) -> Array:
        arguments = denoiser_of(spec.denoiser), tensor(x), labels_of(spec.denoiser)
        options = {"timestep": timestep} if timestep else {}
        return array(ddpm_core.invert(_sampler(spec), *arguments, **options))

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        *_, last = _snapshots(spec, x_T, noises)
        return array(last.x_t)

    def predictions(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        *steps, _ = _snapshots(spec, x_T, noises)
        return array(torch.stack([each.x0_hat for each in steps]))

    def trajectory(
        self, spec: SamplingSpec, x_T: Array, noises: list[Array]
    ) -> protocol.Trajectory:
        return trajectory_of([*_snapshots(spec, x_T, noises)])

    def learned_trajectory(
        self,
        betas: Betas,
        times: tuple[int, ...],
        denoiser: protocol.LearnedDenoiser,
        x_T: Array,
        noises: list[Array],
    ) -> protocol.Trajectory:
        def predicted(x_t: torch.Tensor, t: int, cond: Any = None) -> Prediction:
            return Prediction(*map(tensor, denoiser(given(x_t), t)))

        sampler = ddpm_core.Ancestral(schedule_of(betas), times, "learned_range")
        tape = dict(zip(times, map(tensor, noises), strict=False))
        run = ddpm_core.sampling_loop(sampler, predicted, tensor(x_T), tape.__getitem__)
        return trajectory_of([*run])

    def default_timesteps(self, T: int) -> tuple[int, ...]:
        return ddpm_core.Ancestral(ddpm_core.Schedule.cosine(T)).times

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        return self.draw_samples_at(spec, shape[1:], tuple(range(shape[0])), seed)

    def draw_samples_at(
        self, spec: SamplingSpec, event: tuple[int, ...], indices: tuple[int, ...], seed: int
    ) -> Array:
        sampler, denoiser = _sampler(spec), denoiser_of(spec.denoiser)
        options: dict[str, Any] = {"indices": indices, "seed": seed, "dtype": torch.float64}
        options["cond"] = labels_of(spec.denoiser)
        *_, last = ddpm_core.generate(sampler, denoiser, event, **options)
        return array(last.x_t)

    def own_timesteps(self, betas: Betas, sampler: str, steps: int) -> tuple[int, ...]:
        return TIMESTEP_SPACINGS["trailing"](schedule_of(betas), steps)

    def claimed_orders(self) -> Mapping[str, float]:
        return {**dict.fromkeys(FIRST, 1.0), **dict.fromkeys(SECOND, 2.0)}

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        return TIMESTEP_SPACINGS[name](schedule_of(betas, zero_terminal), steps)


def trajectory_of(visited: list[Snapshot]) -> protocol.Trajectory:
    states, predictions = ([each.x_t for each in visited], [each.x0_hat for each in visited])
    return protocol.Trajectory(
        array(torch.tensor([float(each.t) for each in visited], device="cpu")),
        array(torch.stack(states)),
        array(torch.stack(predictions)),
    )


def _step(sampler: Any, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array) -> Array:
    prediction = Prediction(tensor(x0_hat))
    x_s, _, _ = sampler.step(lambda x, t: prediction, tensor(x_t), s, t, tensor(noise))
    return array(x_s)


def _snapshots(spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Iterator[Snapshot]:
    sampler = _sampler(spec)
    tape = dict(zip(spec.times, map(tensor, noises), strict=False))
    arguments = denoiser_of(spec.denoiser), tensor(x_T), tape.__getitem__
    return ddpm_core.sampling_loop(sampler, *arguments, labels_of(spec.denoiser))


def _sampler(spec: SamplingSpec) -> Any:
    return made(_new_sampler, spec)


def _new_sampler(spec: SamplingSpec) -> Any:
    return sampler_on(schedule_of(spec.betas, spec.zero_terminal), spec)


def sampler_on(schedule: ddpm_core.Schedule, spec: SamplingSpec) -> Any:
    times = times_of(spec.times, spec.betas)
    match spec.sampler:
        case "ddim":
            return ddpm_core.DDIM(schedule, times, spec.eta)
        case "dpm++1":
            return ddpm_core.DPMSolver(schedule, times, order=1)
        case "dpm++2m":
            return ddpm_core.DPMSolver(schedule, times)
        case "heun":
            return ddpm_core.Heun(schedule, times)
        case "fixed_small" | "fixed_large":
            return ddpm_core.Ancestral(schedule, times, variance_named(spec.sampler))
    raise NotImplementedError(f"ddpm_core has no sampler {spec.sampler}")
