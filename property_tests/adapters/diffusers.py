"""Hugging Face diffusers: three schedulers, EMAModel and the timestep embedding, in float32.

DDPM, DDIM and DPM-Solver++ count timesteps from 0: timestep t is their index t - 1. Their `step`
takes a generator but not always noise; if the protocol gives the noise, `randn_tensor` is patched
to return it.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import diffusers
import numpy as np
import torch
from diffusers.image_processor import VaeImageProcessor
from diffusers.models.embeddings import get_timestep_embedding
from diffusers.training_utils import EMAModel
from diffusers.utils.torch_utils import randn_tensor
from numpy.typing import NDArray
from PIL import Image

from ..protocol import Array, Averages, Betas, Gaussian, Layout, SamplingSpec, Times
from .tensors import FLOAT32, array, row, tensor, times_of
from .tensors import index as index_of

PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
SCHEDULES = {"linear": "linear", "cosine": "squaredcos_cap_v2"}
SPACINGS = ("trailing", "leading", "linspace")
ORDERS = {"dpm++1": 1, "dpm++2m": 2}
VARIANCE = "fixed_small"


class Diffusers:
    """diffusers.DDPMScheduler without clipping; see `protocol.Implementation`."""

    name = f"diffusers {diffusers.__version__}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_scheduler(betas))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        return array(_scheduler(betas).add_noise(tensor(x_0), tensor(noise), index_of(t)))

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        """Return the mean as a step without noise, and the variance that its noise would have."""
        mean, var = np.empty_like(x_t), np.empty_like(x_t)
        for times in set(zip(t.tolist(), s.tolist(), strict=True)):
            rows = (t == times[0]) & (s == times[1])
            scheduler = _scheduler(betas, times=times)
            mean[rows] = _step(scheduler, x_0[rows], times[0], x_t[rows], [np.zeros(())])
            var[rows] = float(scheduler._get_variance(scheduler.timesteps[0]))
        return Gaussian(mean, var)

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Convert; x_0 is pred_original_sample of `step`, v is the velocity of x_0 and eps."""
        if (source, target) == ("eps", "v"):
            return self.target(
                betas, "v", self.convert(betas, "eps", "x0", value, x_t, t), value, t
            )
        if target != "x0" or source not in ("eps", "v"):
            raise NotImplementedError(f"diffusers does not convert {source} to {target}")
        scheduler = _scheduler(betas, prediction=source)
        rows = [
            scheduler.step(_image(row(value, i)), index, _image(row(x_t, i))).pred_original_sample
            for i, index in enumerate(index_of(t))
        ]
        return _event(torch.cat(rows))

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        if name != "v":
            raise NotImplementedError(f"diffusers does not compute the target {name}")
        return array(_scheduler(betas).get_velocity(tensor(x_0), tensor(noise), index_of(t)))

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        return _step(_scheduler(betas, variance, (t, s)), x0_hat, t, x_t, [noise])

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        """Step along all timesteps, because no argument sets the timestep that a step goes to."""
        if s != t - 1:
            raise NotImplementedError("DDIMScheduler has one stride for all steps")
        times = tuple(range(len(betas), -1, -1))
        scheduler, options = _sampler(SamplingSpec(betas, "ddim", times, lambda x, t: x0_hat, eta))
        with _tape([noise]):
            return _event(scheduler.step(_image(x0_hat), t - 1, _image(x_t), **options).prev_sample)

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Sample; if the scheduler draws more noise than given, it uses its own."""
        with _tape(noises):
            return _run(spec, _image(x_T))

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        """Run the loop of DDPMPipeline over the given times."""
        generator = torch.Generator().manual_seed(seed)
        x_T = randn_tensor(shape, generator=generator).unsqueeze(1)
        return _run(spec, x_T, generator)

    def own_timesteps(self, betas: Betas, sampler: str, steps: int) -> tuple[int, ...]:
        """Return those of `set_timesteps(steps)` with the defaults of the scheduler."""
        spec = SamplingSpec(betas, sampler, tuple(range(len(betas), -1, -1)), lambda x, t: x)
        scheduler, _ = _sampler(spec)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            scheduler.set_timesteps(steps)
        return times_of(scheduler.timesteps)

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        """Return the timesteps of DDIMScheduler."""
        if name not in SPACINGS:
            raise NotImplementedError(f"DDIMScheduler has no spacing {name}")
        return times_of(_spaced(betas, name, steps, zero_terminal).timesteps)

    def schedule(self, name: str, T: int) -> Array:
        return _table(diffusers.DDPMScheduler(num_train_timesteps=T, beta_schedule=SCHEDULES[name]))

    def zero_terminal_snr(self, betas: Betas) -> Array:
        return _table(
            diffusers.DDPMScheduler(
                num_train_timesteps=len(betas), trained_betas=betas, rescale_betas_zero_snr=True
            )
        )

    def embedding(self, t: Times, width: int) -> Array:
        """Return the embedding with freq_shift 0, as in UNet2DModel."""
        return array(get_timestep_embedding(torch.from_numpy(t), width, downscale_freq_shift=0))

    def embedding_layout(self) -> Layout:
        return Layout(interleaved=False, max_period=10_000)

    def ema(self, decay: float, weights: Array, buffers: Array) -> Averages:
        """Average with EMAModel; for an evaluation the network has the average, by `copy_to`."""
        network = torch.nn.Module()
        network.weight = torch.nn.Parameter(tensor(weights[0]))
        network.register_buffer("statistic", tensor(buffers[0]))
        follower = EMAModel(network.parameters(), decay=decay)
        decays, rows = [], []
        for weight, buffer in zip(weights[1:], buffers[1:], strict=True):
            network.weight.data, network.statistic = tensor(weight), tensor(buffer)
            follower.step(network.parameters())
            follower.store(network.parameters())
            follower.copy_to(network.parameters())
            decays.append(follower.cur_decay_value)
            rows.append(array(network.weight.clone()))
            evaluated = array(network.statistic)
            follower.restore(network.parameters())
        return Averages(np.array(decays), np.array(rows), evaluated)

    def ema_warms_up(self) -> bool:
        raise NotImplementedError("it warms up one step later: its first decay is 0")

    def to_unit_range(self, images: NDArray[np.uint8], grey_levels: int) -> Array:
        if grey_levels != 256:
            raise NotImplementedError("diffusers takes 8-bit grey levels")
        channels = [Image.fromarray(channel) for image in images for channel in image]
        found = VaeImageProcessor(do_resize=False).preprocess(channels)
        return array(found).reshape(images.shape)


def _scheduler(
    betas: Betas,
    variance: str = VARIANCE,
    times: tuple[int, ...] = (),
    prediction: str = "x0",
) -> diffusers.DDPMScheduler:
    scheduler = diffusers.DDPMScheduler(
        num_train_timesteps=len(betas),
        trained_betas=betas,
        variance_type=variance,
        clip_sample=False,
        prediction_type=PREDICTIONS[prediction],
    )
    if times:
        scheduler.set_timesteps(timesteps=[t - 1 for t in times if t > 0])
    return scheduler


def _table(scheduler: diffusers.DDPMScheduler) -> Array:
    """Return alpha_bar with the scheduler's `one` for data, which its table lacks."""
    return array(torch.cat([scheduler.one[None], scheduler.alphas_cumprod]))


