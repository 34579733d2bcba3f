"""lucidrains' DALLE2-pytorch: NoiseScheduler, DiffusionPrior and the variance of its Decoder.

It computes in float32 and counts timesteps from 0: timestep t is its index t - 1. The betas replace
those of its linear schedule. Samples are flattened to image embeddings (batch, elements). If the
protocol gives the noise, `torch.randn` and `torch.randn_like` are patched.
"""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from ..protocol import Array, Betas, Gaussian, Layout, SamplingSpec, Step, Times
from .stand_ins import stand_in
from .tensors import (
    FLOAT32,
    array,
    event,
    index,
    network_output,
    no_progress_bar,
    only_one_step,
    tape,
    tensor,
    times_of,
)

# For networks, tokens and images, which the functions tested here do not use.
stand_in("torchvision", "transforms", "utils")
stand_in("torchvision.transforms", "functional")
stand_in("kornia")
stand_in("kornia.filters", "gaussian_blur2d")
stand_in("kornia.augmentation")
stand_in("resize_right", "resize")
stand_in("rotary_embedding_torch", "RotaryEmbedding")
stand_in("x_clip", "CLIP")
stand_in("coca_pytorch", "CoCa")
stand_in("vector_quantize_pytorch", "VectorQuantize")
stand_in("ftfy")
stand_in("pytorch_warmup")
stand_in("accelerate", "Accelerator", "DistributedType")
stand_in("ema_pytorch", "EMA")

from dalle2_pytorch import dalle2_pytorch as release  # noqa: E402 - after the stand-ins

OBJECTIVES = {
    "eps": {"predict_x_start": False},
    "x0": {"predict_x_start": True},
    "v": {"predict_v": True},
}
Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class Dalle2Pytorch:
    """DiffusionPrior without its norms of embeddings; see `protocol.Implementation`."""

    name = f"dalle2-pytorch {version('dalle2-pytorch')}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_scheduler(betas))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        return array(_scheduler(betas).q_sample(tensor(x_0), index(t), tensor(noise)))

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Gaussian:
        """Return a step without noise, and the square of a step from 0 with noise 1."""
        x, times = tensor(x_s), (index(s), index(t))
        step, zero = _scheduler(betas).q_sample_from_to, torch.zeros_like(x)
        mean, deviation = step(x, *times, zero), step(zero, *times, torch.ones_like(x))
        return Gaussian(array(mean), array(deviation.square()))

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        only_one_step((s != t - 1).any())
        x = tensor(x_t)
        mean, variance, _ = _scheduler(betas).q_posterior(tensor(x_0), x, index(t))
        return Gaussian(array(mean), array(variance.expand(x.shape)))

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Convert by way of x_0; v is calculate_v of x_0 and eps."""
        if "score" in (source, target) or source == target:
            raise NotImplementedError(f"NoiseScheduler does not convert {source} to {target}")
        scheduler, given, x, at = _scheduler(betas), tensor(value), tensor(x_t), index(t)
        eps, x_0 = given, given
        if source == "eps":
            x_0 = scheduler.predict_start_from_noise(x, at, given)
        if source == "v":
            x_0 = scheduler.predict_start_from_v(x, at, given)
        if source != "eps" and target != "x0":
            eps = scheduler.predict_noise_from_start(x, at, x_0)
        if target == "v":
            return array(scheduler.calculate_v(x_0, at, eps))
        return array(eps if target == "eps" else x_0)

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        """Return the target that `p_losses` passes to the squared error."""
        if name == "score":
            raise NotImplementedError("DiffusionPrior has no prediction of the score")
        prior = _prior(betas, **OBJECTIVES[name])
        with mock.patch.object(prior.noise_scheduler, "loss_fn") as error:
            prior.p_losses(_embedding(x_0), index(t), {}, _embedding(noise))
        return event(error.call_args.args[1], x_0.shape)

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return the loss of each sample as that of a batch of one."""
        first, found = torch.zeros(1, dtype=torch.int64), []
        for each, noise in zip(_embedding(prediction), _embedding(target), strict=True):
            prior = _prior((0.5,), lambda x, at, each=each: each[None], predict_x_start=False)
            found.append(prior.p_losses(torch.zeros_like(noise[None]), first, {}, noise[None]))
        return array(torch.stack(found))

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        spec = SamplingSpec(betas, variance, (), lambda x, t: x0_hat)
        return self.first_step(spec, x_t, s, t, noise).x_s

    def first_step(self, spec: SamplingSpec, x_t: Array, s: int, t: int, noise: Array) -> Step:
        only_one_step(s != t - 1)
        if spec.sampler != "fixed_small" or spec.zero_terminal:
            raise NotImplementedError(f"p_sample has one variance, which is not {spec.sampler}")
        at = torch.full((len(x_t),), t - 1)
        with tape([_embedding(noise)], "randn_like"):
            found = _prior(spec.betas, _network(spec, x_t.shape)).p_sample(
                _embedding(x_t), at, text_cond={}
            )
        return Step(*(event(each, x_t.shape) for each in found))

    def learned_kernel(
        self, betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
    ) -> Gaussian:
        only_one_step((s != t - 1).any())
        mean, variance, _, _ = _decoder().p_mean_variance(
            t=index(t), **_learned(betas, x0_hat, x_t, interpolation)
        )
        return Gaussian(event(mean, x_t.shape), event(variance, x_t.shape))

    def learned_step(
        self,
        betas: Betas,
        x0_hat: Array,
        x_t: Array,
        interpolation: Array,
        s: int,
        t: int,
        noise: Array,
    ) -> Array:
        only_one_step(s != t - 1)
        given = _learned(betas, x0_hat, x_t, interpolation)
        output = given.pop("model_output")
        unet = mock.Mock(forward_with_cond_scale=lambda *arguments, **named: output)
        with tape([_embedding(noise)], "randn_like"):
            x_s, _ = _decoder().p_sample(t=torch.full((len(x_t),), t - 1), **given | {"unet": unet})
        return event(x_s, x_t.shape)

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        loop, options = _loop(spec)
        with (
            tape([_embedding(x_T)], "randn"),
            tape([_embedding(each) for each in noises], "randn_like"),
        ):
            return _run(spec, x_T.shape, loop, options)

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        loop, options = _loop(spec)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _run(spec, shape, loop, options)

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        """Return the timesteps at which its network is evaluated."""
        if name != "trailing" or zero_terminal:
            raise NotImplementedError("its only timestep spacing is close to trailing")
        return _visited(betas, "p_sample_loop", {"timesteps": steps})

    def schedule(self, name: str, T: int) -> Array:
        options = {"beta_schedule": name, "timesteps": T, "loss_type": "l2"}
        return _table(release.NoiseScheduler(**options))

    def embedding(self, t: Times, width: int) -> Array:
        if width == 2:
            raise NotImplementedError("SinusoidalPosEmb divides by width / 2 - 1")
        return array(release.SinusoidalPosEmb(width)(tensor(t)))

    def embedding_layout(self) -> Layout:
        return Layout(interleaved=False, max_period=10_000)


