"""The run's own schedule, against the identities that every schedule keeps; takes milliseconds."""

import torch
from torch import Tensor

from ddpm_core.parameterization import convert
from ddpm_core.posterior import q_posterior
from ddpm_core.schedules import Schedule

ROUNDOFF = 2.0**-53


def mismatch(schedule: Schedule) -> str | None:
    """The first identity that this schedule breaks, in plain words, or None.

    Each coefficient is right to 8 u kappa, kappa = 1 + |log alpha_bar_t| / beta_t, as
    property_tests/statistics/tolerances.py derives; a term is a product of two of them at most, so
    that an identity holds to 16 u kappa of the sum of its terms.
    """
    log = schedule.log_alpha_bar
    if log.dtype != torch.float64 or log.device.type != "cpu" or log.ndim != 1 or len(log) < 2:
        found = f"{log.dtype} {tuple(log.shape)} on {log.device}"
        return f"the schedule holds {found}, where float64 (T + 1,) on the CPU belongs"
    if log[0] != 0 or not (log.diff() < 0).all():
        return "alpha_bar does not fall from 1 at every step"
    T = len(log) - 1
    t = torch.arange(1, T + 1)
    s = t - 1
    signal, noise = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t)
    kept, added = schedule.alpha(s, t), schedule.beta_between(s, t)
    before, lost = schedule.alpha_bar(s), schedule.one_minus_alpha_bar(s)
    x = torch.ones(T, 1, dtype=torch.float64)
    back = q_posterior(schedule, x, 0 * x, s, t)
    from_xt = q_posterior(schedule, 0 * x, x, s, t).mean[:, 0]
    var = back.var.expand(T, 1)[:, 0]
    finite = log[1:].isfinite()
    v = convert(schedule, "x0", "v", x, 2 * x, t)[:, 0]
    lost_at_once = -(log.diff().expm1())  # beta_t, by no function that is asked here
    kappa = torch.where(finite, 1 - log[1:] / lost_at_once, 1.0)
    one = torch.ones(T, dtype=torch.float64)
    sums: dict[str, tuple[Tensor, ...]] = {  # each is zero
        "alpha_bar_t + (1 - alpha_bar_t) = 1": (signal, noise, -one),
        "alpha_t + beta_t = 1": (kept, added, -one),
        "alpha_bar_t = alpha_bar_s alpha_t": (signal, -before * kept),
        "1 - alpha_bar_t = alpha_t (1 - alpha_bar_s) + beta_t": (noise, -kept * lost, -added),
        "the posterior variance is (1 - alpha_bar_s) beta_t / (1 - alpha_bar_t)": (
            var * noise,
            -lost * added,
        ),
        "the posterior mean takes sqrt(alpha_t) (1 - alpha_bar_s) / (1 - alpha_bar_t) of x_t": (
            from_xt * noise,
            -kept.sqrt() * lost,
        ),
        "the posterior mean takes sqrt(alpha_bar_s) beta_t / (1 - alpha_bar_t) of x_0": (
            back.mean[:, 0] * noise,
            -before.sqrt() * added,
        ),
        "v sqrt(1 - alpha_bar_t) = sqrt(alpha_bar_t) x_t - x_0": (
            v * noise.sqrt(),
            -2 * signal.sqrt(),
            one,
        ),
    }
    for claim, terms in sums.items():
        off, size = torch.stack(terms).sum(0), torch.stack(terms).abs().sum(0)
        wrong = ~(off.abs() <= 16 * ROUNDOFF * kappa * size)  # a NaN is wrong
        if wrong.any():
            i = int(wrong.nonzero()[0])
            return f"the schedule breaks {claim} at t = {i + 1}, by {float(off[i]):.3g}"
    return None
