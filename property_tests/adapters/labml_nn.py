"""labml.ai's annotated DDPM: DenoiseDiffusion of labml-nn, in float32.

It counts timesteps from 0: timestep t is its index t - 1, and its tables are of images. The betas
replace those of its linear schedule. Its network predicts the noise; the suite's predictions of x_0
are passed as noise by an oracle. If the protocol gives the noise, `torch.randn` is patched.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from labml_nn.diffusion.ddpm import DenoiseDiffusion

from ..oracles.exact import converted
from ..protocol import Array, Betas, Draw, Gaussian, SamplingSpec, Step, Times
from .tensors import (
    FLOAT32,
    array,
    event,
    every_timestep,
    image,
    index,
    only_one_step,
    recorded,
    tape,
)


class LabmlNn:
    """DenoiseDiffusion; see `protocol.Implementation`."""

    name = f"labml-nn {version('labml-nn')}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_diffusion(betas))

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> Gaussian:
        mean, var = _diffusion(betas).q_xt_x0(image(x_0), index(t))
        return Gaussian(event(mean, x_0.shape), event(var.expand(mean.shape), x_0.shape))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        x_t = _diffusion(betas).q_sample(image(x_0), index(t), image(noise))
        return event(x_t, x_0.shape)

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return the loss of each sample as that of a batch of one."""
        found = []
        for each, noise in zip(image(prediction), image(target), strict=True):
            diffusion = _diffusion((0.5,), lambda x, at, each=each: each[None])
            found.append(diffusion.loss(torch.zeros_like(noise[None]), noise[None]))
        return array(torch.stack(found))

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        """Return the inputs of the network and the noise drawn by its loss."""
        inputs: list[tuple[torch.Tensor, torch.Tensor]] = []

        def network(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
            inputs.append((x, at))
            return x

        with torch.random.fork_rng(), recorded("randn_like") as drawn:
            torch.manual_seed(seed)
            _diffusion(betas, network).loss(image(x_0))
        ((x_t, at),), (noise,) = inputs, drawn
        return Draw(at.numpy() + 1, event(noise, x_0.shape), event(x_t, x_0.shape))

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        spec = SamplingSpec(betas, variance, (), lambda x, t: x0_hat)
        return self.first_step(spec, x_t, s, t, noise).x_s

    def first_step(self, spec: SamplingSpec, x_t: Array, s: int, t: int, noise: Array) -> Step:
        """Return its sample at t - 1, and the prediction that its network was given as noise."""
        only_one_step(s != t - 1)
        _only_its_sampler(spec)
        with tape([image(noise)], "randn"):
            return Step(_step(spec, x_t, t), spec.denoiser(x_t, t))

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Run the loop of its experiment, whose last step draws noise, too."""
        with tape([image(each) for each in noises], "randn"):
            return _run(spec, x_T)

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _run(spec, event(torch.randn(image(np.empty(shape)).shape), shape))

    def schedule(self, name: str, T: int) -> Array:
        if name != "linear":
            raise NotImplementedError(f"DenoiseDiffusion has no schedule {name}")
        return _table(DenoiseDiffusion(torch.nn.Identity(), T, torch.device("cpu")))


def _diffusion(betas: Betas, network: Any = lambda x, at: x) -> DenoiseDiffusion:
    with mock.patch("torch.linspace", return_value=torch.tensor(betas)):
        return DenoiseDiffusion(network, len(betas), torch.device("cpu"))


def _table(diffusion: DenoiseDiffusion) -> Array:
    """Return alpha_bar with 1 for the data, which its table lacks."""
    return array(torch.cat([torch.ones(1), diffusion.alpha_bar]))


def _only_its_sampler(spec: SamplingSpec) -> None:
    if spec.sampler != "fixed_large" or spec.zero_terminal:
        raise NotImplementedError(f"p_sample has the variance fixed_large, not {spec.sampler}")


def _step(spec: SamplingSpec, x_t: Array, t: int) -> Array:
    noise = converted(spec.betas, "x0", "eps", spec.denoiser(x_t, t), x_t, t)
    diffusion = _diffusion(spec.betas, lambda x, at: image(noise))
    return event(diffusion.p_sample(image(x_t), torch.full((len(x_t),), t - 1)), x_t.shape)


def _run(spec: SamplingSpec, x: Array) -> Array:
    _only_its_sampler(spec)
    only_one_step(spec.times != every_timestep(len(spec.betas)))
    for t in spec.times[:-1]:
        x = _step(spec, x, t)
    return x
