"""Evaluators of the equations of the bound and of the probability flow."""

import math

import numpy as np

from ..oracles import bound
from ..oracles.exact import kappa, kernel, mp, mpf, posterior
from ..protocol import Array, DenoiserWithJacobian, Gaussian, Implementation, Times
from ..statistics.tolerances import roundings_of_divergence
from .evaluation import Evaluation, Evaluator, Point, at, name, one, x


def divergence(impl: Implementation, p: Point) -> Evaluation:
    sigma, eta = 0.25 * p.n, 0.5 + 0.25 * p.i
    left, right = (Gaussian(one(mean), one(std**2)) for mean, std in ((p.x_0, sigma), (p.x_t, eta)))
    values = {name("h"): p.x_0, name("a"): p.x_t, name(r"\sigma"): sigma, name(r"\eta"): eta}
    parameters = map(mpf, (p.x_0, sigma**2, p.x_t, eta**2))
    near = float(impl.unit_roundoff * roundings_of_divergence(*parameters))
    return Evaluation((impl.gaussian_kl(left, right)[0],), values, times=0, absolute=near)


def prior(impl: Implementation, p: Point) -> Evaluation:
    """The remaining variance is right to 8 u kappa, and the divergence has slope below 1 in it."""
    T = len(p.betas)

    def reverse(x_t: Array, s: Times, t: Times) -> Gaussian:
        return Gaussian(x_t, np.ones_like(x_t))

    got = impl.vlb_terms(p.betas, one(p.x_0), reverse, [one(p.other)], None, (T, 0))[-1, 0]
    near = impl.unit_roundoff * (8 * float(kappa(p.betas, 0, T)) + 16) * (2 + p.x_0**2)
    return Evaluation((got,), {x(0): p.x_0}, {"T": T}, times=0, absolute=near)


def grey_level(place: str) -> Evaluator:
    """For standard deviation 1 and edges at most 2.5 from the mean: the edges are off by 18 u,
    where the density is at most 0.4; the log of a probability is off by 4 u (1 + its size), the
    probability by that times itself: 24 u in all."""

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        grey_levels, h = p.n + 1, p.other / 8
        inner = 1 + p.i % (grey_levels - 2)
        g = {"lowest": -1.0, "highest": 1.0}.get(place, 2 * inner / (grey_levels - 1) - 1)
        found = impl.log_grey_level(Gaussian(one(h), one(1.0)), one(g), grey_levels)[0]
        values = {name("h"): h, name(r"\sigma"): 1.0, name("g"): g}
        near = 24 * impl.unit_roundoff
        return Evaluation((math.exp(found),), values, {"n": grey_levels}, times=0, absolute=near)

    return evaluate


def decoder_variance(impl: Implementation, p: Point) -> Evaluation:
    found = impl.reverse_kernel(p.betas, "fixed_small", one(p.x_0), one(p.x_t), at(0), at(p.t))
    return Evaluation((found.var[0],), {}, s=0)


def bits(dequantised: bool) -> Evaluator:
    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        nats, k = one(p.other), p.i + 2
        got = (
            impl.dequantised_bits_per_dim(nats, p.n, k)
            if dequantised
            else impl.bits_per_dim(nats, p.n)
        )
        near = 8 * impl.unit_roundoff * (abs(p.other) + k)
        return Evaluation(
            (got[0],), {name("L"): p.other}, {"n": p.n, "k": k}, times=0, absolute=near
        )

    return evaluate


def known_jacobians(p: Point) -> DenoiserWithJacobian:
    """x0_hat = x_0 with slope 1/4 at s, and `other` with slope -1/2 at t."""

    def slopes(x_t: Array, t: int) -> tuple[Array, Array]:
        prediction = np.full_like(x_t, p.x_0 if t == p.s else p.other)
        return prediction, np.full((len(x_t), 1, 1), 0.25 if t == p.s else -0.5)

    return slopes


