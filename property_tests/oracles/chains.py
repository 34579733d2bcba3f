"""The law of a whole chain of any sampler on Gaussian data, followed step by step.

A step is what its definition demands of it, solved in 60 digits: that of an ancestral chain is
Bayes' rule; that of DDIM has a given variance and leads, told x_0, from one marginal to the other;
the solvers are their methods applied to d lambda and d sigma.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..protocol import ANCESTRAL, Array, Betas
from . import exact
from .exact import mp, mpf
from .gaussian import Affine, Law, denoiser


class Step(NamedTuple):
    """x_s = coef_x0 x0_hat + coef_xt x_t + sqrt(var) z."""

    coef_x0: mpf
    coef_xt: mpf
    var: mpf


class Path(NamedTuple):
    """What is known of the path of a sampler."""

    betas: Betas
    sampler: str
    times: tuple[int, ...]
    eta: float = 0.0


class Map(NamedTuple):
    """x_T -> matrix x_T + offset; `size` bounds what its sums are made of, term by term."""

    matrix: Array
    offset: Array
    size: float


class Output(NamedTuple):
    """The law of x_0, and how large the terms of the sums were that led to it."""

    mean: Array
    covariance: Array
    size: float


def law(path: Path, data: Law) -> Output:
    """The law at times[-1] = 0 of the chain from N(0, I) at times[0], all noise independent."""
    size = len(data.mean)
    state, before, h_before = Map(np.eye(size), np.zeros(size), 1.0), None, mp.inf
    added = np.zeros((size, size))  # the covariance of the noise so far
    for t, s in pairwise(path.times):
        guess_at = denoiser(path.betas, data, t)
        guess, h, step = _after(guess_at, state), gain(path.betas, s, t), a_step(path, s, t)
        extrapolated = guess
        if path.sampler == "dpm++2m" and before is not None and max(h, h_before) < mp.inf:
            slope = h / h_before / 2
            extrapolated = _sum((1 + slope, guess), (-slope, before))
        # What is linear in the state alone leads the noise so far on; those with more have none.
        through = float(step.coef_x0) * guess_at.matrix + float(step.coef_xt) * np.eye(size)
        added = through @ added @ through.T + float(step.var) * np.eye(size)
        moved = _sum((step.coef_x0, extrapolated), (step.coef_xt, state))
        if path.sampler == "heun" and s > 0:
            first = _slope(path.betas, t, guess, state)
            last = _slope(path.betas, s, _after(denoiser(path.betas, data, s), moved), moved)
            half = (_ratio(path.betas, s) - _ratio(path.betas, t)) / 2
            half = half * exact.kernel(path.betas, 0, s).scale
            moved = _sum((mpf(1), moved), (half, last), (-half, first))
        state, before, h_before = moved, guess, h
    spread = float(np.sqrt(added.diagonal().max()))
    covariance = state.matrix @ state.matrix.T + added
    return Output(state.offset, covariance, state.size + spread)


def climb(betas: Betas, rising: list[int], data: Law) -> Map:
    """DDIM's way up from rising[0] to rising[-1], the noise being guessed at the lower level.

    Data have no noise to guess: from level 0 the guess is that of rising[1], and x is kept.
    """
    size = len(data.mean)
    state = Map(np.eye(size), np.zeros(size), 1.0)
    for s, t in pairwise(rising):
        asked = exact.kernel(betas, 0, s or t)
        guess = _after(denoiser(betas, data, s or t), state)
        sigma = mp.sqrt(asked.var)
        noise = _sum((1 / sigma, state), (-asked.scale / sigma, guess))
        to = exact.kernel(betas, 0, t)
        state = _sum((to.scale, guess if s else state), (mp.sqrt(to.var), noise))
    return state


def a_step(path: Path, s: int, t: int) -> Step:
    """The coefficients of one step; those of order 1 where the sampler has a higher one."""
    back = exact.posterior(path.betas, 0.0, 1.0, s, t)
    if path.sampler in ANCESTRAL:
        coef_x0 = exact.posterior(path.betas, 1.0, 0.0, s, t).mean.exact
        wide = exact.kernel(path.betas, s, t).var if s else mpf(0)
        return Step(coef_x0, back.mean.exact, back.var if path.sampler == "fixed_small" else wide)
    at_t, at_s = exact.kernel(path.betas, 0, t), exact.kernel(path.betas, 0, s)
    var = mpf(path.eta) ** 2 * back.var
    coef_xt = mp.sqrt((at_s.var - var) / at_t.var)  # coef_xt^2 var_t + var = var_s
    return Step(at_s.scale - coef_xt * at_t.scale, coef_xt, var)


def gain(betas: Betas, s: int, t: int) -> mpf:
    """h, half of the log-SNR that the step gains."""
    if s == 0 or exact.kernel(betas, 0, t).scale == 0:
        return mp.inf
    return mp.log(_ratio(betas, t) / _ratio(betas, s))


def _ratio(betas: Betas, t: int) -> mpf:
    """sigma, the standard deviation of the noise over the scale of the data."""
    scale, var = exact.kernel(betas, 0, t)
    return mp.sqrt(var) / scale


def _slope(betas: Betas, t: int, guess: Map, state: Map) -> Map:
    """d (x / scale) / d sigma = (x / scale - x0_hat) / sigma."""
    scale, sigma = exact.kernel(betas, 0, t).scale, _ratio(betas, t)
    return _sum((1 / (scale * sigma), state), (-1 / sigma, guess))


def _after(second: Affine, first: Map) -> Map:
    norm = float(np.abs(second.matrix).sum(axis=1).max())
    return Map(
        second.matrix @ first.matrix,
        second.matrix @ first.offset + second.offset,
        norm * first.size + float(np.abs(second.offset).max()),
    )


def _sum(*parts: tuple[mpf, Map]) -> Map:
    factors = [(float(factor), each) for factor, each in parts]
    return Map(
        sum(factor * each.matrix for factor, each in factors),
        sum(factor * each.offset for factor, each in factors),
        sum(abs(factor) * each.size for factor, each in factors),
    )
