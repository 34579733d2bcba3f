"""The interface under test: the mathematics of DDPM in NumPy float64 arrays.

Timesteps are those of Ho et al. (2020): t = 1..T have noise and t = 0 is data, so alpha_bar_0 = 1,
and a step goes from t to any s < t. An implementation that counts timesteps from 0 adds 1 in its
adapter and nowhere else.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from .batches import Batches
from .densities import Densities
from .latents import Latents
from .nouns import (
    Array,
    Averages,
    Betas,
    Draw,
    Gaussian,
    Guidance,
    Layout,
    SamplingSpec,
    ScheduleTables,
    Step,
    Times,
    Trajectory,
)
from .parts import Parts
from .paths import Paths
from .precisions import Precisions
from .timesteps import Timesteps
from .training import Training


class Implementation(
    Batches, Densities, Latents, Parts, Paths, Precisions, Timesteps, Training, Protocol
):
    """The methods of an implementation; one that is missing raises NotImplementedError."""

    name: str
    unit_roundoff: float  # of the precision in which it computes

    def alpha_bar(self, betas: Betas) -> Array:
        """Return alpha_bar_0..alpha_bar_T, of shape (T + 1,); alpha_bar_0 = 1."""

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> Gaussian:
        """Return q(x_t | x_0), t in 0..T."""

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Gaussian:
        """Return q(x_t | x_s), 0 <= s < t <= T."""

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        """Return x_t for x_0 and the given noise, t in 0..T."""

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        """Return q(x_s | x_t, x_0), 0 <= s < t <= T."""

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """Convert `value` from `source` to `target` at (x_t, t); both are eps, x0, v or score."""

    def convert_data(
        self, betas: Betas, source: str, target: str, value: Array, x_0: Array
    ) -> Array:
        """Return `convert` at t = 0, where x_t is x_0; ValueError where that is not determined.

        Defined are eps -> x0, eps -> v, v -> x0 and v -> eps.
        """

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        """Return the training target for a prediction of `name` (eps, x0, v, score), t in 1..T."""

    def loss(self, prediction: Array, target: Array) -> Array:
        """Return the mean squared error of each sample over its elements, (batch,)."""

    def weighted_loss(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Return the loss of each sample times its weight, (batch,)."""

    def mean_loss(self, prediction: Array, target: Array, weight: Array) -> Array:
        """Return the number that a training step minimises, (): the mean of `weighted_loss`."""

    def constant_weight(self, betas: Betas, name: str, t: Times, zero_terminal: bool) -> Array:
        """Return the weights, (batch,), under which an error of x_0 has weight 1.

        If the weight is infinite, for eps and score at zero SNR, it raises ValueError.
        """

    def loss_weight(
        self, betas: Betas, name: str, t: Times, gamma: float, zero_terminal: bool
    ) -> Array:
        """Return the min-SNR weights, (batch,), for `name` (eps, x0, v, score), t in 1..T.

        An error of x_0 has the weight min(SNR_t, gamma), SNR = alpha_bar / (1 - alpha_bar). If
        `zero_terminal`, the schedule is first rescaled so that alpha_bar_T = 0 (T >= 2).
        """

    def guided(self, guidance: Guidance, x_t: Array, t: Times | int, labels: Times | None) -> Array:
        """Return the guided x0_hat; without labels, the unconditional prediction.

        Of an array of timesteps each sample has its own, and is guided if that is in the interval.
        Rescaling multiplies the prediction of each sample by 1 - rescale + rescale * ratio, where
        ratio is the standard deviation of the conditional prediction, over the sample's elements,
        divided by that of the guided one.
        """

    def guided_interpolation(self, guidance: Guidance, x_t: Array, t: int, labels: Times) -> Array:
        """Return the guided var_interpolation if the denoiser's interpolation is its prediction."""

    def drop_labels(self, labels: Times, probability: float, seed: int) -> Times:
        """Replace labels by NO_LABEL with this probability; each seed is a training step."""

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        """Draw the timesteps, noise and x_t of a training step with the implementation's noise.

        Each seed is another training step.
        """

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        """Return one ancestral step t -> s with this fixed variance; s = 0 adds no noise."""

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        """Return one DDIM step t -> s; no noise is added if eta = 0 or s = 0."""

    def first_step(self, spec: SamplingSpec, x_t: Array, s: int, t: int, noise: Array) -> Step:
        """Return one step t -> s of any sampler, as the first of a run, whatever spec.times are.

        Steps without noise ignore it.
        """

    def sample(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Return x_0 at the end of the sampling trajectory from x_T with the given noise.

        noises[i] is the noise of the step from times[i]; the last step has none, except with
        CHURN, which adds noise before each step. Samplers without noise ignore them.
        """

    def solver_steps(
        self,
        betas: Betas,
        sampler: str,
        times: tuple[int, ...],
        x_t: Array,
        predictions: list[Array],
    ) -> Array:
        """Return the state after the first steps of a sampler, as functions of their arguments.

        sampler: ddim with eta = 0, or one of SOLVERS. times: decreasing to 0, which is not reached:
        the last step ends at times[-2]. predictions: what the denoiser returns, in the order of the
        evaluations; Heun's method makes two in a step.
        """

    def encode(self, spec: SamplingSpec, x: Array, timestep: int) -> Array:
        """Return the state at times[0] from which ddim with eta = 0 returns to `x` at `timestep`.

        `timestep` is 0 or another of the times. Each inversion step evaluates the denoiser at the
        timestep of x; from 0, which has no noise, at the smallest nonzero time, and x is not
        changed.
        """

    def draw_samples(self, spec: SamplingSpec, shape: tuple[int, ...], seed: int) -> Array:
        """Sample with the implementation's own noise; shape is (batch, *event)."""

    def draw_samples_at(
        self, spec: SamplingSpec, event: tuple[int, ...], indices: tuple[int, ...], seed: int
    ) -> Array:
        """Return these samples of the sequence whose first samples `draw_samples` returns."""

    def predictions(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Array:
        """Return the x0_hat that `sample` reports at times[:-1], (len(times) - 1, *x_T.shape)."""

    def trajectory(self, spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Trajectory:
        """Return all that `sample` reports: timesteps, states and predictions, data included."""

    def schedule(self, name: str, T: int) -> Array:
        """Return alpha_bar_0..alpha_bar_T of the built-in linear or cosine schedule with defaults.

        linear: 1e-4 to 0.02 at T = 1000, scaled by 1000 / T; cosine: offset 0.008, betas at most
        0.999. A T that the schedule does not support raises ValueError.
        """

    def shaped_schedule(self, name: str, T: int, shape: Mapping[str, float]) -> ScheduleTables:
        """Return a schedule with the given parameters; each float means its decimal.

        linear: beta_1, beta_T, and rescale = False to use them unscaled at any T;
        cosine: s, max_beta; sigmoid: start, end, tau, max_beta.
        """

    def betas(self, alpha_bar: Array) -> Array:
        """Return beta_1..beta_T of the schedule with these alpha_bar_1..alpha_bar_T."""

    def log_snr(self, betas: Betas, t: Times) -> Array:
        """Return log(alpha_bar_t / (1 - alpha_bar_t)) in nats, (batch,), t in 1..T."""

    def zero_terminal_snr(self, betas: Betas) -> Array:
        """Return alpha_bar_0..alpha_bar_T rescaled so that alpha_bar_T = 0 (T >= 2)."""

    def rescaled(self, betas: Betas, count: int) -> ScheduleTables:
        """Return both tables after rescaling to zero terminal SNR `count` times."""

    def embedding(self, t: Times, width: int) -> Array:
        """Return the sinusoidal embedding, (batch, width), in float32 precision; width is even."""

    def embedding_of_period(self, t: Times, width: int, max_period: float) -> Array:
        """Return `embedding` with this as the longest period, in place of the layout's."""

    def embedding_layout(self) -> Layout:
        """Return the documented layout of `embedding`."""

    def fourier_features(self, x: Array, frequencies: tuple[int, ...]) -> Array:
        """Append Fourier features to the channels of x, (batch, channels, height, width).

        For each k in turn: sin(2^k pi x) of every channel, then cos(2^k pi x) of every channel. No
        frequencies leave x unchanged.
        """

    def output_dtype_and_device(self, method: str, dtype: str, device: str) -> tuple[str, str]:
        """Return the dtype and device of the method's output for inputs of this dtype and device.

        method: q_marginal, q_step, q_sample, q_posterior, convert or target. dtype: float64,
        float32, bfloat16 or float16. device: cpu, or meta for tensors without content.
        """

    def global_state(self) -> bytes:
        """Return all global state that calls must not change: random generators, default dtype."""

    def defaults(self) -> dict[str, dict[str, Any]]:
        """Return the default of each argument that has one, by public function or class.

        They are the names of ddpm_core, of which `test_defaults` has the documented values.
        """

    def accepts_int_timesteps(self) -> bool:
        """Return whether methods with timesteps take an int for s and t, as one for all samples."""

    def reused_objects(self) -> AbstractContextManager[None]:
        """Return a context in which equal schedules, denoisers and samplers are one object each.

        Outside it, and in an implementation without such objects, every call constructs its own.
        """

    def network(self, x_t: Array, t: Times, perturbed: bool) -> Array:
        """Return the prediction of a small network for images (batch, channels, height, width).

        It works for any image size, in evaluation mode and float32. Its parameters are as
        initialized or, if `perturbed`, all changed. For the same number of channels it is always
        the same network.
        """

    def gradients(self, x_t: Array, t: Times) -> dict[str, float]:
        """Return the largest |gradient| of the mean square of each parameter of that network."""

    def ema(self, decay: float, weights: Array, buffers: Array) -> Averages:
        """Return moving averages of weights[0], weights[1], ..., (steps + 1, n), and buffers.

        weights[0] is the initial state. Weights and buffers change in place, also between an update
        and the time when its average is read.
        """

    def ema_of(self, kind: str, decay: float, values: Array) -> Array:
        """Return what the average holds after updates with values[1], values[2], ..., (n,).

        kind: of what a network holds, "frozen" for a parameter that is not trained, which is
        averaged; "count" or "flag" for a buffer of integers or truth values, which is copied.
        """

    def ema_warms_up(self) -> bool:
        """Return whether step k = 0, 1, ... uses min(decay, (1 + k) / (10 + k)) as its decay."""

    def continuous_images(self, images: Array, indices: Times) -> Array:
        """Return continuous-valued images of a data set at these indices, as they are."""

    def to_unit_range(self, images: NDArray[np.uint8], grey_levels: int) -> Array:
        """Map grey levels 0..grey_levels - 1 to the diffused values in [-1, 1]."""
