"""The forward process q, which scales data down and adds noise: one step, or the closed form."""

from jaxtyping import Float
from torch import Tensor

from ddpm_core._types import Gaussian, check_event, check_same_event, compute_dtype, expand_to
from ddpm_core.clock import Time, check_pair, check_time, gather
from ddpm_core.schedules import Schedule


def q_marginal(schedule: Schedule, x_0: Float[Tensor, " batch *event"], t: Time) -> Gaussian:
    """Return q(x_t | x_0) = N(sqrt(alpha_bar_t) x_0, 1 - alpha_bar_t), t in 0..T.

    Eq. forward-process.marginal; Ho et al. (2020), Eq. 4.
    """
    check_event("x_0", x_0)
    check_time("t", t, 0, schedule.T, schedule.T, x_0)
    return _scaled(x_0, schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t))


def q_step(schedule: Schedule, x_s: Float[Tensor, " batch *event"], s: Time, t: Time) -> Gaussian:
    """Return q(x_t | x_s) = N(sqrt(alpha_ts) x_s, beta_ts), 0 <= s < t <= T.

    Eq. forward-process.step; s = t - 1 is Ho et al. (2020), Eq. 2.
    """
    check_event("x_s", x_s)
    check_pair(s, t, schedule.T, x_s)
    return _scaled(x_s, schedule.alpha(s, t), schedule.beta_between(s, t))


def q_sample(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    t: Time,
    noise: Float[Tensor, " batch *event"],
) -> Float[Tensor, " batch *event"]:
    """Return x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) noise, t in 0..T.

    Eq. forward-process.sample; `noise` is standard normal, of x_0's shape, dtype and device.
    """
    check_same_event("noise", noise, "x_0", x_0)
    check_time("t", t, 0, schedule.T, schedule.T, x_0)
    log_alpha_bar = gather(schedule.log_alpha_bar, t)
    coef_x0 = expand_to((log_alpha_bar / 2).exp(), x_0)
    coef_noise = expand_to((-log_alpha_bar.expm1()).sqrt(), x_0)
    work = compute_dtype(x_0)
    return (coef_x0 * x_0.to(work)).addcmul_(coef_noise, noise.to(work)).to(x_0.dtype)


def _scaled(x: Tensor, alpha: Tensor, beta: Tensor) -> Gaussian:
    """Return N(sqrt(alpha) x, beta)."""
    mean = expand_to(alpha.sqrt(), x) * x.to(compute_dtype(x))
    return Gaussian(mean.to(x.dtype), expand_to(beta, x).to(x.dtype))
