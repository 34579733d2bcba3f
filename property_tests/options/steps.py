"""The exact next state of every sampler, from the state and the predictions that it had."""

from functools import lru_cache
from itertools import pairwise

from ..oracles import chains, exact, schedules
from ..oracles.exact import mp, mpf
from ..oracles.table import of_a_table
from ..protocol import Betas
from .denoisers import Bounded


@lru_cache
def with_zero_terminal_snr(betas: Betas) -> Betas:
    """Return the betas of the rescaled schedule; the last one is 1."""
    after = schedules.with_zero_terminal_snr(schedules.from_betas(betas))
    return tuple(1 - here / above for above, here in pairwise(after))


def roundings(betas: Betas, zero_terminal: bool, s: int, t: int) -> mpf:
    """Return 8 kappa of the worst pair that a step uses: (s, t), (0, s) or (0, t)."""
    return _roundings(betas, zero_terminal, s, t, of_a_table())


@lru_cache
def _roundings(betas: Betas, zero_terminal: bool, s: int, t: int, table: bool) -> mpf:
    used = {(low, high) for low, high in ((s, t), (0, s), (0, t)) if low < high}
    if not zero_terminal:
        return 8 * max(exact.kappa(betas, *pair) for pair in used)
    before = schedules.from_betas(betas)
    after = schedules.with_zero_terminal_snr(before)
    return 8 * mpf(max(schedules.kappa_zero_terminal(before, after, *pair) for pair in used))


def one_step(
    path: chains.Path, s: int, t: int, x0_hat: mpf, x_t: mpf, noise: mpf, per: mpf
) -> Bounded:
    """Return the step of an order-1 sampler; `per`: the roundings of a coefficient.

    Two coefficients and the root of a variance are rounded.
    """
    coef_x0, coef_xt, var = chains.step_coefficients(path, s, t)
    added = mp.sqrt(var) * noise if s else mpf(0)
    at_t, at_s = (exact.kernel(path.betas, 0, each).scale for each in (t, s))
    size = (at_s + coef_xt * at_t) * abs(x0_hat) + coef_xt * abs(x_t) + abs(added)
    return Bounded(coef_x0 * x0_hat + coef_xt * x_t + added, 2 * per * size)


def extrapolated(
    path: chains.Path, s: int, t: int, before_t: int, x0_hat: mpf, before: mpf, per: mpf
) -> Bounded:
    """Return the prediction of order 2 in the step t -> s, after that from before_t to t."""
    h, h_before = chains.gain(path.betas, s, t), chains.gain(path.betas, t, before_t)
    if max(h, h_before) == mp.inf:
        return Bounded(x0_hat, mpf(0))
    slope = h / h_before / 2
    size = slope * (abs(x0_hat) + abs(before))
    return Bounded(x0_hat + slope * (x0_hat - before), 3 * per * size + 2 * (abs(x0_hat) + size))


def heun_correction(
    path: chains.Path, s: int, t: int, start: tuple[mpf, mpf], end: tuple[mpf, mpf], per: mpf
) -> Bounded:
    """Return what is added to Euler's step: half of it times the change of the slope.

    start and end: (state, prediction) at t and at s.
    """
    slopes, sizes = [], mpf(0)
    for at, (x, x0_hat) in ((t, start), (s, end)):
        scale, var = exact.kernel(path.betas, 0, at)
        sigma = mp.sqrt(var)
        slopes.append((x - scale * x0_hat) / sigma)
        sizes += (abs(x) + scale * abs(x0_hat)) / sigma
    to_s, to_t = (exact.kernel(path.betas, 0, each) for each in (s, t))
    half = (mp.sqrt(to_s.var) / to_s.scale - mp.sqrt(to_t.var) / to_t.scale) / 2 * to_s.scale
    return Bounded(half * (slopes[1] - slopes[0]), 4 * per * abs(half) * sizes)
