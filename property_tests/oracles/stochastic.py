"""The steps of stochastic solvers that ddpm_core does not have, in 60 digits, for given noise.

A state is a sum of coefficients times x_T, predictions and noises. sigma is the standard deviation
of the noise divided by the scale of the data, y = x / scale the state in its units.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from ..protocol import CHURN, Betas
from . import chains, exact
from .exact import Value, mp, mpf

MOST = mp.sqrt(2) - 1  # fraction by which churn raises sigma in a step, at most


class Run(NamedTuple):
    """A run of one of STOCHASTIC; see `protocol.SamplingSpec`."""

    betas: Betas
    sampler: str
    times: tuple[int, ...]
    churn: float = 0.0
    noise_scale: float = 1.0


class State(NamedTuple):
    """The state x at which a run evaluates the denoiser, or x_0 at its end."""

    sigma: mpf
    x: Value


def gamma(run: Run) -> mpf:
    """Return the fraction by which each step raises sigma first."""
    return min(mpf(run.churn) / (len(run.times) - 1), MOST)


def states(
    run: Run, x_T: float, predictions: Sequence[float], noises: Sequence[float]
) -> Iterator[State]:
    """Yield the state at each evaluation, whose results are the predictions in order, and x_0."""
    remaining = iter(predictions)
    before, h_before, x = _number(0.0), mp.inf, _number(x_T)
    for i, (t, s) in enumerate(pairwise(run.times)):
        noise = _number(noises[i] if i < len(noises) else 0.0)
        if run.sampler in CHURN:
            x = yield from _churned(run, s, t, x, noise, remaining)
            continue
        yield State(_sigma(run, t), x)
        x0_hat, h = _number(next(remaining)), chains.gain(run.betas, s, t)
        extrapolated = x0_hat
        if run.sampler == "sde-dpm++2m" and i > 0 and max(h, h_before) < mp.inf:
            slope = h / h_before / 2
            extrapolated = _sum((1 + slope, x0_hat), (-slope, before))
        step = _step(run, s, t)
        x = _sum((step.coef_xt, x), (step.coef_x0, extrapolated), (mp.sqrt(step.var), noise))
        before, h_before = x0_hat, h
    yield State(mpf(0), x)


def _step(run: Run, s: int, t: int) -> chains.Step:
    """Return the coefficients of a step from t to s; the last one adds no noise.

    sde-dpm++2m: the posterior of an extrapolated prediction, which solves the SDE exactly if that
    is constant (Lu et al. 2022, Appendix). euler-maruyama: dx = -(x / 2 + score) db + sqrt(db) z
    backwards in b = -log(alpha_bar). euler-maruyama-ve: dy = -score d(sigma^2) + sqrt(d(sigma^2)) z
    backwards, where score = (x0_hat - y) / sigma^2.
    """
    if run.sampler == "sde-dpm++2m":
        return chains.step_coefficients(chains.Path(run.betas, "fixed_small", run.times), s, t)
    if run.sampler == "euler-maruyama":
        at, b = exact.kernel(run.betas, 0, t), -2 * mp.log(exact.kernel(run.betas, s, t).scale)
        coef_xt = 1 + b / 2 - b / at.var
        return chains.Step(b * at.scale / at.var, coef_xt, b if s else mpf(0))
    before, after = _sigma(run, t), _sigma(run, s)
    ratio, scale = (after / before) ** 2, exact.kernel(run.betas, 0, s).scale
    var = (before**2 - after**2) * scale**2 if s else mpf(0)
    return chains.Step(
        scale * (1 - ratio), ratio * scale / exact.kernel(run.betas, 0, t).scale, var
    )


def _churned(
    run: Run, s: int, t: int, x: Value, noise: Value, remaining: Iterator[float]
) -> Iterator[State]:
    """Raise sigma to hat by noise, then follow the slope (y - x0_hat) / sigma to s."""
    sigma, to = _sigma(run, t), _sigma(run, s)
    hat = sigma * (1 + gamma(run))
    added = mp.sqrt(hat**2 - sigma**2) * mpf(run.noise_scale)
    y = _sum((1 / exact.kernel(run.betas, 0, t).scale, x), (added, noise))
    yield State(hat, _sum((1 / mp.sqrt(1 + hat**2), y)))
    x0_hat = _number(next(remaining))
    by, scale = (to - hat) / hat, exact.kernel(run.betas, 0, s).scale
    moved = _sum((mpf(1), y), (by, y), (-by, x0_hat))
    if run.sampler == "churn-heun" and s > 0:
        yield State(to, _sum((scale, moved)))
        last, at_end = (to - hat) / to / 2, _number(next(remaining))
        moved = _sum(
            *((mpf(1), y), (by / 2, y), (-by / 2, x0_hat), (last, moved), (-last, at_end)),
        )
    return _sum((scale, moved))


def _sigma(run: Run, t: int) -> mpf:
    scale, var = exact.kernel(run.betas, 0, t)
    return mp.sqrt(var) / scale


def _number(of: float) -> Value:
    return Value(mpf(of), abs(mpf(of)))


def _sum(*terms: tuple[mpf, Value]) -> Value:
    return Value(
        sum(factor * each.exact for factor, each in terms),
        sum(abs(factor) * each.size for factor, each in terms),
    )
