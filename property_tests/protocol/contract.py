"""Checks of every output of an implementation against the protocol."""

import functools
import inspect
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import pytest

from ..evidence import evidence
from .nouns import (
    AutoencoderTerms,
    FlowDensity,
    Gaussian,
    Hybrid,
    Objective,
    Scale,
    ScheduleTables,
    Step,
    Trajectory,
)
from .precisions import PRECISIONS, Precision
from .protocol import Implementation

SECONDS = 60  # time limit of a call, which normally takes milliseconds
SOON = 1e-6  # seconds until an alarm that is due; 0 would cancel it
COARSE_RANGE = 1e6  # a dtype whose largest number is below this may overflow: float16
NOT_OFFERED = "not offered: "  # a skip with this reason has its own column in the report

Shapes = Callable[[dict[str, Any]], list[tuple[str, tuple[int, ...]]]]


def _event(*names: str, like: str) -> Shapes:
    return lambda given: [(name, given[like].shape) for name in names]


def _alpha_bar_table(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    T = given["T"] if "T" in given else len(given["betas"])
    return [("alpha_bar", (T + 1,))]


def _both_tables(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    ((_, shape),) = _alpha_bar_table(given)
    return [(name, shape) for name in ScheduleTables._fields]


def _fourier(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    batch, channels, *image = given["x"].shape
    return [("features", (batch, channels * (1 + 2 * len(given["frequencies"])), *image))]


def _probes(given: dict[str, Any]) -> int:
    return 1 if given["probes"] is None else len(given["probes"])


def _batch_of(t: Any) -> tuple[int, ...]:
    return () if isinstance(t, int) else (len(t),)


def _coefficient(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    coef, x = given["coef"], given["x"]
    return [("coefficient", () if coef.ndim == 0 else (len(coef), *[1] * (x.ndim - 1)))]


def _prediction(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    shape = given["x_t"].shape
    return [("x0_hat", shape), ("interpolation", shape if given["learns_variance"] else (0,))]


def _strata(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [("rows", (given["strata"] + 1, len(given["x_0"])))]


def _trajectory(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    n = len(given["spec"].times)
    return [("times", (n,)), *((name, (n, *given["x_T"].shape)) for name in Trajectory._fields[1:])]


SHAPES: dict[str, Shapes] = {
    "alpha_bar": _alpha_bar_table,
    "schedule": _alpha_bar_table,
    "zero_terminal_snr": _alpha_bar_table,
    "rescaled": _both_tables,
    "shaped_schedule": _both_tables,
    "betas": _event("betas", like="alpha_bar"),
    "log_snr": lambda given: [("log_snr", _batch_of(given["t"]))],
    "q_marginal": _event("mean", "var", like="x_0"),
    "q_step": _event("mean", "var", like="x_s"),
    "q_posterior": _event("mean", "var", like="x_t"),
    "q_sample": _event("x_t", like="x_0"),
    "convert": _event("value", like="value"),
    "convert_data": _event("value", like="value"),
    "target": _event("target", like="x_0"),
    "loss": lambda given: [("loss", given["target"].shape[:1])],
    "weighted_loss": lambda given: [("loss", given["target"].shape[:1])],
    "mean_loss": lambda given: [("loss", ())],
    "guided": _event("x0_hat", like="x_t"),
    "guided_interpolation": _event("interpolation", like="x_t"),
    "constant_weight": lambda given: [("weight", _batch_of(given["t"]))],
    "loss_weight": lambda given: [("weight", _batch_of(given["t"]))],
    "reverse_step": _event("x_s", like="x_t"),
    "ddim_step": _event("x_s", like="x_t"),
    "solver_steps": _event("x_s", like="x_t"),
    "first_step": _event(*Step._fields, like="x_t"),
    "encode": _event("x_T", like="x"),
    "sample": _event("x_0", like="x_T"),
    "predictions": lambda given: [("x0_hat", (len(given["spec"].times) - 1, *given["x_T"].shape))],
    "trajectory": _trajectory,
    "importance": lambda given: [("probabilities", (given["T"],))],
    "embedding_of_period": lambda given: [("embedding", (len(given["t"]), given["width"]))],
    "objective": lambda given: [(name, given["t"].shape) for name in Objective._fields],
    "look_up": lambda given: [("entry", _batch_of(given["t"]))],
    "coefficient": _coefficient,
    "denoised": _prediction,
    "denoised_in": _event("x0_hat", like="x_t"),
    "clipped": _event("x0_hat", "interpolation", like="x0_hat"),
    "draw_samples": lambda given: [("x_0", tuple(given["shape"]))],
    "draw_samples_at": lambda given: [("x_0", (len(given["indices"]), *given["event"]))],
    "ema_of": lambda given: [("average", given["values"].shape[1:])],
    "continuous_images": lambda given: [("image", given["images"][given["indices"]].shape)],
    "embedding": lambda given: [("embedding", (len(given["t"]), given["width"]))],
    "fourier_features": _fourier,
    "network": _event("eps", like="x_t"),
    "to_unit_range": _event("image", like="images"),
    "gaussian_kl": lambda given: [("kl", given["left"].mean.shape)],
    "log_grey_level": _event("log", like="x_0"),
    "reverse_kernel": _event("mean", "var", like="x_t"),
    "learned_kernel": _event("mean", "var", like="x_t"),
    "learned_step": _event("x_s", like="x_t"),
    "hybrid": lambda given: [
        ("loss", given["x_0"].shape[:1]),
        *((name, given["x_0"].shape) for name in Hybrid._fields[1:]),
    ],
    "hybrid_of_weight": lambda given: [("loss", given["losses"].shape)],
    "timestep_probabilities": _event("probability", like="mean_squares"),
    "vlb_terms": lambda given: [("terms", (len(given["times"]), len(given["x_0"])))],
    "vlb_of_denoiser": lambda given: [("terms", (len(given["times"]), len(given["x_0"])))],
    "stratified_vlb": _strata,
    "stratified_vlb_of_denoiser": _strata,
    "probability_flow": lambda given: [
        ("x_T", given["x_1"].shape),
        ("log_volume", (_probes(given), len(given["x_1"]))),
    ],
    "flow_log_density": lambda given: [
        (name, given["x_1"].shape[:1]) for name in FlowDensity._fields
    ],
    "flow_bound": lambda given: [("nats", given["x_0"].shape[:1])],
    "latent_draw": _event("z", like="noise"),
    "latent_kl": lambda given: [("kl", given["moments"].shape[:1])],
    "autoencoder_loss": lambda given: [("loss", given["x"].shape[:1])],
    "autoencoder_terms": lambda given: [
        (name, given["x"].shape[:1]) for name in AutoencoderTerms._fields
    ],
    "latent_scale": lambda given: [(name, given["latents"].shape[1:2]) for name in Scale._fields],
    "latent_bound": lambda given: [("nats", given["x_0"].shape[:1])],
    "bits_per_dim": _event("bits", like="nats"),
    "dequantised_bits_per_dim": _event("bits", like="nats"),
}


NAMES = {*dir(Implementation), *Implementation.__annotations__}


@functools.cache
def _signature(name: str) -> inspect.Signature:
    return inspect.signature(getattr(Implementation, name))


class ProtocolError(AssertionError):
    """An invalid output: wrong type or shape, not a number, or not in time."""


class TimeLimitError(ProtocolError):
    """A call that exceeded the time limit."""


def exceed_time_limit(message: str) -> NoReturn:
    """Raise from one place, so that Hypothesis recognizes a repeated failure as the same."""
    raise TimeLimitError(message)


class Checked:
    """`inner` with checked outputs: float64 arrays of the right shape without NaN.

    A method that is missing, or raises NotImplementedError, is reported as not offered.
    """

    def __init__(self, inner: Implementation, precision: Precision | None = None) -> None:
        self._inner = inner
        self._precision = precision  # of the samples, None for the implementation's own
        self._timed_out: dict[str, str] = {}  # method: message

    def in_precision(self, *names: str) -> "Checked":
        """Return the same for samples of other dtypes, with checked outputs, too."""
        *_, coarsest = [each for each in PRECISIONS if each.name in names]
        inner = self.__getattr__("in_precision")(*names)  # skips if not offered
        return Checked(inner, coarsest)

    def __getattr__(self, name: str) -> Any:
        if name not in NAMES:
            raise AttributeError(name)  # Hypothesis and pytest look up names of their own
        method = getattr(self._inner, name, None)
        if method is None and name in Implementation.__annotations__:
            raise ProtocolError(f"{self._inner!r} has no attribute {name!r}, which is required")
        if method is None:
            pytest.skip(f"{NOT_OFFERED}{name}")
        if not callable(method):
            return method

        @functools.wraps(method)
        def checked(*arguments: Any, **named: Any) -> Any:
            what = f"{getattr(self._inner, 'name', self._inner)}.{name}"
            if name in self._timed_out:  # one method must not cost an hour
                exceed_time_limit(f"{self._timed_out[name]} and is not called again")
            try:
                with time_limit(what):
                    output = method(*arguments, **named)
            except TimeLimitError as error:
                self._timed_out[name] = str(error)
                raise
            except NotImplementedError:
                pytest.skip(f"{NOT_OFFERED}{name}")
            except Exception as error:  # re-raised with a note
                if not isinstance(error, AssertionError):
                    error.add_note(f"raised by {what}; see protocol.Implementation.{name}")
                raise
            if name in SHAPES:
                given = _signature(name).bind(self, *arguments, **named).arguments
                largest = self._precision.largest if self._precision else math.inf
                check_output(what, output, fields := SHAPES[name](given), largest)
                if [each for each, _ in fields] == ["mean", "var"]:
                    output = Gaussian(*output)
                if self._precision is None:  # the diagnosis repeats the call in float64
                    evidence.record_call(name, arguments, named, output)
            return output

        return checked


def check_output(
    what: str, output: Any, fields: list[tuple[str, tuple[int, ...]]], largest: float = math.inf
) -> None:
    """Raise ProtocolError unless the output consists of finite float64 arrays of these shapes.

    Where samples have a small `largest` number, as in float16, infinities are compared with the
    exact numbers instead.
    """
    parts = output if len(fields) > 1 else (output,)
    if not isinstance(parts, tuple) or len(parts) != len(fields):
        names = ", ".join(name for name, _ in fields)
        raise ProtocolError(f"{what} returned a {type(output).__name__}; it must be ({names})")
    for value, (field, shape) in zip(parts, fields, strict=True):
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            kind = getattr(value, "dtype", type(value).__name__)
            raise ProtocolError(f"{what}: {field} is {kind}; it must be a NumPy float64 array")
        if value.shape != shape:
            raise ProtocolError(f"{what}: {field} has shape {value.shape}; it must be {shape}")
        wrong = ~np.isfinite(value) if largest > COARSE_RANGE else np.isnan(value)
        if wrong.any():
            first = tuple(map(int, np.argwhere(wrong)[0]))
            raise ProtocolError(f"{what}: {field} is {value[first]} at {first}")


@contextmanager
def time_limit(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Raise ProtocolError inside a call that takes too long (on systems with alarm signals).

    An alarm that is set already, such as that of pytest-timeout, rings at its own time: before the
    limit, or with what is left of it after the call.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    if 0 < left <= seconds:
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        exceed_time_limit(f"{what} did not return within {seconds:g} s")

    start = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if left:
            left -= time.monotonic() - start
            signal.setitimer(signal.ITIMER_REAL, max(left, SOON), interval)
