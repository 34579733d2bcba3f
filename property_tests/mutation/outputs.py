"""Outputs for 1,000 random inputs, compared with and without a listed equivalent mutant."""

from collections.abc import Callable

import numpy as np

from ..protocol import (
    TIMESTEP_SPACINGS,
    Array,
    Gaussian,
    Guidance,
    Implementation,
    SamplingSpec,
    Times,
)
from ..statistics import statistics
from ..strategies import Case

CASES = 1000
ROUNDING = 16  # u: allowed difference of two outputs by rounding, 8 u kappa at kappa = 2
SHAPES = ((2,), (2, 2), (2, 1, 2))

Calls = Callable[[Implementation, Case, np.random.Generator], list[Array]]


def outputs(impl: Implementation, module: str) -> Array:
    """Return all outputs of the methods that reach the module, for inputs that never change."""
    rng = np.random.default_rng(CASES)
    parts = [part for _ in range(CASES) for part in CALLS[module](impl, random_case(rng), rng)]
    return np.concatenate([part.ravel() for part in parts])


def same_bits(a: Array, b: Array) -> bool:
    return a.tobytes() == b.tobytes()


def same_but_for_rounding(a: Array, b: Array, unit_roundoff: float) -> bool:
    """Return whether all entries agree within 16 u; NaN never does."""
    return a.shape == b.shape and bool((abs(a - b) <= ROUNDING * unit_roundoff * abs(a)).all())


def random_case(rng: np.random.Generator) -> Case:
    """Draw a schedule of 2..4 steps, a pair s < t for each of two samples, and two arrays."""
    T, shape = int(rng.integers(2, 5)), SHAPES[rng.integers(len(SHAPES))]
    betas = tuple((2.0 ** rng.uniform(-13, -0.2, T)).tolist())
    t = rng.integers(1, T + 1, shape[0])
    return Case(betas, rng.integers(0, t), t, rng.normal(size=shape), rng.normal(size=shape))


