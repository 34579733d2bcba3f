"""Argument and return types of the protocol's methods, in NumPy arrays."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]  # (batch, *event)
Times = NDArray[np.int64]  # (batch,), timesteps 0..T; timestep 0 is data
Betas = tuple[float, ...]  # beta_1..beta_T; betas[0] belongs to t = 1


@dataclass(frozen=True)
class GaussianPath:
    """x = alpha x_0 + sigma eps at t = 0..T; each field has T + 1 entries, of which [0] is data."""

    times: tuple[float, ...]  # the real time of each timestep
    alpha: tuple[float, ...]  # alpha[0] = 1; alpha[T] may be 0
    sigma: tuple[float, ...]  # sigma[0] = 0; sigma / alpha increases
    alpha_dot: tuple[float, ...]  # derivatives by time, at t = 0 without meaning
    sigma_dot: tuple[float, ...]

    def __len__(self) -> int:
        """Return T, as the length of betas is."""
        return len(self.times) - 1


Process = Betas | GaussianPath
"""The betas of a process or, for a path, its tables; oracles that use kernels alone take both."""


class Gaussian(NamedTuple):
    """A Gaussian with independent elements; both fields have the sample's shape."""

    mean: Array
    var: Array


class Draw(NamedTuple):
    """The timesteps, noise and x_t of a training step."""

    t: Times
    noise: Array
    x_t: Array


class Layout(NamedTuple):
    """Layout of a timestep embedding; frequencies fall from 1 to max_period^(-1 + 2 / width)."""

    interleaved: bool  # sin, cos, sin, cos, ...; otherwise all sines, then all cosines
    max_period: float


class ScheduleTables(NamedTuple):
    """A schedule at t = 0..T; both tables have shape (T + 1,)."""

    signal: Array  # alpha_bar_t
    noise: Array  # 1 - alpha_bar_t, without loss of precision at small t


class Averages(NamedTuple):
    """Exponential moving averages of a sequence of weights."""

    decays: Array  # the decay used at each step, (steps,)
    weights: Array  # the average after each step, (steps, n)
    buffers: Array  # the copy's buffers after the last step, (n,)


Denoiser = Callable[[Array, Any], Array]
"""(x_t, t) -> x0_hat, for each sample; t is an int, or a real timestep of `own_timesteps`."""


ConditionalDenoiser = Callable[[Array, Any, Times | None], Array]
"""(x_t, t, labels or None) -> x0_hat, for each sample; t is an int, or Times if given as such."""


@dataclass(frozen=True)
class Labelled:
    """A denoiser and the labels of its batch, which an implementation may pass as arguments.

    Without an argument for labels it is called as a denoiser.
    """

    denoiser: ConditionalDenoiser
    labels: Times

    def __call__(self, x_t: Array, t: int) -> Array:
        return self.denoiser(x_t, t, self.labels)


Network = Callable[[Array, Times, Times | None], Array]
"""(x_t, t, labels or None) -> output, row by row."""


class Prediction(NamedTuple):
    """The prediction of x_0 and, of a learned variance, the interpolation of its logarithm."""

    x0_hat: Array
    interpolation: Array  # in 0..1; of shape (0,) if none is learned


LearnedDenoiser = Callable[[Array, int], Prediction]
"""(x_t, t) -> x0_hat and the interpolation of a learned variance."""


class Objective(NamedTuple):
    """The losses of a training step, (batch,) each."""

    plain: Array  # squared error, unweighted
    minimised: Array  # with its weight or its term of the bound, in nats per element


class Step(NamedTuple):
    """What a step of a sampler returns: its next state, and the prediction that it reports."""

    x_s: Array
    x0_hat: Array


StepFunction = Callable[[Array, Array, int, int, Array | None], Array]
"""(x0_hat, x_t, s, t, noise) -> x_s; at s = 0 the noise is None."""


class Trajectory(NamedTuple):
    """What a sampler reports at each of its n + 1 timesteps, data included."""

    times: Array  # (n + 1,)
    states: Array  # (n + 1, batch, *event)
    predictions: Array  # the same; at data it is the state


NO_LABEL = 10  # the null label among labels 0..9


class Guidance(NamedTuple):
    """Classifier-free guidance of a denoiser."""

    denoiser: ConditionalDenoiser
    scale: float  # 0 is the unconditional prediction, 1 the conditional one
    rescale: float = 0.0  # fraction of the conditional standard deviation restored, 0 to 1
    interval: tuple[int, int] | None = None  # timesteps, ends included; elsewhere the scale is 1
    together: bool = True  # one evaluation of twice the batch, with NO_LABEL for no label


