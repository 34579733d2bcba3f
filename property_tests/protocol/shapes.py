"""Shapes of the parts of every method's output, from the shapes of its arguments."""

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .nouns import (
    AutoencoderTerms,
    FlowDensity,
    Hybrid,
    Objective,
    Scale,
    ScheduleTables,
    Step,
    Trajectory,
)
from .protocol import Implementation

Shapes = Callable[[dict[str, Any]], list[tuple[str, tuple[int, ...]]]]


def _event(*names: str, like: str) -> Shapes:
    return lambda given: [(name, given[like].shape) for name in names]


def _alpha_bar_table(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    T = given["T"] if "T" in given else len(given["betas"])
    return [("alpha_bar", (T + 1,))]


def _both_tables(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    ((_, shape),) = _alpha_bar_table(given)
    return [(name, shape) for name in ScheduleTables._fields]


def _path_tables(given: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, (len(given["path"]) + 1,)) for name in ScheduleTables._fields]


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
    n = len(given["spec"].times if "spec" in given else given["times"])
    return [("times", (n,)), *((name, (n, *given["x_T"].shape)) for name in Trajectory._fields[1:])]


SHAPES: dict[str, Shapes] = {
    "alpha_bar": _alpha_bar_table,
    "alpha_bar_of_logs": lambda given: [("alpha_bar", given["log_alpha_bar"].shape)],
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
    "learned_trajectory": _trajectory,
    "own_trajectory": _trajectory,
    "importance": lambda given: [("probabilities", (given["T"],))],
    "embedding_of_period": lambda given: [("embedding", (len(given["t"]), given["width"]))],
    "objective": lambda given: [(name, given["t"].shape) for name in Objective._fields],
    "look_up": lambda given: [("entry", _batch_of(given["t"]))],
    "coefficient": _coefficient,
    "denoised": _prediction,
    "denoised_in": _event("x0_hat", like="x_t"),
    "path_schedule": _path_tables,
    "path_sample": _event("x", like="x_0"),
    "path_target": _event("target", like="x_0"),
    "path_convert": _event("value", like="value"),
    "path_posterior": _event("mean", "var", like="x"),
    "path_run": _event("x_0", like="x_T"),
    "path_denoised": _event("x0_hat", like="x_t"),
    "clipped": _event("x0_hat", "interpolation", like="x0_hat"),
    "draw_samples": lambda given: [("x_0", tuple(given["shape"]))],
    "draw_samples_at": lambda given: [("x_0", (len(given["indices"]), *given["event"]))],
    "clipped_step": _event("x_s", like="x_t"),
    "trained_weights": lambda given: [("weights", given["weights"][1:].shape)],
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


@functools.cache
def signature(name: str) -> inspect.Signature:
    return inspect.signature(getattr(Implementation, name))


def fields_of(
    name: str, arguments: tuple[Any, ...], named: dict[str, Any]
) -> list[tuple[str, tuple[int, ...]]]:
    """Return the names and shapes of the parts of a method's output for these arguments."""
    return SHAPES[name](signature(name).bind(None, *arguments, **named).arguments)
