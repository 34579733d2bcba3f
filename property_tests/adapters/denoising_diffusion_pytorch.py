"""lucidrains' denoising-diffusion-pytorch: GaussianDiffusion in float32.

It counts timesteps from 0: timestep t is its index t - 1. It takes a schedule by name and noise
from torch, so the betas replace its "linear" ones, and `torch.randn_like` is patched if noise is
given or recorded. Its images have four axes, so samples are reshaped.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from ..protocol import Array, Betas, Draw, Gaussian, Layout, SamplingSpec, Times
from .stand_ins import stand_in
from .tensors import FLOAT32, array, event, only_one_step, recorded, tensor
from .tensors import image as image_of
from .tensors import index as index_of

# Its training loop uses these; the functions tested here do not.
stand_in("torchvision", "transforms", "utils")
stand_in("accelerate", "Accelerator")
stand_in("ema_pytorch", "EMA")

# It is imported after the stand-ins for its dependencies.
from denoising_diffusion_pytorch import denoising_diffusion_pytorch as release  # noqa: E402
from denoising_diffusion_pytorch.version import __version__  # noqa: E402

OBJECTIVES = {"eps": "pred_noise", "x0": "pred_x0", "v": "pred_v"}
Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


class DenoisingDiffusionPytorch:
    """GaussianDiffusion without its range normalization; see `protocol.Implementation`."""

    name = f"denoising-diffusion-pytorch {__version__}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_diffusion(betas))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        return array(_diffusion(betas).q_sample(tensor(x_0), index_of(t), tensor(noise)))

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        only_one_step((s != t - 1).any())
        x = tensor(x_t)
        mean, variance, _ = _diffusion(betas).q_posterior(tensor(x_0), x, index_of(t))
        return Gaussian(array(mean), array(variance.expand(x.shape)))

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Convert by way of x_0, as `model_predictions` does; v is predict_v of x_0 and eps."""
        if "score" in (source, target) or source == target:
            raise NotImplementedError(f"GaussianDiffusion does not convert {source} to {target}")
        diffusion, given, x, index = _diffusion(betas), tensor(value), tensor(x_t), index_of(t)
        eps, x_0 = given, given
        if source == "eps":
            x_0 = diffusion.predict_start_from_noise(x, index, given)
        if source == "v":
            x_0 = diffusion.predict_start_from_v(x, index, given)
        if source != "eps" and target != "x0":
            eps = diffusion.predict_noise_from_start(x, index, x_0)
        if target == "v":
            return array(diffusion.predict_v(x_0, index, eps))
        return array(eps if target == "eps" else x_0)

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        """Return the target that `p_losses` passes to the squared error."""
        if name == "score":
            raise NotImplementedError("GaussianDiffusion has no score objective")
        diffusion = _diffusion(betas, objective=OBJECTIVES[name])
        with mock.patch.object(release.F, "mse_loss", wraps=release.F.mse_loss) as error:
            diffusion.p_losses(image_of(x_0), index_of(t), image_of(noise))
        return event(error.call_args.args[1], x_0.shape)

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return `p_losses` of a network with the output `prediction` for the noise `target`."""
        output = image_of(prediction)
        diffusion = _diffusion((0.5,), lambda x, index: output, objective="pred_noise")
        first = torch.zeros(len(output), dtype=torch.int64)
        given = (torch.zeros_like(output), first, image_of(target))
        return array(diffusion.p_losses(*given, loss_reduction="none"))

    def loss_weight(
        self, betas: Betas, name: str, t: Times, gamma: float, zero_terminal: bool
    ) -> Array:
        if name == "score" or zero_terminal:
            raise NotImplementedError("GaussianDiffusion has no score, and no zero terminal SNR")
        options = {"min_snr_loss_weight": True, "min_snr_gamma": gamma}
        diffusion = _diffusion(betas, objective=OBJECTIVES[name], **options)
        return array(diffusion.loss_weight[index_of(t)])

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        """Return the inputs of the network and the noise drawn in one call of the module."""
        inputs: list[tuple[torch.Tensor, torch.Tensor]] = []

        def network(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
            inputs.append((x, index))
            return x

        image = image_of(x_0)
        with torch.random.fork_rng(), recorded("randn_like") as drawn:
            torch.manual_seed(seed)
            _diffusion(betas, network, image_size=tuple(image.shape[2:]))(image)
        ((x_t, index),), (noise,) = inputs, drawn
        return Draw(_timestep(index), event(noise, x_0.shape), event(x_t, x_0.shape))

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        _only_fixed_small(variance)
        only_one_step(s != t - 1)
        output = _not_clipped(image_of(x0_hat))
        diffusion = _diffusion(betas, lambda x, index: output)
        with _tape([noise]):
            x_s, _ = diffusion.p_sample(image_of(x_t), t - 1)
        return event(x_s, x_t.shape)

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        with _tape(noises), mock.patch("torch.randn", return_value=image_of(x_T)):
            return _run(spec, x_T.shape)

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _run(spec, shape)

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        """Return the timesteps at which its network is evaluated, by DDIM if steps < T."""
        if name != "trailing" or zero_terminal:
            raise NotImplementedError("its only timestep spacing is close to trailing")
        timesteps: list[int] = []

        def network(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
            timesteps.append(int(_timestep(index)[0]))
            return x

        _diffusion(betas, network, sampling_timesteps=steps).sample(1)
        return (*timesteps, 0)

    def schedule(self, name: str, T: int) -> Array:
        return _table(_module(beta_schedule=name, timesteps=T))

    def embedding(self, t: Times, width: int) -> Array:
        if width == 2:
            raise NotImplementedError("SinusoidalPosEmb divides by width / 2 - 1")
        return array(release.SinusoidalPosEmb(width)(torch.from_numpy(t)))

    def embedding_layout(self) -> Layout:
        return Layout(interleaved=False, max_period=10_000)


class _Network(torch.nn.Module):
    """The network interface of GaussianDiffusion around a function of (x_t, index)."""

    channels = out_dim = 1
    self_condition = False

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor, index: torch.Tensor, condition: None) -> torch.Tensor:
        return self.network(x, index)


def _module(network: Network = lambda x, index: x, **options: Any) -> release.GaussianDiffusion:
    given = {"image_size": 1, "objective": "pred_x0", "auto_normalize": False} | options
    return release.GaussianDiffusion(_Network(network), **given)


def _diffusion(
    betas: Betas, network: Network = lambda x, index: x, **options: Any
) -> release.GaussianDiffusion:
    table = torch.tensor(betas, dtype=torch.float64)
    with mock.patch.object(release, "linear_beta_schedule", return_value=table):
        return _module(network, beta_schedule="linear", timesteps=len(betas), **options)


def _run(spec: SamplingSpec, shape: tuple[int, ...]) -> Array:
    """Run its complete sampling loop, which visits every timestep."""
    _only_fixed_small(spec.sampler)
    only_one_step(spec.times != tuple(range(len(spec.betas), -1, -1)))

    def network(x: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return _not_clipped(image_of(spec.denoiser(event(x, shape), int(_timestep(index)[0]))))

    images = tuple(image_of(np.zeros(shape)).shape)
    return event(_diffusion(spec.betas, network).p_sample_loop(images), shape)


def _table(diffusion: release.GaussianDiffusion) -> Array:
    """Return alpha_bar; the first entry of its table of alpha_bar_{t-1} is that of data."""
    first = diffusion.alphas_cumprod_prev[:1]
    return array(torch.cat([first, diffusion.alphas_cumprod]))


def _only_fixed_small(variance: str) -> None:
    if variance != "fixed_small":
        raise NotImplementedError(f"p_sample has one variance, which is not {variance}")


def _not_clipped(x0_hat: torch.Tensor) -> torch.Tensor:
    """Return a prediction that p_sample leaves as it is; no argument of it disables clipping."""
    if (x0_hat.abs() > 1).any():
        raise NotImplementedError("p_sample clips predictions to [-1, 1]")
    return x0_hat


@contextmanager
def _tape(noises: list[Array]) -> Iterator[None]:
    remaining = [image_of(each) for each in reversed(noises)]
    with mock.patch("torch.randn_like", side_effect=lambda x: remaining.pop()):
        yield


def _timestep(index: torch.Tensor) -> Times:
    return index.numpy() + 1
