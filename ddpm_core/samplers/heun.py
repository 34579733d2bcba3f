"""Heun's method for the probability-flow ODE, in the noise-to-scale ratio sigma."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from ddpm_core._types import check_same_event, compute_dtype, evaluate, expand_to
from ddpm_core.forward_process import q_sample
from ddpm_core.parameterization import convert
from ddpm_core.samplers.base import Denoise, check_times
from ddpm_core.samplers.dpm_solver import log_scale_to_noise
from ddpm_core.schedules import Schedule


@dataclass(frozen=True, eq=False)
class Heun:
    """x_s by the mean of the slopes at both ends of the step; two network evaluations per step.

    Eq. heun.step; Karras et al. (2022, arXiv:2206.00364), Algorithm 1 without churn. The step to
    data is Euler's and returns x0_hat, because at t = 0 there is no slope. Raises ValueError for
    times that begin at zero SNR, where sigma is infinite.
    """

    schedule: Schedule
    times: tuple[int, ...] = ()  # default: T..0

    def __post_init__(self) -> None:
        object.__setattr__(self, "times", check_times(self.times, self.schedule.T))
        if self.schedule.has_zero_terminal_snr and self.times[0] == self.schedule.T:
            raise ValueError(
                f"times begins at t = {self.schedule.T}, where the SNR is 0 and sigma is infinite; "
                f"use DDIM or DPMSolver, or begin at t = {self.schedule.T - 1} or below"
            )

    def init(self, x_t: Float[Tensor, " batch *event"]) -> None:
        """Return no state: each step depends on x_t alone. Eq. heun.step."""

    def draws_noise(self, s: int, t: int) -> bool:
        """Return False: the ODE is deterministic. Eq. heun.slope."""
        return False

    def step(
        self,
        denoise: Denoise,
        x_t: Float[Tensor, " batch *event"],
        s: int,
        t: int,
        noise: Float[Tensor, " batch *event"] | None,
        state: None = None,
    ) -> tuple[Tensor, Tensor, None]:
        """Return (x_s, x0_hat at x_t, None): Euler's step plus half the change of the slope.

        Eq. heun.step.
        """
        x0_hat = evaluate(denoise, x_t, t).x0_hat
        check_same_event("x0_hat", x0_hat, "x_t", x_t)
        work = compute_dtype(x_t)
        prediction, state_t = x0_hat.to(work), x_t.to(work)
        eps_hat = convert(self.schedule, "x0", "eps", prediction, state_t, t)
        x_s = q_sample(self.schedule, prediction, s, eps_hat)  # Euler's step in sigma
        if s == 0:
            return x_s.to(x_t.dtype), x0_hat, None
        at_end = evaluate(denoise, x_s.to(x_t.dtype), s).x0_hat.to(work)
        eps_at_end = convert(self.schedule, "x0", "eps", at_end, x_s, s)
        # sqrt(ab_s) (sigma_s - sigma_t) / 2, written with 1 - e^h: no cancellation
        h = log_scale_to_noise(self.schedule, s, t)
        coef = self.schedule.one_minus_alpha_bar(s).sqrt() * -h.expm1() / 2
        x_s = x_s.addcmul(expand_to(coef, x_s), eps_at_end - eps_hat)  # the denoiser may keep x_s
        return x_s.to(x_t.dtype), x0_hat, None
