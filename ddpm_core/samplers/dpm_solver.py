"""DPM-Solver++: the probability-flow ODE in steps of the log-SNR, with a memory of one guess."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core._types import check_same_event, compute_dtype, expand_to
from ddpm_core.samplers.base import Denoise, check_times
from ddpm_core.schedules import Schedule

ORDERS = (1, 2)


class LastPrediction(NamedTuple):
    """What a step of order 2 remembers of the step before it."""

    x0_hat: Float[Tensor, " batch *event"]
    h: Float64[Tensor, ""]  # of the step that followed that guess; infinite after zero SNR


@dataclass(frozen=True, eq=False)
class DPMSolver:
    """x_s from x_t and the guess of the data, in second order also from the guess before it.

    Eq. dpm-solver.first and dpm-solver.second; Lu et al. (2022, arXiv:2211.01095), Algorithm 2
    (2M). Order 1 is DDIM with eta = 0. A step whose h is infinite (from zero SNR, or to data) is
    of order 1, and so is the one after it, so that no infinite number enters a sum.
    """

    schedule: Schedule
    times: tuple[int, ...] = ()  # none given: every level, T..0
    order: int = 2

    def __post_init__(self) -> None:
        if self.order not in ORDERS:
            raise ValueError(f"order = {self.order} is unknown; it is one of {ORDERS}")
        object.__setattr__(self, "times", check_times(self.times, self.schedule.T))

    def init(self, x_t: Float[Tensor, " batch *event"]) -> LastPrediction | None:
        """Nothing is known before the first step. Eq. dpm-solver.first."""
        return None

    def draws_noise(self, s: int, t: int) -> bool:
        """Never: it follows an ordinary differential equation. Eq. dpm-solver.first."""
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
        """x_s = sigma_s / sigma_t x_t + scale_s (1 - e^-h) D; returns (x_s, x0_hat, new state).

        Eq. dpm-solver.first and dpm-solver.second: D is x0_hat, led on along the line from the
        guess before it.
        """
        x0_hat = denoise(x_t, t).x0_hat
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
    """h = lambda_s - lambda_t, half the log-SNR that the step t -> s gains; infinite at its ends.

    Eq. dpm-solver.h, a sum of positive terms: no digits are lost in short steps.
    """
    if s == 0:
        return torch.tensor(math.inf, dtype=torch.float64)
    log_alpha_ts = schedule.log_alpha(s, t)
    gained = schedule.alpha_bar(s) * -log_alpha_ts.expm1() / schedule.one_minus_alpha_bar(s)
    return (gained.log1p() - log_alpha_ts) / 2
