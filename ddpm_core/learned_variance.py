"""A learned reverse variance: interpolation between the two fixed variances, and its training."""

from dataclasses import replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core._types import Gaussian, compute_dtype, expand_to, flat
from ddpm_core.clock import Time, check_pair
from ddpm_core.losses import Loss, vlb_term
from ddpm_core.schedules import Schedule

HYBRID_WEIGHT = 1e-3  # weight of the bound in L_hybrid; Nichol & Dhariwal (2021)


def split_range(
    output: Float[Tensor, " batch twice *rest"],
) -> tuple[Float[Tensor, " batch once *rest"], Float[Tensor, " batch once *rest"]]:
    """Split a network's output into (prediction, var_interpolation), channel by channel.

    Eq. learned-variance.range; Nichol & Dhariwal (2021), section 3.1, whose interpolation
    coefficient is v: an output of -1 is v = 0, the lower end, and an output of 1 is v = 1, the
    upper end. v is not clipped to [0, 1].
    """
    if output.ndim < 2 or output.shape[1] % 2:
        raise ValueError(
            f"the network's output has shape {tuple(output.shape)}; with a learned variance it "
            "must have twice the channels: the prediction first, then the variance's interpolation"
        )
    value, raw = output.chunk(2, dim=1)
    return value, (raw + 1) / 2


def learned_range(
    schedule: Schedule, var_interpolation: Float[Tensor, " batch *event"], s: Time, t: Time
) -> Float[Tensor, " batch *event"]:
    """Return the variance exp(v log beta_ts + (1 - v) log beta-tilde_ts) of the step t -> s.

    v is var_interpolation. Eq. learned-variance.range; Nichol & Dhariwal (2021), Eq. 15. At s = 0,
    where the posterior has variance 0, the lower end is beta-tilde of the pair (1, 2) (Eq.
    learned-variance.decoder). Raises ValueError for T = 1, which has no such pair.
    """
    if schedule.T < 2:
        raise ValueError("variance = 'learned_range' needs T >= 2; with T = 1 use a fixed one")
    check_pair(s, t, schedule.T, var_interpolation)
    low: tuple[Time, Time] = (s, t) if isinstance(s, int) and s > 0 else (1, 2)
    if not isinstance(s, int):
        low = s.clamp(min=1), torch.where(s > 0, t, 2)
    ratio = schedule.one_minus_alpha_bar(low[0]) / schedule.one_minus_alpha_bar(low[1])
    upper = schedule.beta_between(s, t)
    log_lower = (schedule.beta_between(*low) * ratio / upper).log()  # lower end / upper end
    work = compute_dtype(var_interpolation)
    factor = ((1 - var_interpolation.to(work)) * expand_to(log_lower, var_interpolation)).exp()
    return (expand_to(upper, var_interpolation) * factor).to(var_interpolation.dtype)


def l_hybrid(
    schedule: Schedule,
    simple: Loss,
    x_0: Float[Tensor, " batch *event"],
    x_t: Float[Tensor, " batch *event"],
    t: Time,
    reverse: Gaussian,
    grey_levels: int | None,
    weight: float = HYBRID_WEIGHT,
) -> Loss:
    """Return `simple` plus weight times T times the bound's term of t, in nats per dimension.

    Eq. learned-variance.hybrid; Nichol & Dhariwal (2021), Eq. 16, with weight 0.001. For uniform t,
    T times the term estimates the bound. Its gradient does not reach reverse's mean, so it trains
    the variance alone. reverse, grey_levels: as for `vlb_term`.
    """
    detached = replace(reverse, mean=reverse.mean.detach())
    terms = vlb_term(schedule, x_0, x_t, t - 1, t, detached, grey_levels)
    per_dim = terms / flat(x_0).shape[1]
    return Loss(simple.per_sample + weight * schedule.T * per_dim)


def timestep_probabilities(mean_squares: Float64[Tensor, " T"]) -> Float64[Tensor, " T"]:
    """Return the probabilities of t = 1..T that minimise the variance of importance sampling.

    Eq. learned-variance.importance; Nichol & Dhariwal (2021), Eq. 18. mean_squares: the mean square
    of the bound's term at each timestep. If all are 0, the probabilities are uniform.
    """
    roots = mean_squares.sqrt()
    total = roots.sum()
    return torch.where(total > 0, roots / total, 1 / len(roots))
