"""MONAI: DDPMScheduler, DDIMScheduler and the likelihood of its decoder, in float32.

The schedulers count timesteps from 0: timestep t is their index t - 1. A schedule is a function in
the store NoiseSchedules, to which one that returns given betas is added. `step` takes a generator
but no noise; if the protocol gives the noise, `torch.randn` is patched to return it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import monai
import numpy as np
import torch
from monai.inferers import DiffusionInferer
from monai.networks.nets.diffusion_model_unet import get_timestep_embedding
from monai.networks.schedulers import DDIMScheduler, DDPMScheduler, NoiseSchedules

from ..protocol import (
    ANCESTRAL,
    Array,
    Betas,
    Gaussian,
    Layout,
    LearnedDenoiser,
    SamplingSpec,
    Step,
    Times,
    Trajectory,
)
from .steps import ByTrajectory
from .tensors import (
    FLOAT32,
    array,
    every_timestep,
    index,
    network_output,
    only_one_step,
    row,
    tape,
    tensor,
    times_of,
)

PREDICTIONS = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
SCHEDULES = {"linear": "linear_beta", "cosine": "cosine"}
GIVEN = "given"

NoiseSchedules.add_def(GIVEN, "The betas")(lambda num_train_timesteps, betas: torch.tensor(betas))


class Monai(ByTrajectory):
    """Both schedulers without clipping; see `protocol.Implementation`."""

    name = f"MONAI {monai.__version__}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_ddpm(betas))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        return array(_ddpm(betas).add_noise(tensor(x_0), tensor(noise), index(t)))

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        """Return the posterior to which `get_likelihood` compares a prediction."""
        return _kernel(_ddpm(betas), x_0, x_t, s, t, [None for _ in t])

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Convert; x_0 is the second output of `step`, v is the velocity of x_0 and eps."""
        if (source, target) == ("eps", "v"):
            x_0 = self.convert(betas, "eps", "x0", value, x_t, t)
            return self.target(betas, "v", x_0, value, t)
        if target != "x0" or source not in ("eps", "v"):
            raise NotImplementedError(f"MONAI does not convert {source} to {target}")
        scheduler = _ddpm(betas, prediction=source)
        rows = [
            scheduler.step(_image(row(value, i)), at, _image(row(x_t, i)))[1]
            for i, at in enumerate(index(t).tolist())
        ]
        return _event(torch.cat(rows))

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        if name != "v":
            raise NotImplementedError(f"MONAI does not compute the target {name}")
        return array(_ddpm(betas).get_velocity(tensor(x_0), tensor(noise), index(t)))

    def first_step(self, spec: SamplingSpec, x_t: Array, s: int, t: int, noise: Array) -> Step:
        """Step along all timesteps, because no argument sets the timestep that a step goes to."""
        only_one_step(s != t - 1)
        scheduler, options = _sampler(spec._replace(times=every_timestep(len(spec.betas))))
        x0_hat = _image(spec.denoiser(x_t, t))
        with _tape([noise]):
            return Step(*map(_event, scheduler.step(x0_hat, t - 1, _image(x_t), **options)))

    def learned_kernel(
        self, betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: Times, t: Times
    ) -> Gaussian:
        outputs = list(network_output(interpolation))
        return _kernel(_ddpm(betas, "learned_range"), x0_hat, x_t, s, t, outputs)

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
        scheduler, output = _ddpm(betas, "learned_range"), _both(x0_hat, interpolation)
        with _tape([noise]):
            return _event(scheduler.step(output, t - 1, _image(x_t))[0])

    def learned_trajectory(
        self,
        betas: Betas,
        times: tuple[int, ...],
        denoiser: LearnedDenoiser,
        x_T: Array,
        noises: list[Array],
    ) -> Trajectory:
        scheduler = _visiting(_ddpm(betas, "learned_range"), times)
        with _tape(noises):
            return _run(scheduler, lambda x, t: _both(*denoiser(x, t)), _image(x_T), {})

    def trajectory(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Trajectory:
        """Sample; if the scheduler draws more noise than given, it uses its own."""
        scheduler, options = _sampler(spec)
        with _tape(noises):
            return _run(scheduler, _network(spec), _image(x_T), options)

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        scheduler, options = _sampler(spec)
        generator = torch.Generator().manual_seed(seed)
        x_T = torch.randn(shape, generator=generator).unsqueeze(1)
        options["generator"] = generator
        return _run(scheduler, _network(spec), x_T, options).states[-1]

    def encode(self, spec: SamplingSpec, x: Array, timestep: int) -> Array:
        """Invert with `reversed_step`, which has no step from data."""
        if timestep == 0:
            raise NotImplementedError("reversed_step starts at a noisy timestep")
        scheduler, _ = _sampler(spec)
        state = _image(x)
        for t in reversed(spec.times[1:-1]):
            if t >= timestep:
                x0_hat = _image(spec.denoiser(_event(state), t))
                state, _ = scheduler.reversed_step(x0_hat, t - 1, state)
        return _event(state)

    def default_timesteps(self, T: int) -> tuple[int, ...]:
        return times_of(DDPMScheduler(num_train_timesteps=T).timesteps)

    def own_timesteps(self, betas: Betas, sampler: str, steps: int) -> tuple[int, ...]:
        spec = SamplingSpec(betas, sampler, every_timestep(len(betas)), lambda x, t: x)
        scheduler, _ = _sampler(spec)
        scheduler.set_timesteps(steps)
        return times_of(scheduler.timesteps)

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        if name != "linspace" or zero_terminal:
            raise NotImplementedError("the only spacing is linspace, without zero terminal SNR")
        scheduler = _ddim(betas)
        scheduler.set_timesteps(steps)
        return times_of(scheduler.timesteps)

    def schedule(self, name: str, T: int) -> Array:
        return _table(DDPMScheduler(num_train_timesteps=T, schedule=SCHEDULES[name]))

    def log_grey_level(self, decoder: Gaussian, x_0: Array, grey_levels: int) -> Array:
        """Return the decoder's term of `get_likelihood`."""
        scale = torch.sqrt(tensor(decoder.var))
        return array(
            DiffusionInferer(_ddpm((0.5,)))._get_decoder_log_likelihood(
                inputs=tensor(x_0),
                means=tensor(decoder.mean),
                log_scales=torch.log(scale),
                original_input_range=(0, grey_levels - 1),
                scaled_input_range=(-1, 1),
            )
        )

    def embedding(self, t: Times, width: int) -> Array:
        return array(get_timestep_embedding(torch.from_numpy(t), width))

    def embedding_of_period(self, t: Times, width: int, max_period: float) -> Array:
        return array(get_timestep_embedding(torch.from_numpy(t), width, max_period))

    def embedding_layout(self) -> Layout:
        """Return the layout of Ho et al. (2020), which the docstring claims to follow."""
        return Layout(interleaved=False, max_period=10_000)


def _ddpm(betas: Betas, variance: str = "fixed_small", prediction: str = "x0") -> DDPMScheduler:
    given = {"variance_type": variance, "prediction_type": PREDICTIONS[prediction]}
    return DDPMScheduler(len(betas), GIVEN, clip_sample=False, betas=betas, **given)


def _ddim(betas: Betas) -> DDIMScheduler:
    given = {"clip_sample": False, "prediction_type": "sample"}
    return DDIMScheduler(len(betas), GIVEN, betas=betas, **given)


def _table(scheduler: DDPMScheduler) -> Array:
    """Return alpha_bar with the scheduler's `one` for data, which its table lacks."""
    return array(torch.cat([scheduler.one[None], scheduler.alphas_cumprod]))


def _kernel(
    scheduler: DDPMScheduler, x_0: Array, x_t: Array, s: Times, t: Times, outputs: list[Any]
) -> Gaussian:
    only_one_step((s != t - 1).any())
    mean, var = np.empty_like(x_t), np.empty_like(x_t)
    for i, at in enumerate(index(t).tolist()):
        mean[i] = array(scheduler._get_mean(at, tensor(x_0[i]), tensor(x_t[i])))
        var[i] = array(scheduler._get_variance(at, outputs[i]))
    return Gaussian(mean, var)


def _sampler(spec: SamplingSpec) -> tuple[Any, dict[str, Any]]:
    """Return the scheduler, and the additional options of its `step`."""
    if spec.zero_terminal:
        raise NotImplementedError("MONAI does not rescale a schedule")
    if spec.sampler == "ddim":
        return _visiting(_ddim(spec.betas), spec.times), {"eta": spec.eta}
    if spec.sampler not in ANCESTRAL:
        raise NotImplementedError(f"MONAI has no {spec.sampler}")
    return _visiting(_ddpm(spec.betas, spec.sampler), spec.times), {}


def _visiting(scheduler: Any, times: tuple[int, ...]) -> Any:
    """Return the scheduler with these timesteps, if it has them for their number of steps."""
    scheduler.set_timesteps(len(times[:-1]))
    if times_of(scheduler.timesteps) != times:
        raise NotImplementedError("the schedulers take no list of timesteps, only their linspace")
    return scheduler


def _network(spec: SamplingSpec) -> Callable[[Array, int], torch.Tensor]:
    return lambda x, t: _image(spec.denoiser(x, t))


def _run(
    scheduler: Any,
    network: Callable[[Array, int], torch.Tensor],
    x: torch.Tensor,
    options: dict[str, Any],
) -> Trajectory:
    """Run the loop of DiffusionInferer.sample, and record its states and predictions."""
    states, predictions = [_event(x)], []
    for at in scheduler.timesteps.tolist():
        x, x0_hat = scheduler.step(network(_event(x), at + 1), at, x, **options)
        states.append(_event(x))
        predictions.append(_event(x0_hat))
    times = np.array(times_of(scheduler.timesteps), np.float64)
    return Trajectory(times, np.array(states), np.array([*predictions, states[-1]]))


def _tape(noises: list[Array]) -> Any:
    return tape([_image(each) for each in noises], "randn")


def _both(x0_hat: Array, interpolation: Array) -> torch.Tensor:
    return torch.cat([_image(x0_hat), network_output(interpolation).unsqueeze(1)], dim=1)


def _image(of: Array) -> torch.Tensor:
    """Add an axis of one channel, which `step` needs."""
    return tensor(of).unsqueeze(1)


def _event(image: torch.Tensor) -> Array:
    return array(image.squeeze(1))
