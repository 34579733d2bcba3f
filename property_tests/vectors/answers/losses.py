"""Exact losses, densities and terms of the variational bound."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...options.denoisers import Bounded
from ...options.terms import fixed_kernel, given_kernel, grey_level, prior, term, total
from ...oracles import bound, exact
from ...oracles.exact import Value, kappa, mp, mpf, positive
from ...protocol import Array, Betas, Gaussian, Times
from ...statistics.tolerances import roundings_of_divergence
from .elements import Answers, At, at_pairs, each, within
from .trajectories import certain, line


def loss(prediction: Array, target: Array) -> Answers:
    return weighted_loss(prediction, target, np.ones(len(target)))


def weighted_loss(prediction: Array, target: Array, weight: Array) -> Answers:
    def answer(at: At) -> Bounded:
        pairs = zip(prediction[at].flat, target[at].flat, strict=True)
        terms = [(mpf(a) - mpf(b)) ** 2 for a, b in pairs]
        want = mpf(weight[at]) * sum(terms) / len(terms)
        return Bounded(want, (len(terms) + 5) * want)

    return each(weight, answer)


def loss_weight(betas: Betas, name: str, t: Times, gamma: float, zero_terminal: bool) -> Answers:
    if zero_terminal:  # a case is at t = T alone, where the limit has no rounding
        return each(t, lambda at: certain(float(name in ("eps", "score"))))

    def clipped(t: int) -> mpf:
        signal, var = exact.kernel(betas, 0, t)
        return min(signal**2 / var, mpf(gamma))

    return _of_x0_error(betas, name, t, clipped)


def constant_weight(betas: Betas, name: str, t: Times, zero_terminal: bool) -> Answers:
    return _of_x0_error(betas, name, t, lambda t: mpf(1))


def _of_x0_error(betas: Betas, name: str, t: Times, weight: Callable[[int], mpf]) -> Answers:
    """Return the weights of an error of `name` that give one of x_0 this weight."""

    def value(where: At, s: int, t: int) -> Value:
        derivative = exact.convert(betas, name, "x0", 1.0, 0.0, t).exact
        return positive(weight(t) * derivative**2)

    return at_pairs(betas, 0 * t, t, t, value)


def gaussian_kl(left: Gaussian, right: Gaussian) -> Answers:
    def answer(at: At) -> Bounded:
        numbers = [mpf(float(part[at])) for part in (*left, *right)]
        kl = bound.divergence(bound.Gaussian(*numbers[:2]), bound.Gaussian(*numbers[2:]))
        return Bounded(kl, roundings_of_divergence(*numbers))

    return each(left.mean, answer)


def log_grey_level(decoder: Gaussian, x_0: Array, grey_levels: int) -> Answers:
    def answer(at: At) -> Bounded:
        kernel = given_kernel(float(decoder.mean[at]), float(decoder.var[at]))
        minus_log = grey_level(float(x_0[at]), kernel, grey_levels)
        return Bounded(-minus_log.exact, minus_log.error)

    return each(x_0, answer)


def vlb_of_denoiser(
    betas: Betas,
    variance: str,
    x_0: Array,
    denoiser: Any,
    noises: list[Array],
    grey_levels: int | None,
    times: tuple[int, ...],
) -> Answers:
    predict = line(denoiser.slope, denoiser.offset)

    def answer(at: At) -> Bounded:
        k, row = at
        if k == len(times) - 1:
            return prior(betas, [*x_0[row].flat], times[0])
        t, s = times[-2 - k], times[-1 - k]
        terms = []
        for x, z in zip(x_0[row].flat, noises[times.index(t)][row].flat, strict=True):
            x_t = within(exact.diffuse(betas, t, x, z), kappa(betas, 0, t))
            kernel = fixed_kernel(betas, variance, "beta_1", predict(x_t, t), x_t.exact, s, t)
            terms.append(term(betas, x, x_t.exact, s, t, kernel, grey_levels))
        return total(terms)

    return each(np.zeros((len(times), len(x_0))), answer)


def bits_per_dim(nats: Array, dims: int) -> Answers:
    bits = [mpf(x) / mp.log(2) / dims for x in nats]
    return each(nats, lambda at: Bounded(bits[at[0]], 4 * abs(bits[at[0]])))


def dequantised_bits_per_dim(nats: Array, dims: int, grey_levels: int) -> Answers:
    width = mp.log(mpf(grey_levels - 1) / 2) / mp.log(2)

    def answer(at: At) -> Bounded:
        bits = mpf(nats[at]) / mp.log(2) / dims
        return Bounded(bits + width, 16 * (abs(bits) + abs(width)))

    return each(nats, answer)


def timestep_probabilities(mean_squares: Array) -> Answers:
    roots = [mp.sqrt(mpf(x)) for x in mean_squares]
    per = len(roots) + 4
    return each(
        roots, lambda at: Bounded(roots[at[0]] / sum(roots), per * roots[at[0]] / sum(roots))
    )
