"""The variational bound per image, term by term, in nats and in bits per dimension."""

import math
from collections.abc import Callable
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Gaussian, evaluate
from ddpm_core.clock import Time
from ddpm_core.forward_process import q_sample
from ddpm_core.losses import prior_kl, vlb_term
from ddpm_core.samplers.ancestral import Variance, check_variance, reverse_kernel
from ddpm_core.samplers.base import NoiseSource, check_times
from ddpm_core.schedules import Schedule

ReverseKernel = Callable[[Tensor, Time, Time], Gaussian]
"""(x_t, s, t) -> p(x_s | x_t), a Gaussian; at s = 0 it is the decoder p(x_0 | x_t)."""


def reverse_of(
    schedule: Schedule,
    denoiser: Denoiser,
    variance: Variance = "fixed_small",
    cond: Int[Tensor, " batch"] | None = None,
) -> ReverseKernel:
    """Return the `reverse_kernel` of a denoiser's x0_hat and var_interpolation.

    Eq. losses.mean-hat.
    """
    check_variance(variance)

    def _reverse(x_t: Tensor, s: Time, t: Time) -> Gaussian:
        prediction = evaluate(denoiser, x_t, t, cond)
        return reverse_kernel(
            schedule, prediction.x0_hat, x_t, s, t, variance, prediction.var_interpolation
        )

    return _reverse


def vlb_terms(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    reverse: ReverseKernel,
    noise_source: NoiseSource,
    *,
    grey_levels: int | None,
    times: tuple[int, ...] = (),
) -> Float[Tensor, "terms batch"]:
    """Return every term of the bound on -log p(x_0), per sample in nats: L_0, L_1, ..., L_T.

    Eq. losses.split, with one draw of x_t per timestep; the sum of the terms is an unbiased
    estimate of the bound. noise_source(t): standard normal noise of x_0's shape. grey_levels: the
    number of grey levels of x_0, None for the density of continuous-valued data. times: the
    timesteps of the reverse process, decreasing to 0; default: all.
    """
    timesteps = check_times(times, schedule.T)
    terms = []
    for s, t in pairwise(reversed(timesteps)):
        x_t = q_sample(schedule, x_0, t, noise_source(t))
        terms.append(vlb_term(schedule, x_0, x_t, s, t, reverse(x_t.clone(), s, t), grey_levels))
    return torch.stack([*terms, prior_kl(schedule, x_0, timesteps[0])])


def stratified_vlb(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    reverse: ReverseKernel,
    generator: torch.Generator,
    *,
    grey_levels: int | None,
    strata: int = 20,
    antithetic: bool = False,
) -> Float[Tensor, "strata_and_prior batch"]:
    """Return an unbiased estimate of each sample's bound, in nats, from `strata` of its T terms.

    Eq. likelihood.stratum: 1..T is divided into `strata` intervals of nearly equal length. Every
    sample draws one timestep of each, whose term is multiplied by the interval's length. The last
    row is the prior term, which is exact. antithetic: each term is the mean over a noise and its
    negative, with two evaluations of `reverse`. Samples draw independently, so the spread of their
    sums gives the standard error of a mean.
    """
    if not 1 <= strata <= schedule.T:
        raise ValueError(f"strata = {strata} is outside 1..T = {schedule.T}; each needs a timestep")
    ends = [k * schedule.T // strata for k in range(strata + 1)]
    rows = []
    for low, high in pairwise(ends):
        t = torch.randint(
            low + 1, high + 1, x_0.shape[:1], generator=generator, device=generator.device
        )
        noise = torch.randn(
            x_0.shape, dtype=x_0.dtype, generator=generator, device=generator.device
        ).to(x_0.device)
        terms = []
        for each in (noise, -noise) if antithetic else (noise,):
            x_t = q_sample(schedule, x_0, t, each)
            terms.append(
                vlb_term(schedule, x_0, x_t, t - 1, t, reverse(x_t.clone(), t - 1, t), grey_levels)
            )
        rows.append((high - low) * torch.stack(terms).mean(0))
    return torch.stack([*rows, prior_kl(schedule, x_0)])


def bits_per_dim(nats: Float[Tensor, "*shape"], dims: int) -> Float[Tensor, "*shape"]:
    """Convert nats per event to bits for each of its `dims` numbers. Eq. likelihood.bits."""
    return nats / (dims * math.log(2))


def dequantised_bits_per_dim(
    nats: Float[Tensor, "*shape"], dims: int, grey_levels: int
) -> Float[Tensor, "*shape"]:
    """Convert nats of a density of dequantised data to bits per dimension of their grey levels.

    Eq. likelihood.dequantised: uniform noise as wide as one grey level was added to data in
    [-1, 1]. The probability of a grey level is the mean density over this width, times the width.
    """
    return bits_per_dim(nats, dims) + math.log2((grey_levels - 1) / 2)
