"""A variance that the network chooses: between which ends, and what trains it."""

from dataclasses import replace

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core._types import Gaussian, compute_dtype, expand_to, flat
from ddpm_core.clock import Time, check_pair
from ddpm_core.losses import Loss, vlb_term
from ddpm_core.schedules import Schedule

HYBRID_WEIGHT = 1e-3  # of the bound beside L_simple, as in Nichol & Dhariwal (2021)


def split_range(
    answer: Float[Tensor, " batch twice *rest"],
) -> tuple[Float[Tensor, " batch once *rest"], Float[Tensor, " batch once *rest"]]:
    """Split a network's output into (prediction, var_interpolation), channel by channel.

    Eq. learned-variance.range; Nichol & Dhariwal (2021), section 3.1, whose interpolation
    coefficient is v: an output of -1 is v = 0, the lower end, and an output of 1 is v = 1, the
    upper end. v is not clipped to [0, 1].
    """
    if answer.ndim < 2 or answer.shape[1] % 2:
        raise ValueError(
            f"the network answered a tensor of shape {tuple(answer.shape)}; one that learns the "
            "variance answers twice the channels, predictions before what it says of the variance"
        )
    value, raw = answer.chunk(2, dim=1)
    return value, (raw + 1) / 2


def learned_range(
    schedule: Schedule, var_interpolation: Float[Tensor, " batch *event"], s: Time, t: Time
) -> Float[Tensor, " batch *event"]:
    """Return exp(v log beta_ts + (1 - v) log beta-tilde_ts), the variance of t -> s; v is
    var_interpolation.

    Eq. learned-variance.range; Nichol & Dhariwal (2021), Eq. 15. At s = 0, where the posterior has
    no variance, the way begins at beta-tilde of the pair (1, 2) (Eq. learned-variance.decoder).
    Raises ValueError for T = 1, which has no such pair.
    """
    if schedule.T < 2:
        raise ValueError("variance = 'learned_range' needs T >= 2; with one level take a fixed one")
    check_pair(s, t, schedule.T, var_interpolation)
    low: tuple[Time, Time] = (s, t) if isinstance(s, int) and s > 0 else (1, 2)
    if not isinstance(s, int):
        low = s.clamp(min=1), torch.where(s > 0, t, 2)
    kept = schedule.one_minus_alpha_bar(low[0]) / schedule.one_minus_alpha_bar(low[1])
    upper = schedule.beta_between(s, t)
    log_lower = (schedule.beta_between(*low) * kept / upper).log()  # of the lower end over it
    work = compute_dtype(var_interpolation)
    raised = ((1 - var_interpolation.to(work)) * expand_to(log_lower, var_interpolation)).exp()
    return (expand_to(upper, var_interpolation) * raised).to(var_interpolation.dtype)


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
    """`simple`, and a little of the bound's term t - 1 -> t of each sample, in nats per dimension.

    Eq. learned-variance.hybrid; Nichol & Dhariwal (2021), Eq. 16, who take a weight of 0.001. The
    term stands for all T, so T times it is the bound in the mean over t. Its gradient stops at
    reverse's mean: it trains the variance alone. reverse and grey_levels as of `vlb_term`.
    """
    held = replace(reverse, mean=reverse.mean.detach())
    terms = vlb_term(schedule, x_0, x_t, t - 1, t, held, grey_levels)
    per_dim = terms / flat(x_0).shape[1]
    return Loss(simple.per_sample + weight * schedule.T * per_dim)


def timestep_probabilities(mean_squares: Float64[Tensor, " T"]) -> Float64[Tensor, " T"]:
    """How often to draw each of t = 1..T so that terms divided by it vary least.

    Eq. learned-variance.importance; Nichol & Dhariwal (2021), Eq. 18. mean_squares: of each level's
    term. Where all are 0, every level is drawn as often as any other.
    """
    roots = mean_squares.sqrt()
    total = roots.sum()
    return torch.where(total > 0, roots / total, 1 / len(roots))