def _losses(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    betas, _, t, first, second = case
    targets = [impl.target(betas, name, first, second, t) for name in ("eps", "x0", "v", "score")]
    law, other = (Gaussian(x, np.exp(y)) for x, y in ((first, second), (second, first)))
    reverse = Gaussian(0.5 * first, np.exp(first))
    return [
        impl.loss(first, second),
        *targets,
        impl.gaussian_kl(law, other),
        impl.log_grey_level(law, second.round().clip(-1, 1), 3),
        impl.vlb_terms(betas, first, lambda *given: reverse, [second], None, (int(t[0]), 0)),
    ]


def _guidance(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    def predict(x_t: Array, t: int, labels: Times | None) -> Array:
        return np.tanh(x_t) if labels is None else 2 * x_t + t

    guidance = Guidance(predict, rng.uniform(1, 8), rng.uniform(0, 1), together=False)
    return [impl.guided(guidance, case.first, int(case.t[0]), case.s)]


def _ancestral(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    betas, s, t, first, second = case
    variance = ("fixed_small", "fixed_large")[rng.integers(2)]
    noise = rng.normal(size=first.shape)
    spec = SamplingSpec(betas, variance, (len(betas), 1, 0), lambda x, t: x / 2 + t)
    return [
        impl.reverse_step(betas, variance, first, second, int(s[0]), int(t[0]), noise),
        impl.predictions(spec, first, [noise]),
        impl.sample(spec, first, [noise]),
    ]


def _timestep_spacing(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    steps = int(rng.integers(1, len(case.betas) + 1))
    return [
        np.float64(impl.timestep_spacing(name, case.betas, steps, zero_terminal))
        for name in TIMESTEP_SPACINGS
        for zero_terminal in (False, True)
    ]


def _ddim(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    betas, s, t, first, second = case
    eta, noise = (0.0, 0.5, 1.0)[rng.integers(3)], rng.normal(size=first.shape)
    spec = SamplingSpec(betas, "ddim", (len(betas), 1, 0), lambda x, t: x / 2 + t)
    return [
        impl.ddim_step(betas, eta, first, second, int(s[0]), int(t[0]), noise),
        impl.encode(spec, first, 0),
        impl.sample(spec, first, [noise]),
    ]


def _dpm_solver(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    order, times = ("dpm++1", "dpm++2m")[rng.integers(2)], range(len(case.betas), -1, -1)
    spec = SamplingSpec(case.betas, order, tuple(times), lambda x, t: x / 2 + t)
    return [impl.sample(spec, case.first, [case.second] * (len(case.betas) - 1))]


def _schedules(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    betas, T = case.betas, len(case.betas)
    cap = 1 - 2.0 ** rng.uniform(-20, -1)
    start, width = rng.uniform(-9, 9), rng.uniform(0.5, 9)
    shapes = (
        ("linear", {"beta_1": betas[0], "beta_T": betas[-1], "rescale": False}),
        ("cosine", {"s": rng.uniform(0, 0.5), "max_beta": cap}),
        ("sigmoid", {"start": start, "end": start + width, "tau": 1.5, "max_beta": cap}),
    )
    name, shape = shapes[rng.integers(len(shapes))]
    derived = (
        lambda: impl.rescaled(betas, 2),
        lambda: (impl.betas(np.linspace(0.9, rng.uniform(0.1, 0.8), T)),),
        lambda: (impl.log_snr(betas, case.t),),
    )
    return [*impl.shaped_schedule(name, T, shape), *derived[rng.integers(len(derived))]()]


def _statistics(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    u = rng.normal(size=(4, 2, 3))
    findings = [*statistics.standard_normal(u), statistics.ties(u.round(1), 2.0**-8)]
    return [np.float64([each.p for each in findings])]


def _probability_flow(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    size = case.first[0].size
    jacobian = np.broadcast_to(rng.normal(size=(size, size)), (len(case.first), size, size))
    probes, times = rng.normal(size=(2, *case.first.shape)), range(3, -1, -1)
    flow = ((0.1, 0.5, 0.3), case.first, lambda x, t: (x / 2 + t, jacobian), probes, tuple(times))
    return [*impl.probability_flow(*flow), *impl.flow_log_density(*flow)]


def _learned_variance(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    betas, s, t, first, second = case
    interpolation, pair = rng.uniform(size=first.shape), (int(s[0]), int(t[0]))
    two = [
        each.reshape(len(t), -1) for each in (first, second, first * second, 2 * interpolation - 1)
    ]
    return [
        impl.learned_kernel(betas, first, second, interpolation, s, t).var,
        impl.learned_step(betas, first, second, interpolation, *pair, second),
        *impl.hybrid(betas, *two, t, None),
    ]


def _latent(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    x, x_hat = rng.normal(size=(2, 3, 2, 3, 4))
    return [impl.autoencoder_loss(x, x_hat, rng.normal(size=(3, 2, 2)), 0.5, 2.0)]


def _types(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    return [impl.loss(case.first, case.second), impl.coefficient(1.0 * case.t, case.first)]


def _clock(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    s, t = (int(each) for each in rng.integers(-1, 6, 2))
    said = (impl.pair_refusal(s, t, 4), impl.pair_refusal(case.s, case.t, len(case.betas)))
    return [np.float64([*each.encode()]) for each in said]


def _sampling_loop(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    sampler = ("fixed_small", "fixed_large", "ddim", "dpm++2m", "heun")[rng.integers(5)]
    times = tuple(range(len(case.betas), -1, -1))
    spec = SamplingSpec(case.betas, sampler, times, lambda x, t: x / 2 + t, rng.uniform())
    noises = [rng.normal(size=case.first.shape) for _ in times[2:]]
    return [*impl.trajectory(spec, case.first, noises)]


def _objective(impl: Implementation, case: Case, rng: np.random.Generator) -> list[Array]:
    betas, t = case.betas, case.t
    value, target, said, x_0, x_t = rng.normal(size=(5, len(t), 3))
    loss, name = ("vlb", "hybrid")[rng.integers(2)], ("eps", "v")[rng.integers(2)]
    output = np.concatenate([value, said], axis=1)
    return [*impl.objective(betas, loss, name, None, output, target, x_0, x_t, t, None)]


CALLS: dict[str, Calls] = {
    "training.step": _objective,
    "_types": _types,
    "clock": _clock,
    "samplers.base": _sampling_loop,
    "latent": _latent,
    "learned_variance": _learned_variance,
    "probability_flow": _probability_flow,
    "guidance": _guidance,
    "losses": _losses,
    "samplers.ancestral": _ancestral,
    "samplers.ddim": _ddim,
    "samplers.dpm_solver": _dpm_solver,
    "samplers.timestep_spacing": _timestep_spacing,
    "schedules": _schedules,
    "statistics.statistics": _statistics,
}
