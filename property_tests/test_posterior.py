"""The posterior, compared with Bayes' rule: the precisions of prior and measurement add."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from .chains.forward import simulate
from .oracles import exact
from .oracles.exact import Value
from .protocol import Implementation
from .statistics.monte_carlo import Ledger
from .statistics.precisions import in_each_precision
from .statistics.residuals import residual_findings
from .statistics.statistics import slope
from .statistics.tolerances import allowance, check, elements
from .strategies import EARLY, STEEP_GRID, Case, cases

ORACLE = "Bayes' rule by adding precisions, in 60 digits; pairs simulated by one-step kernels"


@pytest.mark.parametrize("part", ["mean", "var"])
@pytest.mark.parametrize("step", ["one step", "any"])
@given(case=cases())
@example(case=EARLY)
def test_mean_and_variance_match_bayes(impl: Implementation, step: str, part: str, case: Case):
    """Eq. posterior.mean and posterior.var, for s = t - 1 and for any 0 <= s < t <= T."""
    betas, s, t, x_0, x_t = case
    s = t - 1 if step == "one step" else s
    for at in in_each_precision(impl):
        mean, var = at.impl.q_posterior(betas, x_0, x_t, s, t)
        for where in elements(x_0):
            pair = int(s[where[0]]), int(t[where[0]])
            want, kappa = exact.posterior(betas, x_0[where], x_t[where], *pair), exact.kappa
            if part == "mean":
                at.check(part, where, mean, want.mean, kappa(betas, *pair))
            else:
                size = want.var if pair[0] else exact.mpf(1)  # 1 - alpha_bar_0, a difference
                at.check(part, where, var, Value(want.var, size), kappa(betas, *pair))


@given(case=cases())
def test_variance_is_below_beta_and_zero_at_the_data(impl: Implementation, case: Case):
    """Eq. posterior.var: 0 <= beta-tilde_ts < beta_ts up to rounding, and 0 where s = 0."""
    betas, s, t, x_0, x_t = case
    var = impl.q_posterior(betas, x_0, x_t, s, t).var
    beta = impl.q_step(betas, x_0, s, t).var
    for where in elements(var):
        kappa = exact.kappa(betas, int(s[where[0]]), int(t[where[0]]))
        if s[where[0]] == 0:
            check("var at s = 0", where, var, exact.mpf(0), allowance(impl.unit_roundoff, kappa))
            continue
        assert var[where] > 0, f"var {var[where]!r} at s = {s[where[0]]}"
        most = beta[where] * (1 + float(allowance(impl.unit_roundoff, kappa, times=2)))
        assert var[where] <= most, f"var {var[where]!r}, beta {beta[where]!r}"


@given(case=cases(), data=st.data())
def test_both_factorizations_of_the_joint_density_agree(impl: Implementation, case: Case, data):
    """Eq. posterior.bayes: q(x_t | x_s) q(x_s | x_0) = q(x_s | x_t, x_0) q(x_t | x_0), s >= 1.

    A relative error d of the variance changes a log density at z standard deviations by
    (1 + z^2) d / 2; an error of e standard deviations of the mean changes it by |z| e.
    """
    betas, s, t, x_0, x_t = case
    s, t = np.maximum(s, 1), np.maximum(t, 2)
    assume(len(betas) > 1)
    x_s = data.draw(st.sampled_from([x_t, x_0, x_0 + 1]), label="x_s")
    factors = [
        (impl.q_step(betas, x_s, s, t), x_t, s, t, 1),
        (impl.q_marginal(betas, x_0, s), x_s, 0 * s, s, 1),
        (impl.q_posterior(betas, x_0, x_t, s, t), x_s, s, t, -1),
        (impl.q_marginal(betas, x_0, t), x_t, 0 * t, t, -1),
    ]
    for where in elements(x_0):
        total, allowed = exact.mpf(0), exact.mpf(0)
        for gaussian, x, low, high, sign in factors:
            mean, var = (
                exact.mpf(float(gaussian.mean[where])),
                exact.mpf(float(gaussian.var[where])),
            )
            z = (exact.mpf(float(x[where])) - mean) / exact.mp.sqrt(var)
            total -= sign * (z**2 + exact.mp.log(var)) / 2
            pair = int(low[where[0]]), int(high[where[0]])
            unit = allowance(impl.unit_roundoff, exact.kappa(betas, *pair))
            size = abs(exact.mpf(x_0[where])) + abs(exact.mpf(float(x[where]))) + abs(mean)
            allowed += unit * ((1 + z**2) / 2 + abs(z) * size / exact.mp.sqrt(var))
        check("log density", where, np.zeros_like(x_0), total, allowed)


@pytest.mark.complete
@pytest.mark.parametrize("betas", STEEP_GRID, ids=str)
def test_residuals_of_simulated_pairs_are_standard_normal(
    impl: Implementation, ledger: Ledger, betas
):
    """Eq. posterior.mean and posterior.var, for x_s and x_t simulated by one-step kernels.

    The residual of x_s is standard normal and independent of x_t; together this is the posterior.
    """
    for s, t in combinations(range(1, len(betas) + 1), 2):
        claim = ledger.claim("posterior.mean and posterior.var", (betas, s, t), scalars=2000 * 15)
        rng = claim.rng
        x_0 = rng.choice([0.0, 1.3, -0.7, 30.0], size=(2000, 3, 5))
        x_s = simulate(betas, x_0, 0, s, rng)
        x_t = simulate(betas, x_s, s, t, rng)
        timesteps = (np.full(2000, timestep, dtype=np.int64) for timestep in (s, t))
        mean, var = impl.q_posterior(betas, x_0, x_t, *timesteps)
        assert (var > 0).all(), f"var is {var.min()} at s = {s}, t = {t}"
        residual = (x_s - mean) / np.sqrt(var)
        scale, spread = (float(each) for each in exact.kernel(betas, 0, t))
        other = (x_t - scale * x_0) / np.sqrt(spread)
        claim.check([*residual_findings(residual), slope(residual, other)])
