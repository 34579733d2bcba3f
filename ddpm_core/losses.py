"""Losses: training targets, L_simple, weights over t, and the terms of the variational bound."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core._types import (
    Gaussian,
    Parameterization,
    check_event,
    check_parameterization,
    check_same_event,
    compute_dtype,
    expand_to,
    flat,
)
from ddpm_core.clock import Time, check_time
from ddpm_core.forward_process import q_marginal
from ddpm_core.posterior import q_posterior
from ddpm_core.schedules import Schedule


def prediction_target(
    schedule: Schedule,
    parameterization: Parameterization,
    x_0: Float[Tensor, " batch *event"],
    noise: Float[Tensor, " batch *event"],
    t: Time,
) -> Float[Tensor, " batch *event"]:
    """Return the training target of a network at x_t = q_sample(x_0, t, noise), t in 1..T.

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
    """One loss per sample; their mean is minimised."""

    per_sample: Float[Tensor, " batch"]

    @property
    def mean(self) -> Float[Tensor, ""]:
        """The mean over the batch: Eq. losses.weighted with equal weights."""
        return self.per_sample.mean()

    def weighted(self, weight: Float64[Tensor, "*batch"]) -> "Loss":
        """Multiply the loss of each sample by its weight: one number, or (batch,).

        Eq. losses.weighted.
        """
        return Loss(expand_to(weight, self.per_sample) * self.per_sample)


def l_simple(
    prediction: Float[Tensor, " batch *event"], target: Float[Tensor, " batch *event"]
) -> Loss:
    """Return the squared error per sample, averaged over its event, without weights over t.

    Eq. losses.simple; Ho et al. (2020), Eq. 14. Both arguments must have the same shape and device.
    Half precision is compared in float32.
    """
    check_event("prediction", prediction)
    check_event("target", target)
    work = compute_dtype(prediction)
    prediction, target = prediction.to(work), target.to(work)
    check_same_event("target", target, "prediction", prediction)
    squares = (prediction - target).square()
    return Loss(flat(squares).mean(1))


def constant_weight(
    schedule: Schedule, parameterization: Parameterization, t: Time
) -> Float64[Tensor, "*batch"]:
    """Return the weight of any prediction's loss that weights the x_0 error by 1; t in 1..T.

    Eq. losses.constant-eps and losses.constant-v: 1 / SNR for eps and 1 / (SNR + 1) for v. Raises
    ValueError for eps and score at zero SNR, where the weight is infinite.
    """
    check_parameterization("parameterization", parameterization)
    check_time("t", t, 1, schedule.T, schedule.T)
    signal, noise = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t)
    if parameterization == "x0":
        return torch.ones_like(signal)
    if parameterization == "v":
        return noise
    if (signal == 0).any():
        raise ValueError(
            f"a constant weight of x_0 is infinite for {parameterization} at t = {schedule.T}, "
            "where the SNR is 0. Predict v or x0, or use min_snr_weight"
        )
    return noise / signal if parameterization == "eps" else noise**2 / signal


def min_snr_weight(
    schedule: Schedule, parameterization: Parameterization, t: Time, gamma: float = 5.0
) -> Float64[Tensor, "*batch"]:
    """Return the weight of any prediction's loss that weights the x_0 error by min(SNR_t, gamma).

    Eq. losses.min-snr; Hang et al. 2023 (arXiv:2303.09556), section 3.4: min(SNR, gamma) / SNR for
    eps and min(SNR, gamma) / (SNR + 1) for v; t in 1..T. At zero SNR they are 1 and 0, computed
    without 0 / 0. An infinite gamma weights x_0 by the SNR, and eps by 1 at every t.
    """
    check_parameterization("parameterization", parameterization)
    check_time("t", t, 1, schedule.T, schedule.T)
    if not gamma > 0:
        raise ValueError(f"gamma = {gamma} must be above 0; Hang et al. use 5")
    signal, noise = schedule.alpha_bar(t), schedule.one_minus_alpha_bar(t)
    if parameterization == "x0":
        return (signal / noise).clamp(max=gamma)
    if parameterization == "v":
        return torch.minimum(signal, gamma * noise)
    eps_weight = (gamma * noise / signal).clamp(max=1)
    return eps_weight if parameterization == "eps" else noise * eps_weight


# --- the variational bound, in nats --------------------------------------------------------------


def gaussian_kl(left: Gaussian, right: Gaussian) -> Float[Tensor, " batch *event"]:
    """Return KL(left || right) per element in nats, 0 if they are equal. Variances are above 0.

    Eq. losses.kl, where 2 log(eta / sigma) is minus the log of the ratio of variances. Half
    precision is compared in float32.
    """
    check_same_event("right", right.mean, "left", left.mean)
    left, right = left.computable(), right.computable()
    ratio = left.var / right.var
    return (ratio - 1 - ratio.log() + (left.mean - right.mean).square() / right.var) / 2


