"""Check of a run's schedule against identities that hold for all schedules; takes milliseconds."""

import torch
from torch import Tensor

from ddpm_core.parameterization import convert
from ddpm_core.posterior import q_posterior
from ddpm_core.schedules import Schedule

ROUNDOFF = 2.0**-53


def mismatch(schedule: Schedule) -> str | None:
    """Describe the first identity that this schedule violates, or return None.

    Each coefficient is accurate to 8 u kappa with kappa = 1 + |log alpha_bar_t| / beta_t (derived
    in property_tests/statistics/tolerances.py). A term is a product of at most two coefficients, so
    an identity holds to 16 u kappa times the sum of its absolute terms.
    """
    log = schedule.log_alpha_bar
    if log.dtype != torch.float64 or log.device.type != "cpu" or log.ndim != 1 or len(log) < 2:
        found = f"{log.dtype} {tuple(log.shape)} on {log.device}"
        return f"the schedule is {found}; must be float64 (T + 1,) on the CPU"
    if log[0] != 0 or not (log.diff() < 0).all():
        return "alpha_bar does not decrease strictly from 1"
    T = len(log) - 1
    t = torch.arange(1, T + 1)
    s = t - 1
    alpha_bar_t, noise_t = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t)  # noise: variance
    alpha_t, beta_t = schedule.alpha(s, t), schedule.beta_between(s, t)
    alpha_bar_s, noise_s = schedule.alpha_bar(s), schedule.one_minus_alpha_bar(s)
    x = torch.ones(T, 1, dtype=torch.float64)
    from_x0 = q_posterior(schedule, x, 0 * x, s, t)
    from_xt = q_posterior(schedule, 0 * x, x, s, t).mean[:, 0]
    var = from_x0.var.expand(T, 1)[:, 0]
    finite = log[1:].isfinite()
    v = convert(schedule, "x0", "v", x, 2 * x, t)[:, 0]
    exact_beta = -(log.diff().expm1())  # computed here, not by a function under test
    kappa = torch.where(finite, 1 - log[1:] / exact_beta, 1.0)
    one = torch.ones(T, dtype=torch.float64)
    sums: dict[str, tuple[Tensor, ...]] = {  # each sums to zero
        "alpha_bar_t + (1 - alpha_bar_t) = 1": (alpha_bar_t, noise_t, -one),
        "alpha_t + beta_t = 1": (alpha_t, beta_t, -one),
        "alpha_bar_t = alpha_bar_s alpha_t": (alpha_bar_t, -alpha_bar_s * alpha_t),
        "1 - alpha_bar_t = alpha_t (1 - alpha_bar_s) + beta_t": (
            noise_t,
            -alpha_t * noise_s,
            -beta_t,
        ),
        "the posterior variance is (1 - alpha_bar_s) beta_t / (1 - alpha_bar_t)": (
            var * noise_t,
            -noise_s * beta_t,
        ),
        "the posterior mean has sqrt(alpha_t) (1 - alpha_bar_s) / (1 - alpha_bar_t) times x_t": (
            from_xt * noise_t,
            -alpha_t.sqrt() * noise_s,
        ),
        "the posterior mean has sqrt(alpha_bar_s) beta_t / (1 - alpha_bar_t) times x_0": (
            from_x0.mean[:, 0] * noise_t,
            -alpha_bar_s.sqrt() * beta_t,
        ),
        "v sqrt(1 - alpha_bar_t) = sqrt(alpha_bar_t) x_t - x_0": (
            v * noise_t.sqrt(),
            -2 * alpha_bar_t.sqrt(),
            one,
        ),
    }
    for claim, terms in sums.items():
        off, size = torch.stack(terms).sum(0), torch.stack(terms).abs().sum(0)
        wrong = ~(off.abs() <= 16 * ROUNDOFF * kappa * size)  # negated, so that NaN counts
        if wrong.any():
            i = int(wrong.nonzero()[0])
            return f"the schedule violates {claim} at t = {i + 1}, by {float(off[i]):.3g}"
    return None
