"""Every method that is a smooth function of samples, at inputs that are exact in every dtype."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from .protocol import (
    PREDICTIONS,
    SAMPLERS,
    Array,
    Autoencoder,
    Betas,
    Gaussian,
    Guidance,
    Implementation,
    SamplingSpec,
    Scale,
)
from .strategies import STEEP

COTANGENTS = [1.0, -0.5, 2.0, 0.25, -1.5, 3.0, 0.75]  # exact in every dtype


def cotangents_like(*outputs: Array) -> list[Array]:
    return [np.resize(np.roll(COTANGENTS, k), each.shape) for k, each in enumerate(outputs)]


class Smooth(NamedTuple):
    """A differentiable method: samples of the arguments, then those that functions return."""

    samples: list[Array]
    arguments: Callable[..., tuple[Any, ...]]  # (*samples)


def waves(*shape: int, phase: float = 0.0) -> Array:
    """Return 32nds within -1..1 without a pattern."""
    return np.round(32 * np.sin(2.7 * np.arange(np.prod(shape)) + phase)).reshape(shape) / 32


X, Y, Z, W = (waves(2, 3, 2, 2, phase=each) for each in (0.0, 1.0, 2.0, 3.0))
VAR, WIDE = 1.25 + Z, 2 + W
GREY = np.round(8 * X) / 8  # of 17 grey levels
S, T = np.array([0, 2]), np.array([1, 3])
WEIGHTS, NATS = np.float64([0.5, 3.0]), np.float64([1.5, -2.0])
TWICE = waves(2, 6, 2, 2, phase=5.0)  # six channels, in two or in three parts
FRACTION = Z / np.exp2(np.arange(24) % 8).reshape(Z.shape)  # 1 - FRACTION is rounded
SCALE = Scale(np.float64([0.3, -1.1, 0.0]), np.float64([1.7, 0.3, 1.0]))
FEW = (3, 1, 0)  # timesteps of STEEP
HALVING: Betas = (0.75,) * 4  # the signal is halved by each step
THREE = np.array([1, 2, 0])  # labels


def denoised(name: str, learns_variance: bool) -> Smooth:
    output = TWICE if learns_variance else Y
    return Smooth(
        [X, output],
        lambda x_t, out: (STEEP, name, lambda *_: out, x_t, T, None, learns_variance),
    )


def bound_terms(x_0: Array, grey_levels: int | None) -> Smooth:
    """Return terms whose x_t are exact in every dtype: x_0 halved t times, without noise."""
    none = np.zeros(x_0.shape)
    return Smooth(
        [x_0, none, none, X, VAR, W, WIDE],
        lambda x, noise_3, noise_1, mean_1, var_1, mean_3, var_3: (
            HALVING,
            x,
            lambda x_t, s, t: Gaussian(mean_1, var_1) if t[0] == 1 else Gaussian(mean_3, var_3),
            [noise_3, noise_1],
            grey_levels,
            FEW,
        ),
    )


def bound_of_denoiser(variance: str) -> Smooth:
    return Smooth(
        [X, Y, Z, W, X + Y],
        lambda x, noise_3, noise_1, at_1, at_3: (
            STEEP,
            variance,
            x,
            lambda x_t, t: at_1 if t == 1 else at_3,
            [noise_3, noise_1],
            None,
            FEW,
        ),
    )


def solver(name: str, evaluations: int) -> Smooth:
    return Smooth(
        [X, Y, Z, W, X + Y][: 1 + evaluations],
        lambda x, *predictions: (STEEP, name, (4, 2, 1, 0), x, [*predictions]),
    )


def in_turn(*kernels: Gaussian) -> Callable[..., Gaussian]:
    """Return a function of anything that returns the kernels in turn."""
    left = iter(kernels)
    return lambda *_: next(left)


def objective(loss: str, name: str, gamma: float | None, grey_levels: int | None = None) -> Smooth:
    return Smooth(
        [W if loss == "simple" else TWICE, X, GREY if grey_levels else Y, Z],
        lambda *arrays: (STEEP, loss, name, gamma, *arrays, T, grey_levels),
    )


def flow_bound(x_0: Array, grey_levels: int | None) -> Smooth:
    return Smooth(
        [x_0, Y, Z, VAR],
        lambda x, y, m, v: (
            *(STEEP, x, y, NATS, lambda x_t, s, t: Gaussian(-m if s.any() else m, v)),
            *(grey_levels, 2),
        ),
    )


def ddim_step(eta: float) -> Smooth:
    return Smooth([X, Y, Z], lambda x, y, noise: (STEEP, eta, x, y, 1, 3, noise))


def first_steps() -> Iterator[tuple[str, Smooth]]:
    """Yield each sampler's step to a noisy timestep and to the data.

    Heun's method evaluates at both ends of a step to a noisy timestep, others at the upper end.
    """
    for sampler, eta in (*((each, 0.0) for each in SAMPLERS), ("ddim", 0.5)):
        name = f"first_step, {sampler}{' with noise' if eta else ''}"
        spec = SamplingSpec(STEEP, sampler, (3, 1, 0), lambda x_t, t: x_t, eta)
        for s in (0, 1):
            at_both = [Y, W] if sampler == "heun" and s else [Y]
            yield f"{name} to {s}", Smooth([X, Z, *at_both], partial(predicted_step, spec, s))


def predicted_step(
    spec: SamplingSpec, s: int, x: Array, noise: Array, upper: Array, *lower: Array
) -> tuple[Any, ...]:
    def denoiser(x_t: Array, t: int) -> Array:
        return upper if t == 3 else lower[0] if lower else -upper

    return spec._replace(denoiser=denoiser), x, s, 3, noise


def drawn_step(variance: str) -> Smooth:
    return Smooth([X, Y, Z], lambda x, y, noise: (STEEP, variance, x, y, 1, 3, noise))


SMOOTH = {
    "gaussian_kl": Smooth([X, VAR, Y, WIDE], lambda m, v, k, w: (Gaussian(m, v), Gaussian(k, w))),
    "log_grey_level": Smooth([Y, VAR, GREY], lambda m, v, x: (Gaussian(m, v), x, 17)),
    "log_grey_level, far above": Smooth(
        [np.round(4 * Y) / 4 - 9, VAR, GREY], lambda m, v, x: (Gaussian(m, v), x, 17)
    ),
    "loss": Smooth([X, Y], lambda x, y: (x, y)),
    "loss, of scalars": Smooth([WEIGHTS, NATS], lambda x, y: (x, y)),
    "weighted_loss": Smooth([X, Y], lambda x, y: (x, y, WEIGHTS)),
    "learned_kernel": Smooth([X, Y, FRACTION], lambda *arrays: (STEEP, *arrays, S, T)),
    "learned_step": Smooth(
        [X, Y, FRACTION, W], lambda x, y, v, noise: (STEEP, x, y, v, 1, 3, noise)
    ),
    "reverse_step, fixed_small": drawn_step("fixed_small"),
    "reverse_step, fixed_large": drawn_step("fixed_large"),
    "reverse_step, to data": Smooth(
        [X, Y, Z], lambda x, y, noise: (STEEP, "fixed_large", x, y, 0, 2, noise)
    ),
    **{f"ddim_step, eta = {eta}": ddim_step(eta) for eta in (0.0, 0.5, 1.0)},
    **{f"solver_steps, {name}": solver(name, 2) for name in ("ddim", "dpm++1", "dpm++2m")},
    "solver_steps, heun": solver("heun", 4),
    **dict(first_steps()),
    **{f"denoised, {name}": denoised(name, False) for name in PREDICTIONS},
    **{f"denoised, {name} with a variance": denoised(name, True) for name in PREDICTIONS},
    "denoised, at one timestep": Smooth(
        [X, Y], lambda x_t, out: (STEEP, "v", lambda *_: out, x_t, 3, None, False)
    ),
    "denoised, with labels": Smooth(
        [X, Y],
        lambda x_t, out: (
            STEEP,
            "v",
            lambda x, t, labels: -out if labels is None else out,
            x_t,
            T,
            np.array([1, 2]),
            False,
        ),
    ),
    "clipped": Smooth([2 * X], lambda x: (x, -1.0, 1.0)),
    "guided, together": Smooth(
        [waves(3, 2), waves(6, 2, phase=4.0)],
        lambda x, both: (Guidance(lambda *_: both, 2.7, rescale=0.5), x, 3, THREE),
    ),
    "guided_interpolation": Smooth(
        [waves(3, 2), waves(6, 2, phase=4.0)],
        lambda x, both: (Guidance(lambda *_: both, 3.0), x, 3, THREE),
    ),
    "guided, without labels": Smooth(
        [X, Y], lambda x, y: (Guidance(lambda *_: y, 2.7), x, 3, None)
    ),
    "guided, at scale 1": Smooth(
        [X, Y], lambda x, y: (Guidance(lambda *_: y, 1.0), x, 3, np.array([1, 2]))
    ),
    "guided, in two evaluations": Smooth(
        [X, Y, Z],
        lambda x, y, z: (
            Guidance(lambda _, t, labels: z if labels is None else y, 2.7, 1.0, (2, 3), False),
            x,
            3,
            np.array([1, 2]),
        ),
    ),
    "fourier_features": Smooth([X], lambda x: (x, (0, 1, 2))),
    "latent_draw": Smooth([TWICE, Y], lambda moments, noise: (moments, noise)),
    "latent_kl": Smooth([TWICE], lambda moments: (moments,)),
    "autoencoder_loss": Smooth([X, Y, TWICE], lambda *arrays: (*arrays, 0.5, 0.25)),
    "autoencoder_loss, without edges": Smooth([X, Y, TWICE], lambda *xs: (*xs, 0.5, 0.0)),
    "to_latents": Smooth(
        [X, Y, TWICE],
        lambda x, noise, moments: (Autoencoder(lambda _: moments, lambda z: z, SCALE), x, noise),
    ),
    "from_latents": Smooth(
        [X, Y], lambda y, out: (Autoencoder(lambda x: x, lambda z: out, SCALE), y)
    ),
    "latent_bound": Smooth(
        [X, Y, Z, VAR, W, WIDE, NATS],
        lambda x, y, m, v, k, w, nats: (x, y, Gaussian(m, v), Gaussian(k, w), nats, None),
    ),
    "latent_bound, of grey levels": Smooth(
        [GREY, Y, Z, VAR, W, WIDE, NATS],
        lambda x, y, m, v, k, w, nats: (x, y, Gaussian(m, v), Gaussian(k, w), nats, 17),
    ),
    "vlb_terms": bound_terms(X, None),
    "vlb_terms, of grey levels": bound_terms(GREY, 17),
    "vlb_of_denoiser": bound_of_denoiser("fixed_large"),
    "vlb_of_denoiser, of a learned variance": bound_of_denoiser("learned_range"),
    "stratified_vlb": Smooth(
        [X, Y, VAR, Z, WIDE],
        lambda x, m, v, k, w: (STEEP, x, in_turn(Gaussian(m, v), Gaussian(k, w)), 2, False, 3),
    ),
    "stratified_vlb, antithetic": Smooth(
        [X, Y, VAR, Z, WIDE],
        lambda x, m, v, k, w: (STEEP, x, in_turn(Gaussian(m, v), Gaussian(k, w)), 1, True, 3),
    ),
    "flow_bound": flow_bound(X, None),
    "flow_bound, of grey levels": flow_bound(GREY, 17),
    "objective, simple": objective("simple", "eps", None),
    "objective, weighted": objective("simple", "v", 5.0),
    **{f"objective, vlb of {name}": objective("vlb", name, None) for name in PREDICTIONS},
    "objective, vlb of grey levels": objective("vlb", "v", None, 17),
    "objective, hybrid": objective("hybrid", "v", 5.0),
    "bits_per_dim": Smooth([NATS], lambda nats: (nats, 12)),
    "dequantised_bits_per_dim": Smooth([NATS], lambda nats: (nats, 12, 17)),
    "training_draw": Smooth([X], lambda x: (STEEP, x, 3)),
}


def evaluate(impl: Implementation, method: str, samples: list[Array]) -> list[Array]:
    """Return the floating-point outputs of a method of SMOOTH, without empty ones."""
    return call(impl, method, SMOOTH[method].arguments(*samples))


def evaluate_all(impl: Implementation, method: str, samples: list[Array]) -> list[Array]:
    """Return these outputs, and then what functions among the arguments were given."""
    given: list[Array] = []
    outputs = call(impl, method, recorded(SMOOTH[method].arguments(*samples), given))
    return [*outputs, *given]


def call(impl: Implementation, method: str, arguments: tuple[Any, ...]) -> list[Array]:
    output = getattr(impl, name_of(method))(*arguments)
    parts = output if isinstance(output, tuple) else (output,)
    return [each for each in parts if each.dtype == np.float64 and each.size]


def recorded(argument: Any, given: list[Array]) -> Any:
    """Return the argument with functions that record the first array that they are given."""
    if isinstance(argument, tuple):
        parts = [recorded(each, given) for each in argument]
        return type(argument)(*parts) if hasattr(argument, "_fields") else tuple(parts)
    if not callable(argument):
        return argument

    def function(x: Array, *others: Any) -> Any:
        given.append(x.copy())
        return argument(x, *others)

    return function


def name_of(method: str) -> str:
    """Return the protocol's name of "method" or "method, with what"."""
    return method.partition(",")[0]