def log_density(gaussian: Gaussian, x: Float[Tensor, " batch *event"]) -> Tensor:
    """Return log N(x; mean, var) per element in nats. Eq. gaussian-oracle.density.

    Half precision is computed in float32.
    """
    check_same_event("x", x, "mean", gaussian.mean)
    gaussian, x = gaussian.computable(), x.to(compute_dtype(x))
    squares = (x - gaussian.mean).square() / gaussian.var
    return -(squares + gaussian.var.log() + math.log(2 * math.pi)) / 2


def log_grey_level(
    gaussian: Gaussian, x_0: Float[Tensor, " batch *event"], grey_levels: int
) -> Tensor:
    """Return the log probability of each element's grey level, in nats.

    Eq. losses.decoder, losses.decoder-lowest and losses.decoder-highest; Ho et al. (2020), Eq. 13.
    x_0: one of `grey_levels` numbers, evenly spaced over [-1, 1]. A grey level's bin holds every
    number that is nearer to it than to any other grey level; the lowest and the highest bins are
    unbounded, so the probabilities sum to 1. Raises ValueError for more grey levels than x_0's
    dtype can resolve.
    """
    check_same_event("x_0", x_0, "mean", gaussian.mean)
    check_grey_levels(grey_levels, x_0.dtype)
    gaussian, x_0 = gaussian.computable(), x_0.to(compute_dtype(x_0))
    half, std = 1 / (grey_levels - 1), gaussian.var.sqrt()
    difference = x_0 - gaussian.mean  # subtracted first, because half is small compared with x_0
    lowest = torch.special.log_ndtr((half + difference) / std)
    highest = torch.special.log_ndtr((half - difference) / std)
    # By symmetry, take the lower tail: it is never formed as 1 minus a number near 1.
    below = -difference.abs()
    upper = torch.special.log_ndtr((below + half) / std)
    lower = torch.special.log_ndtr((below - half) / std)
    inside = upper + (-(lower - upper).expm1()).log()
    above_lowest = torch.where(x_0 < half - 1, lowest, inside)
    return torch.where(x_0 > 1 - half, highest, above_lowest)


def check_grey_levels(grey_levels: int, dtype: torch.dtype) -> None:
    """Refuse a number of grey levels that is not an int of at least 2, or too large for `dtype`."""
    if isinstance(grey_levels, bool) or not isinstance(grey_levels, int):
        raise TypeError(
            f"grey_levels = {grey_levels!r} is a {type(grey_levels).__name__}; it must be an int"
        )
    most = int(1 / torch.finfo(dtype).eps) // 2  # half a bin is then at least four roundings wide
    if not 2 <= grey_levels <= most:
        raise ValueError(
            f"grey_levels = {grey_levels:,} is outside 2..{most:,}, which {dtype} resolves in "
            "[-1, 1]; for continuous-valued data pass grey_levels=None, which gives a density"
        )


def vlb_term(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    x_t: Float[Tensor, " batch *event"],
    s: Time,
    t: Time,
    reverse: Gaussian,
    grey_levels: int | None,
) -> Float[Tensor, " batch"]:
    """Return the bound's term of the step t -> s, per sample in nats, summed over its event.

    Eq. losses.split, for one draw of x_t: KL(q(x_s | x_t, x_0) || reverse), and for s = 0
    -log p(x_0 | x_t), of grey levels or, where `grey_levels` is None, as a density. reverse: p(x_s
    | x_t), such as `reverse_kernel` returns for a prediction.
    """
    check_same_event("x_t", x_t, "x_0", x_0)
    check_same_event("reverse", reverse.mean, "x_0", x_0)
    work = compute_dtype(x_0)
    x_0, x_t, reverse = x_0.to(work), x_t.to(work), reverse.computable()
    posterior = q_posterior(schedule, x_0, x_t, s, t)
    data = torch.zeros((), dtype=torch.int64, device="cpu")  # the timestep 0
    to_data = expand_to((data == s).double(), x_0) > 0
    # At s = 0 q is a point: its infinite KL would put NaN into the gradient although it is masked.
    step = Gaussian(posterior.mean, torch.where(to_data, reverse.var, posterior.var))
    log_likelihood = (
        log_density if grey_levels is None else partial(log_grey_level, grey_levels=grey_levels)
    )
    terms = torch.where(to_data, -log_likelihood(reverse, x_0), gaussian_kl(step, reverse))
    return flat(terms).sum(1)


def kl_to_noise(q: Gaussian) -> Float[Tensor, " batch"]:
    """Return KL(q || N(0, 1)) per sample in nats, summed over its event. Eq. latent.kl."""
    noise = Gaussian(torch.zeros_like(q.mean), torch.ones_like(q.var))
    return flat(gaussian_kl(q, noise)).sum(1)


def prior_kl(
    schedule: Schedule, x_0: Float[Tensor, " batch *event"], t: Time | None = None
) -> Float[Tensor, " batch"]:
    """Return KL(q(x_t | x_0) || N(0, 1)) per sample in nats, summed over its event; default: t = T.

    Eq. losses.prior: the cost of starting from pure noise although some signal is left at t.
    """
    x_0 = x_0.to(compute_dtype(x_0))
    return kl_to_noise(q_marginal(schedule, x_0, schedule.T if t is None else t))