class SamplingSpec(NamedTuple):
    """A sampler with its schedule, timesteps and denoiser; the times decrease to 0."""

    betas: Process  # a path for `path_run` alone
    sampler: str  # one of SAMPLERS or STOCHASTIC
    times: tuple[int, ...]
    denoiser: Denoiser
    eta: float = 0.0  # of ddim, in [0, 1]: 0 is deterministic, 1 is fixed_small
    zero_terminal: bool = False  # rescale the schedule first, so that alpha_bar_T = 0
    churn: float = 0.0  # of CHURN: noise added in all steps together, as a fraction of sigma
    noise_scale: float = 1.0  # of CHURN: standard deviation of the added noise


PREDICTIONS = ("eps", "x0", "v", "score")  # what a network may predict
PATH_PREDICTIONS = (*PREDICTIONS, "velocity")  # and on a path, which has a derivative by time
GAUSSIAN_PATHS = ("straight", "ve", "vp")  # of flow matching, of EDM, and of Song et al. (2021)
# Names of the protocol by the module of the sampler; meta/test_verified_core.py compares the tree.
SAMPLERS_OF = {
    "ancestral": ("fixed_small", "fixed_large"),  # Ho et al. (2020), by the variance of a step
    "ddim": ("ddim",),
    "dpm_solver": ("dpm++1", "dpm++2m"),  # Lu et al. (2022)
    "heun": ("heun",),  # Karras et al. (2022)
}
ANCESTRAL = SAMPLERS_OF["ancestral"]
DECODER_VARIANCES = ("beta_1", "beta_tilde_2")  # of p(x_0 | x_1), by convention
SOLVERS = (*SAMPLERS_OF["dpm_solver"], *SAMPLERS_OF["heun"])  # no noise
SAMPLERS = tuple(name for names in SAMPLERS_OF.values() for name in names)
# Not of ddpm_core. Also: ancestral sampling in sigma with eta is ddim, SDE-DPM++ (1) fixed_small.
CHURN = ("churn", "churn-heun")  # Karras et al. (2022), Algorithm 2, without and with correction
STOCHASTIC = ("sde-dpm++2m", "euler-maruyama", "euler-maruyama-ve", *CHURN)
TIMESTEP_SPACINGS = ("trailing", "leading", "linspace", "log_snr")


FORMULA, DIGITS, CONVENTION = VERDICTS = ("formula", "digits", "convention")  # on a failed check


class Deviation(NamedTuple):
    """A known deviation of a release; the check that it names must fail, or it is an error.

    An adapter lists them as `deviations`, a dict or the Path of a TOML file, with the keys
    "test_file.py::test_name" for all parameters or "test_file.py::test_name[parameter]" for one.
    """

    reason: str  # one sentence: what the release does instead
    effect: str  # measured: a number with its unit and where
    upstream: str  # file and function in the release at that version, or an issue
    verdict: str = FORMULA  # another verdict than this one of VERDICTS fails the check


ReverseKernel = Callable[[Array, Times, Times], Gaussian]
"""(x_t, s, t) -> p(x_s | x_t), any Gaussian; at s = 0 it is the decoder p(x_0 | x_t)."""

DenoiserWithJacobian = Callable[[Array, int], tuple[Array, Array]]
"""(x_t, t) -> x0_hat and its Jacobian, (batch, n, n) for n flattened elements."""


class Flow(NamedTuple):
    """End state of the probability flow, and the log volume factor along it."""

    x_T: Array
    log_volume: Array  # (probes, batch), or (1, batch) if exact


UNKNOWN = -1.0  # the standard error of a single estimate


class FlowDensity(NamedTuple):
    """log p_1 in nats and its errors, each (batch,)."""

    nats: Array
    probe_error: Array  # standard error over the probes; 0 if exact, UNKNOWN for one probe
    step_error: Array  # a third of the change when every other step is omitted


class Hybrid(NamedTuple):
    """Loss of each sample for prediction and variance, and the gradient of the sum."""

    loss: Array  # (batch,)
    grad_prediction: Array  # with respect to the network's prediction
    grad_variance: Array  # with respect to the network's variance output, in -1..1


class Scale(NamedTuple):
    """Affine scaling of latents per channel, (channels,): (latent - shift) / scale."""

    shift: Array
    scale: Array


class AutoencoderTerms(NamedTuple):
    """The terms of the loss of an autoencoder, (batch,) each."""

    reconstruction: Array  # mean squared error
    gradient: Array  # mean squared error of neighbour differences
    kl: Array  # in nats, summed over the latents of an image


class Autoencoder(NamedTuple):
    """An encoder to means and log variances of latents (twice the channels), and a decoder."""

    encoder: Callable[[Array], Array]
    decoder: Callable[[Array], Array]
    scale: Scale
