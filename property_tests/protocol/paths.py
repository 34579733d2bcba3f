"""Part of the tested interface: Gaussian paths x = alpha x_0 + sigma eps at real times."""

from typing import Protocol

from .nouns import Array, Gaussian, GaussianPath, Network, SamplingSpec, ScheduleTables, Times


class Paths(Protocol):
    """Methods on a path, with samples in its own units; see `protocol.Implementation`."""

    def standard_path(self, name: str, times: tuple[float, ...]) -> GaussianPath:
        """Return a path of GAUSSIAN_PATHS; times: those of t = 1..T, increasing; data are at 0.

        straight: alpha = 1 - time, sigma = time; ve: alpha = 1, sigma = time; vp: alpha^2 =
        exp(-int_0^time beta), sigma^2 = 1 - alpha^2, where beta is linear from 0.1 at 0 to 20 at 1.
        """

    def path_schedule(self, path: GaussianPath) -> ScheduleTables:
        """Return the process that has the signal-to-noise ratio of the path, at t = 0..T."""

    def path_sample(self, path: GaussianPath, x_0: Array, t: Times, noise: Array) -> Array:
        """Return x = alpha x_0 + sigma noise, t in 0..T."""

    def path_target(
        self, path: GaussianPath, name: str, x_0: Array, noise: Array, t: Times
    ) -> Array:
        """Return the training target for `name`, one of PATH_PREDICTIONS, t in 1..T.

        velocity: alpha_dot x_0 + sigma_dot noise. score: -noise / sigma. v: (alpha noise - sigma
        x_0) / sqrt(alpha^2 + sigma^2), that of the process.
        """

    def path_convert(
        self, path: GaussianPath, source: str, target: str, value: Array, x: Array, t: Times
    ) -> Array:
        """Convert `value` from `source` to `target`, both in PATH_PREDICTIONS, at the sample x.

        t in 1..T. From eps and score where alpha = 0 it raises ValueError.
        """

    def path_posterior(
        self, path: GaussianPath, x_0: Array, x: Array, s: Times, t: Times
    ) -> Gaussian:
        """Return the distribution of the sample at s, given that at t and x_0; 0 <= s < t <= T."""

    def path_run(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Return x_0 as `sample` does, along the path `spec.betas`.

        x_T and the samples passed to the denoiser are in the path's units. Where alpha and sigma
        are linear in time, Euler's method is the sampler ddim with eta = 0.
        """

    def path_denoised(
        self,
        path: GaussianPath,
        name: str,
        network: Network,
        x_t: Array,
        t: Times | int,
        labels: Times | None,
    ) -> Array:
        """Return x0_hat at the sample x_t of the process, from one evaluation of a network.

        The network predicts `name`. It is given the sample in the path's units and, in place of
        timesteps, the path's real times, (batch,).
        """
