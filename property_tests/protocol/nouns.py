"""What the protocol's methods take and return, in NumPy arrays and on the paper's clock."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]  # (batch, *event)
Times = NDArray[np.int64]  # (batch,), levels 0..T; level 0 is data
Betas = tuple[float, ...]  # beta_1..beta_T; betas[0] belongs to t = 1


class Normal(NamedTuple):
    """An elementwise independent Gaussian; both fields have the event's shape."""

    mean: Array
    var: Array


class Draw(NamedTuple):
    """What a training step draws for its images."""

    t: Times
    noise: Array
    x_t: Array


class Layout(NamedTuple):
    """Of a timestep embedding: frequencies fall from 1 to max_period^(-1 + 2 / width)."""

    interleaved: bool  # sin, cos, sin, cos, ...; otherwise all sines, then all cosines
    max_period: float


class Levels(NamedTuple):
    """A schedule at t = 0..T, both tables of shape (T + 1,)."""

    signal: Array  # alpha_bar_t
    noise: Array  # 1 - alpha_bar_t, from which no digits are lost at small t


class Averages(NamedTuple):
    """What an exponential moving average made of a sequence of weights."""

    decays: Array  # the decay used at each step, (steps,)
    weights: Array  # the average after each step, (steps, n)
    buffers: Array  # the copy's buffers after the last step, (n,)


Denoiser = Callable[[Array, int], Array]
"""(x_t, t) -> x0_hat, row by row."""


LabelledDenoiser = Callable[[Array, int, Times | None], Array]
"""(x_t, t, labels or None for none) -> x0_hat, row by row."""

NO_LABEL = 10  # stands for none among labels 0..9


class Guidance(NamedTuple):
    """Classifier-free guidance of a denoiser."""

    denoiser: LabelledDenoiser
    scale: float  # 0 is the guess without labels, 1 with them
    rescale: float = 0.0  # how much of the labelled guess's spread is restored, 0 to 1
    interval: tuple[int, int] | None = None  # the levels, ends included, elsewhere the scale is 1
    together: bool = True  # one call of twice the batch, in which NO_LABEL stands for no label


class Chain(NamedTuple):
    """A sampler with a denoiser; its times fall and end in 0."""

    betas: Betas
    sampler: str  # one of SAMPLERS
    times: tuple[int, ...]
    denoiser: Denoiser
    eta: float = 0.0  # of ddim, in [0, 1]: 0 is deterministic, 1 is fixed_small
    zero_terminal: bool = False  # rescale the schedule first, so that alpha_bar_T = 0


PREDICTIONS = ("eps", "x0", "v", "score")  # what a network may predict
ANCESTRAL = ("fixed_small", "fixed_large")  # Ho et al. (2020), by the variance of a step
SOLVERS = ("dpm++1", "dpm++2m", "heun")  # Lu et al. (2022), Karras et al. (2022): no noise
SAMPLERS = (*ANCESTRAL, "ddim", *SOLVERS)
TIMESTEP_SPACINGS = ("trailing", "leading", "linspace", "log_snr")


class Deviation(NamedTuple):
    """What a release is known to do otherwise; the check named by it must fail, or it is an error.

    An adapter lists them as `deviations: dict[str, Deviation]`, by "test_file.py::test_name", which
    stands for all its parameters, or by "test_file.py::test_name[parameter]".
    """

    reason: str  # one sentence: what it does instead
    effect: str  # measured: a figure with its unit, and where
    upstream: str  # file and function in the release at the named version, or an issue


ReverseKernel = Callable[[Array, Times, Times], Normal]
"""(x_t, s, t) -> p(x_s | x_t), any Gaussian; at s = 0 it is the decoder p(x_0 | x_t)."""

Slopes = Callable[[Array, int], tuple[Array, Array]]
"""(x_t, t) -> x0_hat and its Jacobian, (batch, n, n) for events of n numbers, flattened."""


class Flow(NamedTuple):
    """Where a flow leads, and how it stretches space on the way."""

    x_T: Array
    log_volume: Array  # (probes, batch), or (1, batch) where it is exact


class FlowDensity(NamedTuple):
    """log p_1 in nats and its errors, (batch,) each."""

    nats: Array
    probe_error: Array  # the standard error over the probes; 0 where the divergence is exact
    step_error: Array  # a third of what it moves by where every other level is left out


class Hybrid(NamedTuple):
    """The loss of each sample that trains guess and variance, and the gradient of their sum."""

    loss: Array  # (batch,)
    of_guess: Array  # with respect to what the network predicts
    of_variance: Array  # with respect to what it says of the variance, in -1..1


class Scale(NamedTuple):
    """Of latents, channel by channel, (channels,): scaled ones are (latent - shift) / scale."""

    shift: Array
    scale: Array


class Coder(NamedTuple):
    """An autoencoder: x to means and logs of variances of latents, in twice the channels; back."""

    encoder: Callable[[Array], Array]
    decoder: Callable[[Array], Array]
    scale: Scale
