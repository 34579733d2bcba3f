"""Every answer of an implementation, held against the protocol before a property looks at it."""

import functools
import inspect
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

import numpy as np
import pytest

from ..evidence import evidence
from .nouns import FlowDensity, Hybrid, Levels, Normal, Scale
from .protocol import Implementation

SECONDS = 60  # a call takes milliseconds; by then it hangs
COARSEST = 2.0**-8  # unit roundoff of bfloat16
NOT_OFFERED = "not offered: "  # a skip of this reason is reported in a column of its own

Shapes = Callable[[dict[str, Any]], list[tuple[str, tuple[int, ...]]]]


def _event(*names: str, like: str) -> Shapes:
    return lambda given: [(name, given[like].shape) for name in names]


def _levels(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    T = given["T"] if "T" in given else len(given["betas"])
    return [("alpha_bar", (T + 1,))]


def _both(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, shape) for _, shape in _levels(given) for name in Levels._fields]


def _fourier(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    batch, channels, *image = given["x"].shape
    return [("features", (batch, channels * (1 + 2 * len(given["frequencies"])), *image))]


def _probes(given: dict[str, Any]) -> int:
    return 1 if given["probes"] is None else len(given["probes"])


SHAPES: dict[str, Shapes] = {
    "alpha_bar": _levels,
    "schedule": _levels,
    "zero_terminal_snr": _levels,
    "rescaled": _both,
    "shaped_schedule": _both,
    "betas": _event("betas", like="alpha_bar"),
    "log_snr": _event("log_snr", like="t"),
    "q_marginal": _event("mean", "var", like="x_0"),
    "q_step": _event("mean", "var", like="x_s"),
    "q_posterior": _event("mean", "var", like="x_t"),
    "q_sample": _event("x_t", like="x_0"),
    "convert": _event("value", like="value"),
    "target": _event("target", like="x_0"),
    "loss": lambda given: [("loss", given["target"].shape[:1])],
    "weighted_loss": lambda given: [("loss", given["target"].shape[:1])],
    "guided": _event("x0_hat", like="x_t"),
    "guided_interpolation": _event("interpolation", like="x_t"),
    "constant_weight": _event("weight", like="t"),
    "loss_weight": _event("weight", like="t"),
    "reverse_step": _event("x_s", like="x_t"),
    "ddim_step": _event("x_s", like="x_t"),
    "encode": _event("x_T", like="x"),
    "sample": _event("x_0", like="x_T"),
    "predictions": lambda given: [("x0_hat", (len(given["chain"].times) - 1, *given["x_T"].shape))],
    "draw_samples": lambda given: [("x_0", tuple(given["shape"]))],
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
    "timestep_probabilities": _event("probability", like="mean_squares"),
    "vlb_terms": lambda given: [("terms", (len(given["times"]), len(given["x_0"])))],
    "vlb_of_denoiser": lambda given: [("terms", (len(given["times"]), len(given["x_0"])))],
    "stratified_vlb": lambda given: [("rows", (given["strata"] + 1, len(given["x_0"])))],
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
    "latent_scale": lambda given: [(name, given["latents"].shape[1:2]) for name in Scale._fields],
    "latent_bound": lambda given: [("nats", given["x_0"].shape[:1])],
    "bits_per_dim": _event("bits", like="nats"),
    "dequantised_bits_per_dim": _event("bits", like="nats"),
}


class ProtocolError(AssertionError):
    """An answer that is no answer: the wrong type or shape, not a number, or none in time."""


class HangError(ProtocolError):
    """No answer in time."""


def hang(sentence: str) -> NoReturn:
    """One place to fail from, so that Hypothesis takes the second time for the same failure."""
    raise HangError(sentence)


class Checked:
    """`inner`, of which every answer is a float64 array of the right shape without NaN.

    A method that is missing, or raises NotImplementedError, is reported as not offered.
    """

    def __init__(self, inner: Implementation) -> None:
        self._inner = inner
        self._hung: dict[str, str] = {}  # method: what was said of it

    def __getattr__(self, name: str) -> Any:
        if name not in {*dir(Implementation), *Implementation.__annotations__}:
            raise AttributeError(name)  # Hypothesis and pytest ask for names of their own
        method = getattr(self._inner, name, None)
        if method is None and name in Implementation.__annotations__:
            raise ProtocolError(f"{self._inner!r} has no attribute {name!r}; the protocol needs it")
        if method is None:
            pytest.skip(f"{NOT_OFFERED}{name}")
        if not callable(method):
            return method

        @functools.wraps(method)
        def checked(*arguments: Any, **named: Any) -> Any:
            what = f"{getattr(self._inner, 'name', self._inner)}.{name}"
            if name in self._hung:  # or a single method would cost an hour
                hang(f"{self._hung[name]} and is not asked again")
            try:
                with time_limit(what):
                    answer = method(*arguments, **named)
            except HangError as error:
                self._hung[name] = str(error)
                raise
            except NotImplementedError:
                pytest.skip(f"{NOT_OFFERED}{name}")
            except Exception as error:  # raised again, whatever it is: it only gets a note
                if not isinstance(error, AssertionError):
                    error.add_note(f"raised by {what}; see protocol.Implementation.{name}")
                raise
            if name in SHAPES:
                signature = inspect.signature(getattr(Implementation, name))
                given = signature.bind(self, *arguments, **named).arguments
                check_answer(what, answer, fields := SHAPES[name](given))
                answer = (
                    Normal(*answer) if [each for each, _ in fields] == ["mean", "var"] else answer
                )
            evidence.called(name, arguments, named, answer)
            return answer

        return checked


def check_answer(what: str, answer: Any, fields: list[tuple[str, tuple[int, ...]]]) -> None:
    """Raise ProtocolError unless the answer is made of finite float64 arrays of these shapes."""
    parts = answer if len(fields) > 1 else (answer,)
    if not isinstance(parts, tuple) or len(parts) != len(fields):
        names = ", ".join(name for name, _ in fields)
        raise ProtocolError(f"{what} answered a {type(answer).__name__}; it must be ({names})")
    for value, (field, shape) in zip(parts, fields, strict=True):
        if not isinstance(value, np.ndarray) or value.dtype != np.float64:
            kind = getattr(value, "dtype", type(value).__name__)
            raise ProtocolError(f"{what}: {field} is {kind}; it must be a NumPy float64 array")
        if value.shape != shape:
            raise ProtocolError(f"{what}: {field} has shape {value.shape}; it must be {shape}")
        if not np.isfinite(value).all():
            first = tuple(map(int, np.argwhere(~np.isfinite(value))[0]))
            raise ProtocolError(f"{what}: {field} is {value[first]} at {first}")


@contextmanager
def time_limit(what: str, seconds: float = SECONDS) -> Iterator[None]:
    """Raise ProtocolError inside a call that takes too long (where there are alarm signals)."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGALRM"):
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        hang(f"{what} did not answer within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def check_attributes(adapter: Any) -> None:
    """Refuse an adapter without a name, or with a precision under which any answer would do."""
    if not isinstance(getattr(adapter, "name", None), str):
        raise TypeError(f"name = {getattr(adapter, 'name', None)!r} must be a string")
    unit = getattr(adapter, "unit_roundoff", None)
    if not isinstance(unit, float) or not 2.0**-113 <= unit <= COARSEST:
        raise ValueError(
            f"unit_roundoff = {unit!r} must be that of the precision that it computes in, such as "
            f"2**-53 of float64 or 2**-24 of float32, and at most 2**-8, that of bfloat16"
        )
