"""The surface under test: the mathematics of DDPM in NumPy float64 arrays, on the paper's clock.

t = 1..T are noise levels and t = 0 is data, so alpha_bar_0 = 1 and a step goes from t to any s < t.
An implementation that counts from 0 says so in its adapter, by adding 1, and nowhere else.
"""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .densities import Densities
from .latents import Latents
from .nouns import (
    Array,
    Averages,
    Betas,
    Chain,
    Draw,
    Guidance,
    Layout,
    Levels,
    Normal,
    Times,
)


class Implementation(Densities, Latents, Protocol):
    """What an implementation offers. A method that it lacks raises NotImplementedError."""

    name: str
    unit_roundoff: float  # of the precision that it computes in

    def alpha_bar(self, betas: Betas) -> Array:
        """The table alpha_bar_0..alpha_bar_T, of shape (T + 1,); alpha_bar_0 = 1."""

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> Normal:
        """q(x_t | x_0), t in 0..T."""

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Normal:
        """q(x_t | x_s), 0 <= s < t <= T."""

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        """x_t of x_0 and the given noise, t in 0..T."""

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Normal:
        """q(x_s | x_t, x_0), 0 <= s < t <= T."""

    def convert(
        self, betas: Betas, source: str, target: str, value: Array, x_t: Array, t: Times
    ) -> Array:
        """`value`, which is `source` at (x_t, t), as `target`; both of eps, x0, v, score."""

    def target(self, betas: Betas, name: str, x_0: Array, noise: Array, t: Times) -> Array:
        """What a network that predicts `name` (eps, x0, v, score) is trained to say, t in 1..T."""

    def loss(self, prediction: Array, target: Array) -> Array:
        """The unweighted loss of each sample, (batch,): the mean square over its event."""

    def weighted_loss(self, prediction: Array, target: Array, weight: Array) -> Array:
        """The same, each sample's times its own of the weights (batch,)."""

    def constant_weight(self, betas: Betas, name: str, t: Times, zero_terminal: bool) -> Array:
        """The same that weighs an error of x_0 by 1.

        Where that is infinite, for eps and score at zero SNR, it raises ValueError.
        """

    def loss_weight(
        self, betas: Betas, name: str, t: Times, gamma: float, zero_terminal: bool
    ) -> Array:
        """The weight, (batch,), of the loss of `name` (eps, x0, v, score) at t in 1..T, by min-SNR.

        It weighs an error of x_0 by min(SNR_t, gamma), SNR = alpha_bar / (1 - alpha_bar). If
        `zero_terminal`, the schedule is first rescaled so that alpha_bar_T = 0 (T >= 2).
        """

    def guided(self, guidance: Guidance, x_t: Array, t: int, labels: Times | None) -> Array:
        """The guided x0_hat; without labels, the guess without.

        Rescaling multiplies the guess of each sample by 1 - rescale + rescale * (standard deviation
        of its labelled guess, over the event) / (its own).
        """

    def guided_interpolation(self, guidance: Guidance, x_t: Array, t: int, labels: Times) -> Array:
        """The guided var_interpolation of a denoiser whose interpolation is its prediction."""

    def drop_labels(self, labels: Times, probability: float, seed: int) -> Times:
        """A step's labels, each NO_LABEL with this probability; another seed is another step."""

    def training_draw(self, betas: Betas, x_0: Array, seed: int) -> Draw:
        """The times, the noise and the noisy images of one training step, from its own randomness.

        Another seed is another step.
        """

    def reverse_step(
        self, betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        """One ancestral step t -> s, variance fixed_small or fixed_large; s = 0 adds no noise."""

    def ddim_step(
        self, betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
    ) -> Array:
        """One DDIM step t -> s; without noise where eta = 0 or s = 0."""

    def sample(self, chain: Chain, x_T: Array, noises: list[Array]) -> Array:
        """x_0 at the end of the whole chain from x_T, with the given noise.

        noises[i] is that of the step from times[i]; there is none for the last step. A sampler that
        draws no noise does not look at them.
        """

    def encode(self, chain: Chain, x: Array, timestep: int) -> Array:
        """The state at times[0] from which ddim with eta = 0 leads back to `x` at `timestep`.

        `timestep` is 0 or another of the times. Each step up evaluates the denoiser at the
        timestep of x; from 0, which has no noise, at the lowest of the times, and keeps x.
        """

    def draw_samples(self, chain: Chain, shape: tuple[int, ...], seed: int) -> Array:
        """The same from the implementation's own noise; shape is (batch, *event)."""

    def predictions(self, chain: Chain, x_T: Array, noises: list[Array]) -> Array:
        """The x0_hat that `sample` reports at each of times[:-1], (len(times) - 1, *x_T.shape)."""

    def default_times(self, T: int) -> tuple[int, ...]:
        """The levels that an ancestral chain visits where none are named."""

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        """The levels that a sampler of `steps` steps visits; `name` is one of TIMESTEP_SPACINGS.

        trailing: T to 0 in even strides; linspace: T to 1 in even strides, then 0; leading: whole
        strides of T // steps above 1, then 0; log_snr: T to 1 in even strides of log-SNR, then 0.
        If `zero_terminal`, the schedule is first rescaled so that alpha_bar_T = 0 (T >= 2); log_snr
        then visits T and takes the rest of its steps from T - 1 on.
        """

    def schedule(self, name: str, T: int) -> Array:
        """alpha_bar_0..alpha_bar_T of the shipped linear or cosine schedule at its defaults.

        linear: 1e-4 to 0.02 at T = 1000, scaled by 1000 / T; cosine: offset 0.008, betas at most
        0.999. A T that the family does not reach raises ValueError.
        """

    def shaped_schedule(self, name: str, T: int, shape: Mapping[str, float]) -> Levels:
        """A schedule with other parameters than its defaults, each the decimal that is written.

        linear: beta_1, beta_T, and rescale = False to leave them at any T what they are;
        cosine: s, max_beta; sigmoid: start, end, tau, max_beta.
        """

    def betas(self, alpha_bar: Array) -> Array:
        """beta_1..beta_T of the schedule that has these alpha_bar_1..alpha_bar_T."""

    def log_snr(self, betas: Betas, t: Times) -> Array:
        """log(alpha_bar_t / (1 - alpha_bar_t)) in nats, (batch,), t in 1..T."""

    def zero_terminal_snr(self, betas: Betas) -> Array:
        """alpha_bar_0..alpha_bar_T of the schedule rescaled so that alpha_bar_T = 0 (T >= 2)."""

    def rescaled(self, betas: Betas, times: int) -> Levels:
        """Both tables of the schedule that is rescaled so, then again: `times` times in all."""

    def embedding(self, t: Times, width: int) -> Array:
        """The sinusoidal embedding (batch, width) in float32 precision; width is even."""

    def embedding_layout(self) -> Layout:
        """How `embedding` is laid out, as documented."""

    def fourier_features(self, x: Array, frequencies: tuple[int, ...]) -> Array:
        """x, (batch, channels, height, width), with its waves behind it as further channels.

        For each octave k in turn: sin(2^k pi x) of every channel, then cos(2^k pi x) of every
        channel. The number of frequencies is that of the pairs; none leave x alone.
        """

    def kept(self, method: str, dtype: str, device: str) -> tuple[str, str]:
        """The dtype and the device of what `method` answers to events of this dtype on this device.

        method: q_marginal, q_step, q_sample, q_posterior, convert or target. dtype: float64,
        float32, bfloat16 or float16. device: cpu, or meta for tensors without content.
        """

    def global_state(self) -> bytes:
        """What is global and not for a call to change: random generators, the default dtype."""

    def network(self, x_t: Array, t: Times, moved: bool) -> Array:
        """What a small noise predictor says of images (batch, channels, height, width), any sizes.

        In evaluation mode and float32. It is as initialised or, if `moved`, has no parameter left
        where it started; for the same number of channels it is always the same network.
        """

    def gradients(self, x_t: Array, t: Times) -> dict[str, float]:
        """Of the moved network, parameter by parameter: the largest |slope| of its mean square."""

    def ema(self, decay: float, weights: Array, buffers: Array) -> Averages:
        """Follow weights[0], then weights[1], weights[2], ... (steps + 1, n); the same of buffers.

        weights[0] is the state at the start.
        """

    def ema_warms_up(self) -> bool:
        """Whether step k = 0, 1, ... uses min(decay, (1 + k) / (10 + k)) instead of the decay."""

    def to_unit_range(self, images: NDArray[np.uint8], grey_levels: int) -> Array:
        """Grey levels 0..grey_levels - 1 as the numbers that are diffused, in [-1, 1]."""
