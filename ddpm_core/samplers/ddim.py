"""DDIM: steps of any length that keep the marginals, with a chosen amount of fresh noise."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import (
    Denoiser,
    check_same_event,
    compute_dtype,
    evaluate,
    expand_to,
    promoted,
)
from ddpm_core.forward_process import q_sample
from ddpm_core.parameterization import convert
from ddpm_core.samplers.base import Denoise, check_times, format_times
from ddpm_core.schedules import Schedule


@dataclass(frozen=True, eq=False)
class DDIM:
    """x_s from x0_hat and eps_hat at x_t, along any timesteps decreasing to 0; eta in [0, 1].

    Eq. ddim.step; Song et al. (2021, arXiv:2010.02502), Eq. 12. eta = 0 draws no noise and can be
    inverted; eta = 1 is ancestral sampling with `fixed_small`. The step to 0 returns x0_hat.
    """

    schedule: Schedule
    times: tuple[int, ...] = ()  # default: T..0
    eta: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.eta <= 1:
            raise ValueError(
                f"eta = {self.eta:g} is outside [0, 1]; 0 is deterministic, 1 is ancestral sampling"
            )
        object.__setattr__(self, "times", check_times(self.times, self.schedule.T))

    def init(self, x_t: Float[Tensor, " batch *event"]) -> None:
        """Return no state: each step depends on x_t alone. Eq. ddim.step."""

    def draws_noise(self, s: int, t: int) -> bool:
        """Return whether the step has a variance above 0. Eq. ddim.variance."""
        return self.eta > 0 and s > 0

    def step(
        self,
        denoise: Denoise,
        x_t: Float[Tensor, " batch *event"],
        s: int,
        t: int,
        noise: Float[Tensor, " batch *event"] | None,
        state: None = None,
    ) -> tuple[Tensor, Tensor, None]:
        """Return (x_s, x0_hat, None).

        x_s = sqrt(alpha_bar_s) x0_hat + along eps_hat + sqrt(variance) noise: Eq. ddim.step,
        ddim.along and ddim.variance.
        """
        x0_hat = evaluate(denoise, x_t, t).x0_hat
        check_same_event("x0_hat", x0_hat, "x_t", x_t)
        one_minus_ab_s = self.schedule.one_minus_alpha_bar(s)
        one_minus_ab_t = self.schedule.one_minus_alpha_bar(t)
        log_alpha_ts = self.schedule.log_alpha(s, t)
        alpha_ts, beta_ts = log_alpha_ts.exp(), -log_alpha_ts.expm1()

        var = self.eta**2 * beta_ts * one_minus_ab_s / one_minus_ab_t
        # 1 - ab_s - var, rewritten as a sum of positive terms: no cancellation, no clamp.
        along = alpha_ts * one_minus_ab_s + (1 - self.eta**2) * beta_ts
        along = along * one_minus_ab_s / one_minus_ab_t

        work = compute_dtype(x_t)
        eps_hat = convert(self.schedule, "x0", "eps", x0_hat.to(work), x_t.to(work), t)
        x_s = expand_to(self.schedule.alpha_bar(s).sqrt(), x_t) * x0_hat.to(work)
        x_s = x_s.addcmul_(expand_to(along.sqrt(), x_t), eps_hat)
        if self.draws_noise(s, t):
            if noise is None:
                raise ValueError(
                    f"the step {t} -> {s} draws noise, but noise is None; pass noise like x_t"
                )
            check_same_event("noise", noise, "x_t", x_t)
            x_s = x_s.addcmul_(expand_to(var.sqrt(), x_t), noise.to(work))
        return x_s.to(x_t.dtype), x0_hat, None


@torch.no_grad()
def invert(
    sampler: DDIM,
    denoiser: Denoiser,
    x: Float[Tensor, " batch *event"],
    cond: Int[Tensor, " batch"] | None = None,
    *,
    timestep: int = 0,
) -> Float[Tensor, " batch *event"]:
    """Return the state at times[0] from which the sampler nearly returns to x at `timestep`.

    Eq. ddim.invert. Each step up uses the eps_hat predicted at the timestep of x. The first step
    from data, which have no noise to predict, evaluates the denoiser at the lowest timestep above 0
    and keeps x itself as x_0. The state is float32 for half precision, as in `sampling_loop`.
    Raises ValueError unless eta = 0 and `timestep` is one of the times below the first, TypeError
    unless the sampler is DDIM.
    """
    if not isinstance(sampler, DDIM):
        raise TypeError(
            f"sampler is a {type(sampler).__name__}; only DDIM with eta = 0 can be inverted"
        )
    if sampler.eta != 0:
        raise ValueError(f"eta = {sampler.eta:g}; only eta = 0 can be inverted, without noise")
    if timestep not in sampler.times[1:]:
        raise ValueError(
            f"timestep = {timestep} is not one of the times below {sampler.times[0]}: "
            f"{format_times(sampler.times[1:])}"
        )
    x = x.to(compute_dtype(x))
    rising = [t for t in reversed(sampler.times) if t >= timestep]
    for s, t in pairwise(rising):
        at = s or t
        x0_hat = promoted(evaluate(denoiser, x, at, cond).x0_hat, x)
        eps_hat = convert(sampler.schedule, "x0", "eps", x0_hat, x, at)
        x = q_sample(sampler.schedule, x0_hat if s else x, t, eps_hat)
    return x
