"""Training losses: the target of each parameterization, L_simple, and weights over t."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core._types import (
    Parameterization,
    check_event,
    check_same_event,
    compute_dtype,
    expand_to,
)
from ddpm_core.clock import Time, check_time
from ddpm_core.parameterization import check_parameterization
from ddpm_core.schedules import Schedule


def prediction_target(
    schedule: Schedule,
    parameterization: Parameterization,
    x_0: Float[Tensor, " batch *event"],
    noise: Float[Tensor, " batch *event"],
    t: Time,
) -> Float[Tensor, " batch *event"]:
    """What a network should say of x_t = q_sample(x_0, t, noise), t in 1..T.

    Eq. parameterization.v and parameterization.score: eps is the noise, x0 the data, v =
    sqrt(alpha_bar_t) noise - sqrt(1 - alpha_bar_t) x_0 (Salimans & Ho 2022), score =
    -noise / sqrt(1 - alpha_bar_t).
    """
    check_parameterization("parameterization", parameterization)
    check_same_event("noise", noise, "x_0", x_0)
    check_time("t", t, 1, schedule.T, schedule.T, x_0)
    if parameterization == "eps":
        return noise
    if parameterization == "x0":
        return x_0
    work = compute_dtype(x_0)
    sigma = schedule.one_minus_alpha_bar(t).sqrt()
    if parameterization == "score":
        return (expand_to(-1 / sigma, noise) * noise.to(work)).to(x_0.dtype)
    coef_noise = expand_to(schedule.alpha_bar(t).sqrt(), noise)
    return (coef_noise * noise.to(work) - expand_to(sigma, x_0) * x_0.to(work)).to(x_0.dtype)


@dataclass(frozen=True)
class Loss:
    """A loss for each sample, from which the mean that is minimised is derived."""

    per_sample: Float[Tensor, " batch"]

    @property
    def mean(self) -> Float[Tensor, ""]:
        """The mean over the batch. Eq. losses.weighted with equal weights."""
        return self.per_sample.mean()

    def weighted(self, weight: Float64[Tensor, "*batch"]) -> "Loss":
        """The loss of each sample times its own weight, one number for all or (batch,).

        Eq. losses.weighted.
        """
        return Loss(expand_to(weight, self.per_sample) * self.per_sample)


def l_simple(
    prediction: Float[Tensor, " batch *event"], target: Float[Tensor, " batch *event"]
) -> Loss:
    """The squared error of each sample, averaged over its event; no weights over t.

    Eq. losses.simple; Ho et al. (2020), Eq. 14. Both arguments need one shape and one device; half
    precision is compared in float32.
    """
    check_event("prediction", prediction)
    check_event("target", target)
    work = compute_dtype(prediction)
    prediction, target = prediction.to(work), target.to(work)
    check_same_event("target", target, "prediction", prediction)
    squares = (prediction - target).square()
    return Loss(squares.unsqueeze(-1).flatten(1).mean(1))  # an event may have no axes


def min_snr_weight(
    schedule: Schedule, parameterization: Parameterization, t: Time, gamma: float = 5.0
) -> Float64[Tensor, "*batch"]:
    """min(SNR_t, gamma), which weighs an error of x_0, for the loss of any prediction; t in 1..T.

    Eq. losses.min-snr; Hang et al. 2023 (arXiv:2303.09556), section 3.4: min(SNR, gamma) / SNR for
    eps and min(SNR, gamma) / (SNR + 1) for v. They are formed so that no 0 / 0 arises at zero SNR,
    where they are 1 and 0. An infinite gamma weighs eps by 1 at every t.
    """
    check_parameterization("parameterization", parameterization)
    check_time("t", t, 1, schedule.T, schedule.T)
    if not gamma > 0:
        raise ValueError(f"gamma = {gamma} must be above 0; Hang et al. take 5")
    signal, noise = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t)
    if parameterization == "x0":
        return (signal / noise).clamp(max=gamma)
    if parameterization == "v":
        return torch.minimum(signal, gamma * noise)
    of_eps = (gamma * noise / signal).clamp(max=1)
    return of_eps if parameterization == "eps" else noise * of_eps
