"""Part of our adapter: Gaussian paths."""

from typing import Any, get_args

import torch

import ddpm_core
from ddpm_core._types import Prediction
from ddpm_core.gaussian_path import GaussianPath, PathDenoiser, PathParameterization

from ... import protocol
from ...protocol import Array, Network, SamplingSpec, ScheduleTables, Times
from .arrays import array, denoiser_of, gaussian_arrays, given, made, schedule_tables, tensor
from .sampling import sampler_on


class Paths:
    """Methods of `protocol.Implementation` on Gaussian paths, in float64."""

    def standard_path(self, name: str, times: tuple[float, ...]) -> protocol.GaussianPath:
        path = getattr(GaussianPath, name)(times)
        fields = path.times, path.alpha, path.sigma, path.alpha_dot, path.sigma_dot
        return protocol.GaussianPath(*(tuple(each.tolist()) for each in fields))

    def path_schedule(self, path: protocol.GaussianPath) -> ScheduleTables:
        return schedule_tables(_path(path).schedule)

    def path_sample(self, path: protocol.GaussianPath, x_0: Array, t: Times, noise: Array) -> Array:
        return array(_path(path).sample(*map(tensor, (x_0, t, noise))))

    def path_target(
        self, path: protocol.GaussianPath, name: str, x_0: Array, noise: Array, t: Times
    ) -> Array:
        return array(_path(path).target(_named(name), *map(tensor, (x_0, noise, t))))

    def path_convert(
        self,
        path: protocol.GaussianPath,
        source: str,
        target: str,
        value: Array,
        x: Array,
        t: Times,
    ) -> Array:
        names = _named(source), _named(target)
        return array(_path(path).convert(*names, *map(tensor, (value, x, t))))

    def path_posterior(
        self, path: protocol.GaussianPath, x_0: Array, x: Array, s: Times, t: Times
    ) -> protocol.Gaussian:
        on, data, at_s, at_t = _path(path), *map(tensor, (x_0, s, t))
        x_t = on.to_process(tensor(x), at_t)
        found = ddpm_core.q_posterior(on.schedule, data, x_t, at_s, at_t)
        var = on.from_process(found.var.expand_as(x_t), at_s)
        mean, var = on.from_process(found.mean, at_s), on.from_process(var, at_s)
        return gaussian_arrays(ddpm_core.Gaussian(mean, var))

    def path_run(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        on, first = _path(spec.betas), spec.times[0]
        inner = denoiser_of(spec.denoiser)

        def denoiser(x_t: torch.Tensor, t: int, cond: Any = None) -> Prediction:
            return inner(on.from_process(x_t, t), t)

        tape = dict(zip(spec.times, map(tensor, noises), strict=False))
        x = on.to_process(tensor(x_T), first)
        sampler = sampler_on(on.schedule, spec)
        *_, last = ddpm_core.sampling_loop(sampler, denoiser, x, tape.__getitem__)
        return array(last.x_t)

    def path_denoised(
        self,
        path: protocol.GaussianPath,
        name: str,
        network: Network,
        x_t: Array,
        t: Times | int,
        labels: Times | None,
    ) -> Array:
        def evaluate(x: torch.Tensor, tau: torch.Tensor, cond: Any = None) -> torch.Tensor:
            return tensor(network(given(x), given(tau), None if cond is None else cond.numpy()))

        denoiser = PathDenoiser(_path(path), evaluate, _named(name))
        cond = None if labels is None else tensor(labels)
        at = t if isinstance(t, int) else tensor(t)
        return array(denoiser(tensor(x_t), at, cond).x0_hat)


def _path(path: protocol.GaussianPath) -> GaussianPath:
    found: GaussianPath = made(_new_path, path)
    return found


def _new_path(path: protocol.GaussianPath) -> GaussianPath:
    fields = path.times, path.alpha, path.sigma, path.alpha_dot, path.sigma_dot
    return GaussianPath(*(torch.tensor(each, dtype=torch.float64, device="cpu") for each in fields))


def _named(name: str) -> PathParameterization:
    names: dict[str, PathParameterization] = {each: each for each in get_args(PathParameterization)}
    return names[name]
