"""The exact output distribution of every sampler on Gaussian data, computed step by step.

Each step is defined by its requirements, solved in 60 digits. An ancestral step follows Bayes'
rule. A DDIM step has a given variance and, conditioned on x_0, maps one marginal to the other. The
solvers are their methods applied to d lambda and d sigma.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from ..protocol import ANCESTRAL, Array, Betas, Process
from . import exact
from .exact import mp, mpf
from .gaussian import Affine, MultivariateGaussian, denoiser


class Step(NamedTuple):
    """x_s = coef_x0 x0_hat + coef_xt x_t + sqrt(var) z."""

    coef_x0: mpf
    coef_xt: mpf
    var: mpf


class Path(NamedTuple):
    """A sampler with its schedule and timesteps."""

    betas: Process
    sampler: str
    times: tuple[int, ...]
    eta: float = 0.0


class Map(NamedTuple):
    """x_T -> matrix x_T + offset; `size` bounds the sum of the absolute terms."""

    matrix: Array
    offset: Array
    size: float


class Output(NamedTuple):
    """The distribution of x_0; `size` bounds the sums that lead to it."""

    mean: Array
    covariance: Array
    size: float


def output_distribution(path: Path, data: MultivariateGaussian) -> Output:
    """Return the distribution of x_0 for x ~ N(0, I) at times[0] and independent noise."""
    size = len(data.mean)
    state, before, h_before = Map(np.eye(size), np.zeros(size), 1.0), None, mp.inf
    added = np.zeros((size, size))  # the covariance of the noise so far
    for t, s in pairwise(path.times):
        predict = denoiser(path.betas, data, t)
        prediction, h = _after(predict, state), gain(path.betas, s, t)
        step = step_coefficients(path, s, t)
        extrapolated = prediction
        if path.sampler == "dpm++2m" and before is not None and max(h, h_before) < mp.inf:
            slope = h / h_before / 2
            extrapolated = _sum((1 + slope, prediction), (-slope, before))
        # Only samplers that are linear in the current state add noise; the others have none.
        through = float(step.coef_x0) * predict.matrix + float(step.coef_xt) * np.eye(size)
        added = through @ added @ through.T + float(step.var) * np.eye(size)
        moved = _sum((step.coef_x0, extrapolated), (step.coef_xt, state))
        if path.sampler == "heun" and s > 0:
            first = _slope(path.betas, t, prediction, state)
            last = _slope(path.betas, s, _after(denoiser(path.betas, data, s), moved), moved)
            half = (_ratio(path.betas, s) - _ratio(path.betas, t)) / 2
            half = half * exact.kernel(path.betas, 0, s).scale
            moved = _sum((mpf(1), moved), (half, last), (-half, first))
        state, before, h_before = moved, prediction, h
    spread = float(np.sqrt(added.diagonal().max()))
    covariance = state.matrix @ state.matrix.T + added
    return Output(state.offset, covariance, state.size + spread)


def invert(betas: Betas, rising: list[int], data: MultivariateGaussian) -> Map:
    """Return the map of DDIM inversion from rising[0] to rising[-1].

    The noise is predicted at the earlier timestep. Data contain none: from t = 0 the prediction is
    that of rising[1], and x is not changed.
    """
    size = len(data.mean)
    state = Map(np.eye(size), np.zeros(size), 1.0)
    for s, t in pairwise(rising):
        at = exact.kernel(betas, 0, s or t)
        prediction = _after(denoiser(betas, data, s or t), state)
        sigma = mp.sqrt(at.var)
        noise = _sum((1 / sigma, state), (-at.scale / sigma, prediction))
        to = exact.kernel(betas, 0, t)
        state = _sum((to.scale, prediction if s else state), (mp.sqrt(to.var), noise))
    return state


def step_coefficients(path: Path, s: int, t: int) -> Step:
    """Return the coefficients of one step; for higher-order samplers those of order 1."""
    back = exact.posterior(path.betas, 0.0, 1.0, s, t)
    if path.sampler in ANCESTRAL:
        coef_x0 = exact.posterior(path.betas, 1.0, 0.0, s, t).mean.exact
        wide = exact.kernel(path.betas, s, t).var if s else mpf(0)
        return Step(coef_x0, back.mean.exact, back.var if path.sampler == "fixed_small" else wide)
    at_t, at_s = exact.kernel(path.betas, 0, t), exact.kernel(path.betas, 0, s)
    var = mpf(path.eta) ** 2 * back.var
    coef_xt = mp.sqrt((at_s.var - var) / at_t.var)  # coef_xt^2 var_t + var = var_s
    return Step(at_s.scale - coef_xt * at_t.scale, coef_xt, var)


def gain(betas: Process, s: int, t: int) -> mpf:
    """Return h, half the increase of the log-SNR over the step."""
    if s == 0 or exact.kernel(betas, 0, t).scale == 0:
        return mp.inf
    return mp.log(_ratio(betas, t) / _ratio(betas, s))


def _ratio(betas: Process, t: int) -> mpf:
    """Return sigma, the noise standard deviation divided by the scale of the data."""
    scale, var = exact.kernel(betas, 0, t)
    return mp.sqrt(var) / scale


def _slope(betas: Process, t: int, prediction: Map, state: Map) -> Map:
    """Return d (x / scale) / d sigma = (x / scale - x0_hat) / sigma."""
    scale, sigma = exact.kernel(betas, 0, t).scale, _ratio(betas, t)
    return _sum((1 / (scale * sigma), state), (-1 / sigma, prediction))


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