def _step(
    scheduler: diffusers.DDPMScheduler, x0_hat: Array, t: int, x_t: Array, noises: list[Array]
) -> Array:
    with _tape(noises):
        return _event(scheduler.step(_image(x0_hat), t - 1, _image(x_t)).prev_sample)


def _run(spec: SamplingSpec, x: torch.Tensor, generator: torch.Generator | None = None) -> Array:
    scheduler, options = _sampler(spec)
    for index in scheduler.timesteps:
        x0_hat = _image(spec.denoiser(_event(x), int(index) + 1))
        x = scheduler.step(x0_hat, index, x, generator=generator, **options).prev_sample
    return _event(x)


def _sampler(spec: SamplingSpec) -> tuple[Any, dict[str, Any]]:
    """Return the scheduler, and the additional options of its `step`."""
    match spec.sampler:
        case "fixed_small" | "fixed_large":
            if spec.zero_terminal:
                raise NotImplementedError("ancestral sampling is not tested at zero terminal SNR")
            return _scheduler(spec.betas, spec.sampler, spec.times), {}
        case "ddim":
            return _ddim(spec), {"eta": spec.eta}
        case "dpm++1" | "dpm++2m":
            scheduler = diffusers.DPMSolverMultistepScheduler(
                num_train_timesteps=len(spec.betas),
                trained_betas=list(spec.betas),
                solver_order=ORDERS[spec.sampler],
                prediction_type="sample",
                rescale_betas_zero_snr=spec.zero_terminal,
            )
            with warnings.catch_warnings():  # it converts a tensor to an array in a deprecated way
                warnings.simplefilter("ignore", DeprecationWarning)
                scheduler.set_timesteps(timesteps=[t - 1 for t in spec.times[:-1]])
            return scheduler, {}
    raise NotImplementedError(f"diffusers has no {spec.sampler} for this parameterization")


def _ddim(spec: SamplingSpec) -> diffusers.DDIMScheduler:
    """Return the scheduler whose timesteps are those of the spec."""
    for spacing in SPACINGS:
        scheduler = _spaced(spec.betas, spacing, len(spec.times[:-1]), spec.zero_terminal)
        if times_of(scheduler.timesteps) == spec.times:
            return scheduler
    raise NotImplementedError("DDIMScheduler takes no list of timesteps, only its own spacings")


def _spaced(betas: Betas, name: str, steps: int, zero_terminal: bool) -> diffusers.DDIMScheduler:
    scheduler = diffusers.DDIMScheduler(
        num_train_timesteps=len(betas),
        trained_betas=betas,
        clip_sample=False,
        prediction_type="sample",
        timestep_spacing=name,
        rescale_betas_zero_snr=zero_terminal,
    )
    scheduler.set_timesteps(steps)
    return scheduler


@contextmanager
def _tape(noises: list[Array]) -> Iterator[None]:
    """Replace the scheduler's draws by the given noise in order, then by its own."""
    remaining = [_image(each) if each.ndim else tensor(each) for each in reversed(noises)]

    def draw(*arguments: object, **named: object) -> torch.Tensor:
        return remaining.pop() if remaining else randn_tensor(*arguments, **named)

    with (
        mock.patch("diffusers.schedulers.scheduling_ddpm.randn_tensor", draw),
        mock.patch("diffusers.schedulers.scheduling_ddim.randn_tensor", draw),
    ):
        yield


def _image(array: Array) -> torch.Tensor:
    """Add an axis of one channel, which `step` needs."""
    return tensor(array).unsqueeze(1)


def _event(image: torch.Tensor) -> Array:
    return array(image.squeeze(1))
