"""DPM-Solver++: the probability-flow ODE in steps of log-SNR, from one or two predictions."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core._types import check_same_event, compute_dtype, evaluate, expand_to
from ddpm_core.samplers.base import Denoise, check_times
from ddpm_core.schedules import Schedule

ORDERS = (1, 2)


class LastPrediction(NamedTuple):
    """The state of a run of order 2: the previous prediction."""

    x0_hat: Float[Tensor, " batch *event"]
    h: Float64[Tensor, ""]  # of the step from that prediction; infinite from zero SNR


@dataclass(frozen=True, eq=False)
class DPMSolver:
    """x_s from x_t and x0_hat, in second order also from the previous x0_hat.

    Eq. dpm-solver.first and dpm-solver.second; Lu et al. (2022, arXiv:2211.01095), Algorithm 2
    (2M). Order 1 is DDIM with eta = 0. A step whose h is infinite (from zero SNR, or to data) is
    of order 1, and so is the next one, so that no infinity enters a sum.
    """

    schedule: Schedule
    times: tuple[int, ...] = ()  # default: T..0
    order: int = 2

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order = {self.order} is unknown; it is one of {ORDERS}")
        object.__setattr__(self, "times", check_times(self.times, self.schedule.T))

    def init(self, x_t: Float[Tensor, " batch *event"]) -> LastPrediction | None:
        """Return no state: there is no previous prediction. Eq. dpm-solver.first."""
        return None

    def draws_noise(self, s: int, t: int) -> bool:
        """Return False: the ODE is deterministic. Eq. dpm-solver.first."""
        return False

    def step(
        self,
        denoise: Denoise,
        x_t: Float[Tensor, " batch *event"],
        s: int,
        t: int,
        noise: Float[Tensor, " batch *event"] | None,
        state: LastPrediction | None,
    ) -> tuple[Tensor, Tensor, LastPrediction | None]:
        """Return (x_s, x0_hat, new state); x_s = sigma_s / sigma_t x_t + scale_s (1 - e^-h) D.

        Eq. dpm-solver.first and dpm-solver.second: D is x0_hat, in second order extrapolated along
        the line through the last two predictions.
        """
        x0_hat = evaluate(denoise, x_t, t).x0_hat
        check_same_event("x0_hat", x0_hat, "x_t", x_t)
        h = log_scale_to_noise(self.schedule, s, t)
        work = compute_dtype(x_t)
        extrapolated = x0_hat.to(work)
        if self.order == 2 and state is not None and h.isfinite() and state.h.isfinite():
            slope = expand_to(h / (2 * state.h), x_t)
            extrapolated = extrapolated + slope * (extrapolated - state.x0_hat.to(work))

        one_minus_ab_s = self.schedule.one_minus_alpha_bar(s)
        coef_xt = (one_minus_ab_s / self.schedule.one_minus_alpha_bar(t)).sqrt()
        coef_x0 = self.schedule.alpha_bar(s).sqrt() * -(-h).expm1()
        x_s = expand_to(coef_x0, x_t) * extrapolated
        x_s = x_s.addcmul_(expand_to(coef_xt, x_t), x_t.to(work))
        return x_s.to(x_t.dtype), x0_hat, LastPrediction(x0_hat, h)


def log_scale_to_noise(schedule: Schedule, s: int, t: int) -> Float64[Tensor, ""]:
    """Return h = lambda_s - lambda_t, half the gain in log-SNR of t -> s; infinite at its ends.

    Eq. dpm-solver.h, a sum of positive terms, so short steps lose no digits.
    """
    if s == 0:
        return torch.tensor(math.inf, dtype=torch.float64, device="cpu")
    log_alpha_ts = schedule.log_alpha(s, t)
    gained = schedule.alpha_bar(s) * -log_alpha_ts.expm1() / schedule.one_minus_alpha_bar(s)
    return (gained.log1p() - log_alpha_ts) / 2