def flow_step(impl: Implementation, p: Point) -> Evaluation:
    """The two slopes of the step, recomputed in float64. They are quotients by r >= 1e-2 of
    numbers below 20, and multiplied by r_t - r_s."""
    if p.s == 0:
        return Evaluation((0.0,), {})
    got = impl.probability_flow(p.betas, one(p.x_t), known_jacobians(p), None, (p.t, p.s, 0))
    scale, noise = scales_of(p)
    start = (p.x_t - scale[0] * p.x_0) / noise[0]
    there = scale[1] * p.x_0 + noise[1] * start
    end = (there - scale[1] * p.other) / noise[1]
    values = {x(p.s): p.x_t, name(r"\hat{\epsilon}"): start, name(r"\hat{\epsilon}'"): end}
    size = abs(p.x_t) + abs(p.x_0) + abs(p.other) + noise[1] / noise[0] * (abs(p.x_t) + abs(p.x_0))
    return Evaluation(
        (got.x_T[0],), values, times=4, absolute=32 * impl.unit_roundoff * float(size)
    )


def scales_of(p: Point) -> tuple[Array, Array]:
    kernels = [kernel(p.betas, 0, t) for t in (p.s, p.t)]
    return np.float64([k.scale for k in kernels]), np.sqrt(np.float64([k.var for k in kernels]))


def flow_volume(impl: Implementation, p: Point) -> Evaluation:
    if p.s == 0:
        return Evaluation((0.0,), {})
    shape = (1, p.n)
    x_1, rows = np.full(shape, p.x_t), np.eye(p.n)[None]

    def slopes(x_t: Array, t: int) -> tuple[Array, Array]:
        return 0 * x_t, (0.25 if t == p.s else -0.5) * rows

    got = impl.probability_flow(p.betas, x_1, slopes, None, (p.t, p.s, 0))
    scale, noise = scales_of(p)
    start, end = p.n * (1 - scale[0] / 4) / noise[0], p.n * (1 + scale[1] / 2) / noise[1]
    values = {name("D"): start, name("D'"): end}
    near = 32 * p.n * impl.unit_roundoff * float(2 + noise[1] / scale[1] / noise[0])
    return Evaluation((got.log_volume[0, 0],), values, {"n": p.n}, times=4, absolute=near)


def flow_density(impl: Implementation, p: Point) -> Evaluation:
    """Use the end and the volume that the flow itself returns."""
    T = len(p.betas)
    if T < 3:
        return Evaluation((0.0,), {}, {"T": 0})
    times = tuple(range(T, -1, -1))
    flow = impl.probability_flow(p.betas, one(p.x_t), known_jacobians(p), None, times)
    got = impl.flow_log_density(p.betas, one(p.x_t), known_jacobians(p), None, times)
    values = {name("V"): flow.log_volume[0, 0], ("y", (T,), ()): flow.x_T[0]}
    near = 8 * impl.unit_roundoff * float(1 + abs(flow.log_volume[0, 0]) + flow.x_T[0] ** 2)
    return Evaluation((got.nats[0],), values, {"T": T}, times=0, absolute=near)


def flow_data(impl: Implementation, p: Point) -> Evaluation:
    """Use densities of the forward process and of a decoder N(x_1 / 2, 1/4)."""
    decoder = Gaussian(one(p.x_t / 2), one(0.25))
    scale, var = kernel(p.betas, 0, 1)
    drawn = bound.log_density(bound.Gaussian(scale * mpf(p.x_0), var), mpf(p.x_t))
    decodes = bound.log_density(bound.Gaussian(mpf(p.x_t) / 2, mpf(0.25)), mpf(p.x_0))
    arrays = one(p.x_0), one(p.x_t), one(p.other)
    got = impl.flow_bound(p.betas, *arrays, lambda *given: decoder, None, 1)
    values = {name("Q"): mp.exp(drawn), name("G"): mp.exp(mpf(p.other))}
    values |= {name("G'"): mp.exp(decodes)}
    away = 1 + abs(drawn) + abs(decodes) + abs(mpf(p.other))
    away += (abs(p.x_0) + abs(p.x_t)) ** 2 / var
    near = float(impl.unit_roundoff * 64 * kappa(p.betas, 0, 1) * away)
    return Evaluation((got[0],), values, times=0, absolute=near)


