"""Rounding allowances: float64 may differ from the exact number by 8 u kappa times the terms' size.

Let u be the unit roundoff, L_t = log alpha_bar_t, D = |L_t - L_s| and r = |L_t| / beta_ts, so that
kappa = 1 + r. Since |L_t| >= D >= beta_ts, r >= 1. Library functions are assumed accurate to 1.5 u,
other operations to u. To first order, with every error at its worst value and sign:

- L_t, a compensated sum of log1p of one sign: 1.5 u + u = 2.5 u, relative.
- D: 2.5 u (|L_t| + |L_s|) + u D = 5 u |L_t| - 1.5 u D, absolute.
- beta_ts = -expm1(-D), whose relative slope is alpha_ts / beta_ts: 5 r u alpha_ts - 1.5 u D
  alpha_ts / beta_ts + 1.5 u <= 5 r u, since D >= beta_ts and 1 - alpha_ts = beta_ts.
- 1 - alpha_bar, by the same rule with x / (e^x - 1) <= 1: 2.5 u + 1.5 u = 4 u.
- square roots, at half the absolute error of the logarithm, 0.75 u for exp and u for the root:
  alpha_ts to (2.5 |L_t| + 1.75) u, alpha_bar_s to (1.25 |L_s| + 1.75) u where |L_s| <= r - 1.

The posterior variance has an error of (5 r + 4 + 4 + 2) u. Its mean, with 2 u per term for product
and sum, has (1.25 (r - 1) + 1.75 + 5 r + 4 + 2 + 2) u for x_0's term and
(2.5 |L_t| + 1.75 + 4 + 4 + 2 + 2) u for x_t's, where |L_t| < 0.1 if r < 1.05. Marginals and
conversions have fewer factors (s = 0); the longest, the root of alpha_bar_t over 1 - alpha_bar_t,
has (1.25 |L_t| + 1.75 + 4 + 1 + 2) u. For r >= 1 all are below 8 (1 + r) u.
"""

import numpy as np

from ..evidence import evidence
from ..oracles import schedules
from ..oracles.exact import mp, mpf
from ..oracles.table import FLOAT32, of_a_table
from ..protocol import Array, Betas, Implementation


def allowance(unit_roundoff: float, kappa: mpf, times: int = 1) -> mpf:
    """Return 8 u kappa; `times` is the number of such errors that add up."""
    return times * 8 * mpf(unit_roundoff) * kappa


def allowance_name() -> str:
    return "the allowance of a float32 table" if of_a_table() else "the allowance"


def check(what: str, where: tuple[int, ...], got: Array, exact: mpf, allowed: mpf) -> None:
    """Fail unless got[where] is within `allowed` of `exact`; NaN fails."""
    value = mpf(float(got[where]))
    error = abs(value - exact)
    evidence.record_comparison(what, where, error, allowed)
    if not error <= allowed:
        evidence.record_effect(float(error), float(max(abs(value), abs(exact))))
        excess = f", {float(error / allowed):.3g} times {allowance_name()}" if allowed else ""
        ratio = f"{float(value / exact):.6g}" if exact else ""
        effect = "loses precision" if ratio == "1" else f"is {ratio} times the exact value"
        effect = effect if exact else "must be 0"
        raise AssertionError(
            f"{what} at {where} {effect}: got {float(value)!r}, exact {float(exact)!r}, "
            f"error {float(error):.3g}{excess}"
        )


def check_largest(what: str, got: Array, want: Array, allowed: float) -> None:
    """Compare two float64 arrays by their largest difference."""
    error = float(np.abs(got - want).max())
    evidence.record_comparison(what, "", error, allowed)
    if not error <= allowed:
        evidence.record_effect(error, float(max(np.abs(got).max(), np.abs(want).max())))
        excess = f", {error / allowed:.3g} times {allowance_name()}" if allowed else ""
        raise AssertionError(f"{what} is off by {error:.3g}{excess}")


def equal(got: Array, want: Array) -> bool:
    """Return whether two arrays are equal, bit for bit.

    With the errors of a table: in half the digits of float32, since a formula that is wrong by less
    is wrong by no more than rounding.
    """
    if got.shape != want.shape or not of_a_table():
        return np.array_equal(got, want)
    largest = np.abs(want[np.isfinite(want)]).max(initial=0.0)
    close = np.abs(got - want) <= FLOAT32**0.5 * largest
    return bool((close | (np.isnan(got) & np.isnan(want))).all())


def elements(array: Array) -> list[tuple[int, ...]]:
    """Return every index of the array; the first entry is the sample."""
    return list(np.ndindex(array.shape))


def roundings_of_divergence(m: mpf, v: mpf, k: mpf, w: mpf) -> mpf:
    """Return the error allowed in KL(N(m, v) || N(k, w)), in units of roundoff.

    It is a sum of a ratio of variances, its log, 1, and a squared distance over a variance: four
    operations for each, and the distance between two rounded means.
    """
    distance = 8 * (m - k) ** 2 + 4 * (abs(m) + abs(k)) * abs(m - k)
    return 4 * (v / w + 1 + abs(mp.log(v / w))) + distance / w


def zero_terminal(impl: Implementation, betas: Betas) -> list[tuple[mpf, mpf]]:
    """Return alpha_bar_t after rescaling and its 8 u kappa, for t = 1..T - 1."""
    before = schedules.from_betas(betas)
    after = schedules.with_zero_terminal_snr(before)
    kappas = (schedules.kappa_zero_terminal(before, after, 0, t) for t in range(1, len(betas)))
    units = (allowance(impl.unit_roundoff, mpf(kappa)) for kappa in kappas)
    return list(zip(after[1:], units, strict=False))
