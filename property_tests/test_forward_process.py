"""The closed form of the forward process, compared with composed one-step kernels."""

from hypothesis import example, given

from .oracles import exact
from .oracles.exact import positive, product
from .protocol import Implementation
from .statistics.precisions import in_each_precision
from .statistics.tolerances import allowance, check, elements, equal
from .strategies import EARLY, GENTLE, STEEP, Case, cases, schedules

ORACLE = "composed one-step kernels, in 60 digits"


@given(betas=schedules)
@example(betas=STEEP)
@example(betas=GENTLE)
def test_alpha_bar_is_the_squared_scale_of_composed_steps(impl: Implementation, betas):
    """Eq. schedules.alpha-bar: alpha_bar_t is the squared scale of t composed kernels."""
    table = impl.alpha_bar(betas)
    assert table.shape == (len(betas) + 1,)
    for t in range(len(betas) + 1):
        want = exact.kernel(betas, 0, t).scale ** 2
        allowed = allowance(impl.unit_roundoff, exact.kappa(betas, 0, t)) * want
        check("alpha_bar", (t,), table, want, allowed)


@given(case=cases(lowest_t=0))
def test_marginal_is_the_composition_of_its_steps(impl: Implementation, case: Case):
    """Eq. forward-process.marginal, t in 0..T; exact at t = 0."""
    betas, _, t, x_0, _ = case
    for at in in_each_precision(impl):
        mean, var = at.impl.q_marginal(betas, x_0, t)
        for where in elements(x_0):
            timestep = int(t[where[0]])
            kappa = exact.kappa(betas, 0, timestep)
            want = exact.diffuse(betas, timestep, x_0[where], 0.0)
            at.check("mean", where, mean, want, kappa)
            at.check("var", where, var, positive(exact.kernel(betas, 0, timestep).var), kappa)


@given(case=cases())
@example(case=EARLY)
def test_sample_is_mean_plus_scaled_noise(impl: Implementation, case: Case):
    """Eq. forward-process.sample: mean plus standard deviation times noise, t in 1..T."""
    betas, _, t, x_0, noise = case
    for at in in_each_precision(impl):
        x_t = at.impl.q_sample(betas, x_0, t, noise)
        for where in elements(x_0):
            timestep = int(t[where[0]])
            want = exact.diffuse(betas, timestep, x_0[where], noise[where])
            at.check("x_t", where, x_t, want, exact.kappa(betas, 0, timestep))


@given(case=cases())
def test_sample_at_timestep_zero_is_the_data(impl: Implementation, case: Case):
    """Eq. forward-process.sample at t = 0: the noise has no effect."""
    for _, each in in_each_precision(impl):
        x_t = each.q_sample(case.betas, case.first, case.t * 0, case.second)
        assert equal(x_t, case.first)


@given(case=cases())
def test_kernel_is_the_composition_of_its_steps(impl: Implementation, case: Case):
    """Eq. forward-process.step, for any s < t."""
    betas, s, t, x_s, _ = case
    for at in in_each_precision(impl):
        mean, var = at.impl.q_step(betas, x_s, s, t)
        for where in elements(x_s):
            pair = int(s[where[0]]), int(t[where[0]])
            want, kappa = exact.kernel(betas, *pair), exact.kappa(betas, *pair)
            at.check("mean", where, mean, product(want.scale, x_s[where]), kappa)
            at.check("var", where, var, positive(want.var), kappa)


@given(case=cases())
def test_chapman_kolmogorov_holds(impl: Implementation, case: Case):
    """Chapman-Kolmogorov by two routes of the code: q(x_t | x_s) q(x_s | x_0) is q(x_t | x_0).

    kappa is largest for the pair (s, t), since beta_ts <= 1 - alpha_bar_t and x / (1 - e^-x) grows.
    Means: three factors, each within 8 u kappa. Variances: scale^2 counts twice, so four.
    """
    betas, s, t, x_0, _ = case
    at_s, at_t = impl.q_marginal(betas, x_0, s), impl.q_marginal(betas, x_0, t)
    there = impl.q_step(betas, at_s.mean, s, t)
    scale = impl.q_step(betas, x_0 * 0 + 1, s, t).mean
    for where in elements(x_0):
        kappa = exact.kappa(betas, int(s[where[0]]), int(t[where[0]]))
        mean = exact.mpf(at_t.mean[where])
        allowed = allowance(impl.unit_roundoff, kappa, times=3) * abs(mean)
        check("mean", where, there.mean, mean, allowed)
        parts = (scale[where], at_s.var[where], there.var[where])
        step_scale, var_s, added = (exact.mpf(float(part)) for part in parts)
        composed = step_scale**2 * var_s + added
        allowed = allowance(impl.unit_roundoff, kappa, times=4) * composed
        check("var", where, at_t.var, composed, allowed)
