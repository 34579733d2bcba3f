"""Methods of an adapter that follow from others of it."""

from collections.abc import Callable

from ..protocol import Array, Betas, SamplingSpec, Step, Trajectory
from .tensors import every_timestep


class ByFirstStep:
    """Single steps as the first step of a sampler whose denoiser returns the given prediction."""

    first_step: Callable[..., Step]

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        spec = SamplingSpec(betas, variance, every_timestep(len(betas)), lambda x, t: x0_hat)
        return self.first_step(spec, x_t, s, t, noise).x_s

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        spec = SamplingSpec(betas, "ddim", every_timestep(len(betas)), lambda x, t: x0_hat, eta)
        return self.first_step(spec, x_t, s, t, noise).x_s


class ByTrajectory(ByFirstStep):
    """Samples and predictions as parts of a trajectory, whose last prediction is the sample."""

    trajectory: Callable[..., Trajectory]

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        return self.trajectory(spec, x_T, noises).states[-1]

    def predictions(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        return self.trajectory(spec, x_T, noises).predictions[:-1]
