"""Inputs of a vector, which are JSON, as the arguments of the protocol's methods."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..chains.linear_autoencoder import mix_channels, per_channel
from ..protocol import Array, Autoencoder, Betas, Gaussian, Guidance, SamplingSpec, Scale, Times


@dataclass(frozen=True)
class Line:
    """The denoiser x0_hat = slope x_t + offset t."""

    slope: float
    offset: float

    def __call__(self, x_t: Array, t: int) -> Array:
        return self.slope * x_t + self.offset * t


@dataclass(frozen=True)
class Constant:
    """A denoiser with one prediction for labels and one without."""

    conditional: Array
    unconditional: Array

    def __call__(self, x_t: Array, t: int, labels: Times | None) -> Array:
        return (self.unconditional if labels is None else self.conditional).copy()


def arguments(inputs: Mapping[str, Any], schedules: Mapping[str, Betas]) -> dict[str, Any]:
    """Return the arguments by name; `schedules` holds the betas that inputs name."""
    return {name: READERS.get(name, _plain)(value, schedules) for name, value in inputs.items()}


def _plain(value: Any, schedules: Mapping[str, Betas]) -> Any:
    return np.float64(value) if isinstance(value, list) else value


def _integers(value: Any, schedules: Mapping[str, Betas]) -> Any:
    return np.array(value, np.int64) if isinstance(value, list) else value


def _betas(value: str, schedules: Mapping[str, Betas]) -> Betas:
    return tuple(schedules[value])


def _tuple(value: list[int], schedules: Mapping[str, Betas]) -> tuple[int, ...]:
    return tuple(value)


def _gaussian(value: Mapping[str, Any], schedules: Mapping[str, Betas]) -> Gaussian:
    return Gaussian(np.float64(value["mean"]), np.float64(value["var"]))


def _spec(value: Mapping[str, Any], schedules: Mapping[str, Betas]) -> SamplingSpec:
    given = {**value, "denoiser": Line(**value["denoiser"]), "times": tuple(value["times"])}
    return SamplingSpec(**{**given, "betas": _betas(value["betas"], schedules)})


def _guidance(value: Mapping[str, Any], schedules: Mapping[str, Betas]) -> Guidance:
    branches = {name: np.float64(each) for name, each in value["denoiser"].items()}
    interval = tuple(value["interval"]) if value["interval"] else None
    denoiser = Constant(**branches)
    return Guidance(denoiser, value["scale"], value["rescale"], interval, together=False)


def _autoencoder(value: Mapping[str, Any], schedules: Mapping[str, Betas]) -> Autoencoder:
    encode, decode, log_var, shift, scale = (
        np.float64(value[name]) for name in ("encode", "decode", "log_var", "shift", "scale")
    )

    def encoder(x: Array) -> Array:
        mean = mix_channels(encode, x)
        return np.concatenate([mean, per_channel(log_var, mean) + 0 * mean], axis=1)

    return Autoencoder(encoder, lambda z: mix_channels(decode, z), Scale(shift, scale))


READERS: dict[str, Callable[[Any, Mapping[str, Betas]], Any]] = {
    "autoencoder": _autoencoder,
    "betas": _betas,
    "decoder": _gaussian,
    "denoiser": lambda value, _: Line(**value),
    "frequencies": _tuple,
    "guidance": _guidance,
    "images": lambda value, _: np.uint8(value),
    "labels": _integers,
    "left": _gaussian,
    "noises": lambda value, _: [np.float64(each) for each in value],
    "predictions": lambda value, _: [np.float64(each) for each in value],
    "right": _gaussian,
    "s": _integers,
    "spec": _spec,
    "t": _integers,
    "times": _tuple,
}
