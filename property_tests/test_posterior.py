"""The posterior against Bayes' rule: prior and measurement, added by their precisions."""

from hypothesis import given

from .oracles import exact
from .protocol import Implementation
from .strategies import Case, cases
from .tolerances import allowance, check, elements


@given(case=cases())
def test_mean_and_variance_match_bayes(impl: Implementation, case: Case):
    """Eq. posterior.mean and posterior.var, for any 0 <= s < t <= T."""
    betas, s, t, x_0, x_t = case
    mean, var = impl.q_posterior(betas, x_0, x_t, s, t)
    assert mean.shape == var.shape == x_0.shape
    for where in elements(x_0):
        pair = int(s[where[0]]), int(t[where[0]])
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, *pair))
        want = exact.posterior(betas, x_0[where], x_t[where], *pair)
        check("mean", where, mean, want.mean.exact, unit * want.mean.size)
        check("var", where, var, want.var, unit * want.var)


@given(case=cases())
def test_variance_is_below_that_of_the_step_and_zero_at_data(impl: Implementation, case: Case):
    """Eq. posterior.var: 0 <= beta-tilde_ts < beta_ts, and 0 exactly where s = 0."""
    betas, s, t, x_0, x_t = case
    var = impl.q_posterior(betas, x_0, x_t, s, t).var
    beta = impl.q_step(betas, x_0, s, t).var
    for where in elements(var):
        assert (var[where] == 0) == (s[where[0]] == 0), f"var {var[where]!r} at s = {s[where[0]]}"
        assert 0 <= var[where] < beta[where], f"var {var[where]!r}, beta {beta[where]!r}"