def learned_variance(s: int | None) -> Evaluator:
    """For an interpolation of i / 4: the errors of both ends and of an exponent of up to 20."""

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        if len(p.betas) < 2:
            return Evaluation((0.0,), {}, {"T": 1})
        interpolation, low = one(p.i / 4), p.s if s is None else s
        found = impl.learned_kernel(
            p.betas, one(p.x_0), one(p.x_t), interpolation, at(low), at(p.t)
        )
        worst = float(max(kappa(p.betas, low, p.t), kappa(p.betas, 1, 2)))
        near = 16 * impl.unit_roundoff * (2 + p.i) * (worst + 20) * float(found.var[0])
        return Evaluation((found.var[0],), {name("h"): p.i / 4}, times=0, absolute=near, s=low)

    return evaluate


def hybrid(impl: Implementation, p: Point) -> Evaluation:
    """For n equal numbers at t = 1, where the bound is the density of the decoder."""
    T = len(p.betas)
    if T < 2:
        return Evaluation((0.0,), {}, {"T": 0})
    row = np.ones((1, p.n))
    x_0, noise, eps_hat = p.x_0 * row, p.x_t * row, (p.x_t + 0.125) * row
    found = impl.hybrid(p.betas, x_0, noise, eps_hat, 0.0 * row, at(1), None)
    scale, var = kernel(p.betas, 0, 1)
    mean = mpf(p.x_0) - mp.sqrt(var) / scale / 8
    low = posterior(p.betas, 0.0, 0.0, 1, 2).var
    decoder = bound.Gaussian(mean, mp.sqrt(var * low))
    cost = -p.n * bound.log_density(decoder, mpf(p.x_0))
    values = {name("A"): 1 / 64, name("D"): cost, name(r"\kappa"): 1e-3}
    size = 1 + abs(cost) + p.n * (abs(p.x_0) + abs(p.x_t) / scale) / mp.sqrt(decoder.var)
    near = float(impl.unit_roundoff * 64 * kappa(p.betas, 1, 2) * size)
    return Evaluation((found.loss[0],), values, {"n": p.n, "T": T}, times=0, absolute=near)


def importance(impl: Implementation, p: Point) -> Evaluation:
    roots = 1.25 + np.cos(np.arange(p.n) + p.x_0)
    found = impl.timestep_probabilities(roots**2)
    values = {("M", (i + 1,), ()): root for i, root in enumerate(roots.tolist())}
    integers = {"T": len(roots), "t": p.i + 1}
    return Evaluation((found[p.i],), values, integers, times=0, absolute=16 * impl.unit_roundoff)


def mixture(impl: Implementation, p: Point) -> Evaluation:
    """For ten equal terms per timestep, whose root mean square is their value."""
    sizes = (1.25 + np.cos(np.arange(p.n) + p.x_0)).tolist()
    updates = [(np.array([i + 1] * 10), np.full(10, size)) for i, size in enumerate(sizes)]
    found = impl.importance(p.n, updates)
    values = {("M", (i + 1,), ()): size for i, size in enumerate(sizes)}
    values |= {name(r"\nu"): mpf("0.001")}
    integers = {"T": p.n, "t": p.i + 1}
    return Evaluation((found[p.i],), values, integers, times=0, absolute=32 * impl.unit_roundoff)


BOUND: dict[str, Evaluator] = {
    "learned-variance.range": learned_variance(None),
    "learned-variance.decoder": learned_variance(0),
    "learned-variance.hybrid": hybrid,
    "learned-variance.importance": importance,
    "learned-variance.mixture": mixture,
    "losses.kl": divergence,
    "losses.prior": prior,
    "losses.decoder": grey_level("inner"),
    "losses.decoder-lowest": grey_level("lowest"),
    "losses.decoder-highest": grey_level("highest"),
    "losses.decoder-variance": decoder_variance,
    "probability-flow.step": flow_step,
    "probability-flow.volume": flow_volume,
    "probability-flow.density": flow_density,
    "probability-flow.data": flow_data,
    "likelihood.bits": bits(dequantised=False),
    "likelihood.dequantised": bits(dequantised=True),
}