class _Net(torch.nn.Module):  # type: ignore[misc]
    """A network of DiffusionPrior from a function of embeddings and timesteps."""

    self_cond = False
    dim = 1

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor, at: torch.Tensor, **named: Any) -> torch.Tensor:
        return self.network(x, at)

    forward_with_cond_scale = forward


def _scheduler(betas: Betas) -> release.NoiseScheduler:
    table = torch.tensor(betas, dtype=torch.float64)
    with mock.patch.object(release, "linear_beta_schedule", return_value=table):
        return release.NoiseScheduler(beta_schedule="linear", timesteps=len(betas), loss_type="l2")


def _prior(betas: Betas, network: Network = lambda x, at: x, **objective: bool) -> Any:
    """Return a DiffusionPrior with this schedule and network; by default it predicts x_0."""
    given = {"image_embed_dim": 1, "image_embed_scale": 1.0, "timesteps": 1}
    prior = release.DiffusionPrior(_Net(network), **given, **objective)
    prior.noise_scheduler = _scheduler(betas)
    return prior


def _decoder() -> Any:
    """Return a Decoder without networks, because p_mean_variance is given their output."""
    decoder = release.Decoder.__new__(release.Decoder)
    torch.nn.Module.__init__(decoder)
    decoder.learned_variance_constrain_frac = False
    return decoder


def _learned(betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array) -> dict[str, Any]:
    """Return arguments of the decoder's methods; a network's output has twice the channels."""
    output = network_output(interpolation).reshape(len(x_t), -1)
    return {
        "unet": None,
        "x": _embedding(x_t),
        "image_embed": None,
        "noise_scheduler": _scheduler(betas),
        "predict_x_start": True,
        "learned_variance": True,
        "clip_denoised": False,
        "model_output": torch.cat([_embedding(x0_hat), output], dim=1),
    }


def _network(spec: SamplingSpec, shape: tuple[int, ...]) -> Network:
    def network(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        return _embedding(spec.denoiser(event(x, shape), int(at[0]) + 1))

    return network


def _loop(spec: SamplingSpec) -> tuple[str, dict[str, Any]]:
    """Return the name and options of the sampling loop that visits these timesteps."""
    if spec.zero_terminal:
        raise NotImplementedError("NoiseScheduler does not rescale a schedule")
    loop, options = "p_sample_loop_ddpm", {}
    if spec.sampler == "ddim":
        loop, options = "p_sample_loop_ddim", {"timesteps": len(spec.times), "eta": spec.eta}
    elif spec.sampler != "fixed_small":
        raise NotImplementedError(f"DiffusionPrior has no {spec.sampler}")
    if _visited(spec.betas, loop, options) != spec.times:
        raise NotImplementedError("its loops take no list of timesteps, only their number")
    return loop, options


def _run(spec: SamplingSpec, shape: tuple[int, ...], loop: str, options: dict[str, Any]) -> Array:
    prior, flat = _prior(spec.betas, _network(spec, shape)), _embedding(np.empty(shape)).shape
    with mock.patch.object(release, "tqdm", no_progress_bar):
        return event(getattr(prior, loop)(tuple(flat), {}, **options), shape)


def _visited(betas: Betas, loop: str, options: dict[str, Any]) -> tuple[int, ...]:
    indices: list[torch.Tensor] = []

    def network(x: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        indices.append(at[0])
        return x

    with torch.random.fork_rng(), mock.patch.object(release, "tqdm", no_progress_bar):
        getattr(_prior(betas, network), loop)((1, 1), {}, **options)
    return times_of(indices)


def _table(scheduler: release.NoiseScheduler) -> Array:
    """Return alpha_bar; the first entry of its table of alpha_bar_{t-1} is that of data."""
    return array(torch.cat([scheduler.alphas_cumprod_prev[:1], scheduler.alphas_cumprod]))


def _embedding(of: Array) -> torch.Tensor:
    return tensor(of).reshape(len(of), -1)
