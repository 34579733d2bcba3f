"""Ancestral sampling: x_s is drawn from the posterior with x0_hat in place of x_0."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor

from ddpm_core._types import Gaussian, check_same_event, compute_dtype, evaluate, expand_to
from ddpm_core.clock import Time
from ddpm_core.learned_variance import learned_range
from ddpm_core.posterior import q_posterior
from ddpm_core.samplers.base import Denoise, check_times
from ddpm_core.schedules import Schedule

Variance = Literal["fixed_small", "fixed_large", "learned_range"]
VARIANCES: tuple[Variance, ...] = get_args(Variance)


def check_variance(variance: str) -> None:
    """Refuse an unknown variance."""
    if variance not in VARIANCES:
        raise ValueError(f"variance = {variance!r} is unknown; it is one of {VARIANCES}")


def reverse_kernel(
    schedule: Schedule,
    x0_hat: Float[Tensor, " batch *event"],
    x_t: Float[Tensor, " batch *event"],
    s: Time,
    t: Time,
    variance: Variance = "fixed_small",
    var_interpolation: Float[Tensor, " batch *event"] | None = None,
) -> Gaussian:
    """Return p(x_s | x_t), the posterior with x0_hat in place of x_0, for any 0 <= s < t <= T.

    Eq. losses.mean-hat and ancestral.step, or ancestral.step-large. variance: `fixed_small` is the
    posterior's beta-tilde_ts, `fixed_large` is beta_ts. At s = 0, where the posterior has variance
    0, both are the decoder's beta_ts (Eq. losses.decoder-variance). `learned_range` interpolates
    between the two by var_interpolation (Eq. learned-variance.range).
    """
    check_variance(variance)
    posterior = q_posterior(schedule, x0_hat, x_t, s, t)
    if variance == "learned_range":
        if var_interpolation is None:
            raise ValueError(
                "variance = 'learned_range', but the denoiser predicts no variance (its "
                "Prediction.var_interpolation is None). Use a network that learned the variance, "
                "or a fixed variance"
            )
        check_same_event("var_interpolation", var_interpolation, "x_t", x_t)
        return replace(posterior, var=learned_range(schedule, var_interpolation, s, t))
    beta_ts = schedule.beta_between(s, t)
    if variance == "fixed_large":
        return replace(posterior, var=expand_to(beta_ts, posterior.mean).to(posterior.mean.dtype))
    decoder = expand_to(beta_ts * (s == 0), posterior.mean).to(posterior.mean.dtype)
    return replace(posterior, var=posterior.var + decoder)  # one of the two is 0


@dataclass(frozen=True, eq=False)
class Ancestral:
    """p(x_s | x_t) = N(posterior mean at x0_hat, variance), along any timesteps decreasing to 0.

    Eq. ancestral.step; Ho et al. (2020), Algorithm 2. variance: see `reverse_kernel`; a learned one
    is the denoiser's. The step to 0 draws no noise.
    """

    schedule: Schedule
    times: tuple[int, ...] = ()  # default: T..0
    variance: Variance = "fixed_small"

    def __post_init__(self) -> None:
        check_variance(self.variance)
        object.__setattr__(self, "times", check_times(self.times, self.schedule.T))

    def init(self, x_t: Float[Tensor, " batch *event"]) -> None:
        """Return no state: the reverse process is Markov. Eq. ancestral.step."""

    def draws_noise(self, s: int, t: int) -> bool:
        """Return whether s > 0: the step to 0 returns the mean. Eq. ancestral.lands-on-data."""
        return s > 0

    def step(
        self,
        denoise: Denoise,
        x_t: Float[Tensor, " batch *event"],
        s: int,
        t: int,
        noise: Float[Tensor, " batch *event"] | None,
        state: None = None,
    ) -> tuple[Tensor, Tensor, None]:
        """Return (x_s, x0_hat, None), where x_s = posterior mean + sqrt(variance) noise.

        Eq. ancestral.step and ancestral.step-large; the mean is Eq. losses.mean-hat.
        """
        prediction = evaluate(denoise, x_t, t)
        x0_hat, var_interpolation = prediction.x0_hat, prediction.var_interpolation
        work = compute_dtype(x_t)
        interpolation = None if var_interpolation is None else var_interpolation.to(work)
        arguments = x0_hat.to(work), x_t.to(work), s, t, self.variance, interpolation
        kernel = reverse_kernel(self.schedule, *arguments)
        if s == 0:
            return kernel.mean.to(x_t.dtype), x0_hat, None
        if noise is None:
            raise ValueError(
                f"the step {t} -> {s} draws noise, but noise is None; pass noise like x_t"
            )
        check_same_event("noise", noise, "x_t", x_t)
        return kernel.sample(noise.to(work)).to(x_t.dtype), x0_hat, None
