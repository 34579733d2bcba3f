"""Schedules in 50 digits from their definitions: products and differences, no logarithms.

The code sums logarithms; the oracle does not, so they share no route. Lists run over t = 0..T. A
number typed by a caller means its decimal (0.1 is one tenth); betas or alpha_bar given as float64
mean their bits. The context is private, so the precision of `mpmath.mp` does not change.
"""

import math
from collections.abc import Iterable, Iterator
from itertools import accumulate, pairwise

from mpmath import MPContext

from .table import of_a_table

mp = MPContext()
mp.dps = 50
mpf = mp.mpf
Table = list[mpf]


def decimal(value: float) -> mpf:
    return mpf(repr(value))


def products(betas: Iterable[mpf]) -> Table:
    """Return alpha_bar_t = prod_{i <= t} (1 - beta_i)."""
    alpha_bar = [mpf(1)]
    for beta in betas:
        alpha_bar.append(alpha_bar[-1] * (1 - beta))
    return alpha_bar


def from_betas(betas: Iterable[float]) -> Table:
    return products(map(mpf, betas))


def from_alpha_bar(alpha_bar: Iterable[float]) -> Table:
    return [mpf(1), *map(mpf, alpha_bar)]


def linear(T: int, beta_1: float = 1e-4, beta_T: float = 0.02, rescale: bool = True) -> Table:
    """Return the schedule of Ho et al. (2020), section 4, with end points scaled by 1000 / T."""
    scale = mpf(1000) / T if rescale else mpf(1)
    first, last = decimal(beta_1) * scale, decimal(beta_T) * scale
    return products(first + (last - first) * i / (T - 1) for i in range(T))


def cosine(T: int, s: float = 0.008, max_beta: float = 0.999) -> Table:
    """Return the schedule of Nichol & Dhariwal (2021), Eq. 17."""
    offset = decimal(s)
    angles = [(mpf(t) / T + offset) / (1 + offset) * mp.pi / 2 for t in range(T + 1)]
    return capped([mp.cos(angle) ** 2 for angle in angles], max_beta)


def sigmoid(
    T: int, start: float = -3.0, end: float = 3.0, tau: float = 1.0, max_beta: float = 0.999
) -> Table:
    """Return the schedule of Jabri et al. (2023), Algorithm 4: g(end) - g(x_t), up to a factor."""
    low, high = decimal(start), decimal(end)
    x = [low + (high - low) * t / T for t in range(T + 1)]
    g = [1 / (1 + mp.exp(-each / decimal(tau))) for each in x]
    return capped([g[-1] - each for each in g], max_beta)


def capped(f: Table, max_beta: float) -> Table:
    """Return alpha_bar proportional to f, with betas capped at max_beta."""
    cap = decimal(max_beta)
    return products(min(1 - here / above, cap) for above, here in pairwise(f))


def with_zero_terminal_snr(alpha_bar: Table) -> Table:
    """Shift and scale sqrt(alpha_bar), as in Lin et al. (2024), Algorithm 1."""
    root = [mp.sqrt(each) for each in alpha_bar[1:]]
    scale = root[0] / (root[0] - root[-1])
    return [mpf(1), *(((each - root[-1]) * scale) ** 2 for each in root)]


def log_snr(alpha_bar: Table, t: int) -> mpf:
    return mp.log(alpha_bar[t] / (1 - alpha_bar[t]))


def posterior(alpha_bar: Table, s: int, t: int) -> tuple[mpf, mpf, mpf]:
    """Return the coefficients of x_0 and x_t and the variance of q(x_s | x_t, x_0).

    Completing the square in N(x_t; sqrt(alpha) x_s, beta) N(x_s; sqrt(alpha_bar_s) x_0,
    1 - alpha_bar_s) adds the precisions. At s = 0 the prior is a point.
    """
    if s == 0:
        return mpf(1), mpf(0), mpf(0)
    alpha = alpha_bar[t] / alpha_bar[s]
    prior, likelihood = 1 / (1 - alpha_bar[s]), 1 / (1 - alpha)
    var = 1 / (prior + alpha * likelihood)
    return var * prior * mp.sqrt(alpha_bar[s]), var * likelihood * mp.sqrt(alpha), var


def kappa(alpha_bar: Table, s: int, t: int) -> float:
    """Return 1 + |log alpha_bar_t| / beta_ts, the conditioning of a pair of timesteps.

    With the errors of a table of products: `exact.kappa`.
    """
    return 1 + max(_error(alpha_bar, n) / var for n, var in _differences(alpha_bar, s, t))


def _error(alpha_bar: Table, t: int) -> float:
    """Return the relative error of alpha_bar_t by which kappa grows: Eq. rounding.table-entry."""
    return _inverse_alphas(alpha_bar)[t] if of_a_table() else -math.log(alpha_bar[t])


def _differences(alpha_bar: Table, s: int, t: int) -> Iterator[tuple[int, float]]:
    """Yield the later timestep and the value of each difference that coefficients contain."""
    yield t, float(1 - alpha_bar[t] / alpha_bar[s])
    if s and of_a_table():
        yield s, float(1 - alpha_bar[s])


def _inverse_alphas(alpha_bar: Table) -> list[float]:
    """Return the sums of 1 / alpha_i over i = 1..t, for every t, computed once for a table."""
    if _last[0] is not alpha_bar:
        ratios = (float(before / here) for before, here in pairwise(alpha_bar) if here)
        _last[:] = [alpha_bar, [0.0, *accumulate(ratios)]]
    return _last[1]


_last: list[list] = [[], []]  # the last table of `_inverse_alphas`, and its sums


def kappa_zero_terminal(before: Table, after: Table, s: int, t: int) -> float:
    """Return kappa of a schedule rescaled from `before` to `after`, compared with exact `before`.

    Shifting by sqrt(alpha_bar_T) cancels as t approaches T: the error of the stored logarithm grows
    by 1 / (1 - sqrt(alpha_tT)), with alpha_tT before rescaling. At t = T this error vanishes,
    because alpha_sT = 0 and beta_sT = 1 are exact; only s counts, as the pair (0, s). A table is
    rounded once more as the betas of the rescaled schedule.
    """
    if t == len(after) - 1:
        s, t = 0, s
    if t == 0:
        return 1.0
    return 1 + max(
        _error(before, n) / (float(1 - mp.sqrt(before[-1] / before[n])) * var)
        + (_error(after, n) / var if of_a_table() else 0.0)
        for n, var in _differences(after, s, t)
    )
