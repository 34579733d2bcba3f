"""NVIDIA's bionemo-moco: DDPM, its interpolant in discrete time and continuous space, in float32.

It counts timesteps from 0: timestep t is its index t - 1. The betas replace those of its linear
schedule. Its steps go from t to t - 1 and draw noise with `torch.randn_like`, which is patched if
the protocol gives the noise.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

from ..protocol import Array, Betas, Draw, Gaussian, SamplingSpec, Step, Times, Trajectory
from .stand_ins import stand_in
from .steps import ByTrajectory
from .tensors import FLOAT32, array, index, only_one_step, tape, tensor, times_of

stand_in("ot")  # for optimal transport, which DDPM does not use

# It is imported after the stand-ins for its dependencies.
from bionemo.moco.distributions.prior.continuous.gaussian import GaussianPrior  # noqa: E402
from bionemo.moco.distributions.time.uniform import UniformTimeDistribution  # noqa: E402
from bionemo.moco.interpolants.discrete_time.continuous.ddpm import DDPM  # noqa: E402
from bionemo.moco.schedules.inference_time_schedules import (  # noqa: E402
    DiscreteLinearInferenceSchedule,
)
from bionemo.moco.schedules.noise.discrete_noise_schedules import (  # noqa: E402
    DiscreteCosineNoiseSchedule,
    DiscreteLinearNoiseSchedule,
)

PREDICTIONS = {"eps": "noise", "x0": "data", "v": "velocity"}
SCHEDULES = {"linear": DiscreteLinearNoiseSchedule, "cosine": DiscreteCosineNoiseSchedule}


class BionemoMoco(ByTrajectory):
    """DDPM with predictions of the data; see `protocol.Implementation`."""

    name = f"bionemo-moco {version('bionemo-moco')}"
    unit_roundoff = FLOAT32
    deviations = Path(__file__).with_suffix(".toml")

    def alpha_bar(self, betas: Betas) -> Array:
        return _table(_ddpm(betas))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        return array(_ddpm(betas).interpolate(tensor(x_0), index(t), tensor(noise)))

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        """Return the mean as a step without noise, and the variance that its noise would have."""
        only_one_step((s != t - 1).any())
        ddpm, at = _ddpm(betas), index(t)
        with tape([torch.zeros(x_t.shape)], "randn_like"):
            mean = ddpm.step(tensor(x_0), at, tensor(x_t))
        return Gaussian(array(mean), _spread(ddpm.log_var.exp()[at], x_t.shape))

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Convert by process_noise_prediction, or by the data prediction and what is made of it."""
        if source in ("score", target) or (target == "score" and source != "x0"):
            raise NotImplementedError(f"DDPM does not convert {source} to {target}")
        ddpm, given, x, at = _ddpm(betas, source), tensor(value), tensor(x_t), index(t)
        data = ddpm.process_data_prediction(given, x, at)
        if target == "x0":
            return array(data)
        if target == "score":
            return array(ddpm.score(data, x, at))
        noise = ddpm.process_noise_prediction(given, x, at)
        return array(noise if target == "eps" else ddpm.calculate_velocity(data, at, noise))

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        if name != "v":
            raise NotImplementedError(f"DDPM does not compute the target {name}")
        return array(_ddpm(betas).calculate_velocity(tensor(x_0), index(t), tensor(noise)))

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return the loss of samples with one axis, that of features.

        For others it is a sum over the features and a mean over the axis before.
        """
        if target.ndim != 2:
            raise NotImplementedError("the loss of other samples is a sum over an axis")
        return array(_ddpm((0.5,)).loss(tensor(prediction), tensor(target)))

    def constant_weight(self, betas: Betas, name: str, t: Times, zero_terminal: bool) -> Array:
        """Return the weight "noise_to_data", of predictions of the noise."""
        if name != "eps" or zero_terminal:
            raise NotImplementedError("DDPM has this weight for eps only, and no zero terminal SNR")
        at = index(t)
        return array(_ddpm(betas).loss_weight(torch.ones(len(at)), at, "noise_to_data"))

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        """Draw times and noise, and interpolate, as the example of the class does."""
        ddpm = _ddpm(betas, generator=torch.Generator().manual_seed(seed))
        at, noise = ddpm.sample_time(len(x_0)), ddpm.sample_prior(x_0.shape)
        x_t = ddpm.interpolate(tensor(x_0), at, noise)
        return Draw(at.numpy() + 1, array(noise), array(x_t))

    def first_step(self, spec: SamplingSpec, x_t: Array, s: int, t: int, noise: Array) -> Step:
        only_one_step(s != t - 1)
        ddpm, method, options = _sampler(spec)
        with tape([tensor(noise)], "randn_like"):
            return _step(ddpm, method, spec, tensor(x_t), t, options)

    def trajectory(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Trajectory:
        """Sample; the last step draws noise, too, with scale 0."""
        with tape([tensor(each) for each in noises], "randn_like"):
            return _run(spec, tensor(x_T))

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return _run(spec, _ddpm(spec.betas).sample_prior(shape)).states[-1]

    def default_timesteps(self, T: int) -> tuple[int, ...]:
        return times_of(_schedule_of_steps(T))

    def schedule(self, name: str, T: int) -> Array:
        return _table(_of_schedule(SCHEDULES[name](nsteps=T), T))


def _of_schedule(schedule: Any, T: int, prediction: str = "x0", generator: Any = None) -> DDPM:
    return DDPM(
        UniformTimeDistribution(discrete_time=True, nsteps=T),
        GaussianPrior(),
        schedule,
        PREDICTIONS[prediction],
        rng_generator=generator,
    )


def _ddpm(betas: Betas, prediction: str = "x0", generator: Any = None) -> DDPM:
    schedule = DiscreteLinearNoiseSchedule(nsteps=len(betas))
    with mock.patch("torch.linspace", return_value=torch.tensor(betas)):
        return _of_schedule(schedule, len(betas), prediction, generator)


def _table(ddpm: DDPM) -> Array:
    """Return alpha_bar; the first entry of its table of alpha_bar_{t-1} is that of data."""
    return array(torch.cat([ddpm.alpha_bar_prev[:1], ddpm.alpha_bar]))


def _sampler(spec: SamplingSpec) -> tuple[DDPM, str, dict[str, float]]:
    """Return the interpolant, the method of a step and its options."""
    if spec.zero_terminal:
        raise NotImplementedError("bionemo-moco does not rescale a schedule")
    if spec.sampler == "ddim":
        return _ddpm(spec.betas), "step_ddim", {"eta": spec.eta}
    if spec.sampler != "fixed_small":
        raise NotImplementedError(f"DDPM has no {spec.sampler}")
    return _ddpm(spec.betas), "step", {}


def _step(
    ddpm: DDPM, method: str, spec: SamplingSpec, x: torch.Tensor, t: int, options: dict[str, float]
) -> Step:
    at = torch.full((len(x),), t - 1)
    x0_hat = tensor(spec.denoiser(array(x), t))
    x_s = ddpm.general_step(method, {"model_out": x0_hat, "t": at, "xt": x, **options})
    return Step(array(x_s), array(ddpm.process_data_prediction(x0_hat, x, at)))


def _run(spec: SamplingSpec, x: torch.Tensor) -> Trajectory:
    """Run the loop of the example of the class, and record its states and predictions."""
    ddpm, method, options = _sampler(spec)
    indices = _schedule_of_steps(len(spec.betas))
    only_one_step(times_of(indices) != spec.times)
    states, predictions = [array(x)], []
    for t in times_of(indices)[:-1]:
        step = _step(ddpm, method, spec, tensor(states[-1]), t, options)
        states.append(step.x_s)
        predictions.append(step.x0_hat)
    times = np.array(spec.times, np.float64)
    return Trajectory(times, np.array(states), np.array([*predictions, states[-1]]))


def _schedule_of_steps(T: int) -> torch.Tensor:
    return DiscreteLinearInferenceSchedule(nsteps=T, direction="diffusion").generate_schedule()


def _spread(coefficient: torch.Tensor, shape: tuple[int, ...]) -> Array:
    """Return a coefficient of each sample at each of its elements."""
    return np.broadcast_to(array(coefficient), shape[::-1]).T.copy()
