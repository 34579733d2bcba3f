"""The posterior q(x_s | x_t, x_0): the reverse step given x_0, by Bayes' rule."""

from jaxtyping import Float
from torch import Tensor

from ddpm_core._types import Gaussian, check_same_event, compute_dtype, expand_to
from ddpm_core.clock import Time, check_pair
from ddpm_core.schedules import Schedule


def q_posterior(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    x_t: Float[Tensor, " batch *event"],
    s: Time,
    t: Time,
) -> Gaussian:
    """Return q(x_s | x_t, x_0) for any 0 <= s < t <= T; at s = 0 it is x_0 with variance 0.

    Eq. posterior.mean and posterior.var; s = t - 1 is Ho et al. (2020), Eq. 6 and 7.
    """
    check_same_event("x_t", x_t, "x_0", x_0)
    check_pair(s, t, schedule.T, x_0)
    log_alpha_ts = schedule.log_alpha(s, t)
    beta_ts = -log_alpha_ts.expm1()
    one_minus_ab_s = schedule.one_minus_alpha_bar(s)
    one_minus_ab_t = schedule.one_minus_alpha_bar(t)

    coef_x0 = schedule.alpha_bar(s).sqrt() * beta_ts / one_minus_ab_t
    coef_xt = (log_alpha_ts / 2).exp() * one_minus_ab_s / one_minus_ab_t
    var = beta_ts * one_minus_ab_s / one_minus_ab_t

    work = compute_dtype(x_0)
    mean = expand_to(coef_x0, x_0) * x_0.to(work)
    mean = mean.addcmul_(expand_to(coef_xt, x_t), x_t.to(work))
    return Gaussian(mean.to(x_0.dtype), expand_to(var, x_t).to(x_0.dtype))
