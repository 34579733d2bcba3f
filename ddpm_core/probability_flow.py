"""The density of data along the probability flow: where it leads, and how it stretches space."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ddpm_core._types import Denoiser, Gaussian, check_same_event, expand_to, flat
from ddpm_core.forward_process import q_marginal, q_sample
from ddpm_core.likelihood import ReverseKernel
from ddpm_core.losses import log_density, vlb_term
from ddpm_core.parameterization import convert
from ddpm_core.samplers.base import check_times
from ddpm_core.samplers.dpm_solver import log_scale_to_noise
from ddpm_core.schedules import Schedule


@dataclass(frozen=True)
class Flow:
    """Where the probability flow leads a state at the lowest level, and how it stretches space."""

    x_T: Float[Tensor, " batch *event"]
    log_volume: Float64[Tensor, "probes batch"]  # log |det dx_T/dx_1| in nats, by each probe


@dataclass(frozen=True)
class FlowDensity:
    """log p_1 of each sample in nats, and how far it may be off."""

    nats: Float64[Tensor, " batch"]
    probe_error: Float64[Tensor, " batch"]  # standard error; 0 if exact, nan of a single probe
    step_error: Float64[Tensor, " batch"]  # what doubling the steps says is left


def probability_flow(
    schedule: Schedule,
    denoiser: Denoiser,
    x_1: Float[Tensor, " batch *event"],
    probes: Float[Tensor, " probes batch *event"] | None = None,
    *,
    times: tuple[int, ...] = (),
    cond: Int[Tensor, " batch"] | None = None,
) -> Flow:
    """Heun's method from the lowest level up, for the state and the volume together.

    Eq. probability-flow.step and probability-flow.volume; Song et al. (2021, arXiv:2011.13456),
    Eq. 39. x_1: at the lowest of `times` above 0. times: falling to 0 as a sampler's, all levels by
    default. probes: vectors of mean 0 and covariance 1 that make unbiased estimates of the
    divergence (Hutchinson 1990); None works it out exactly, by one backward pass for each number of
    an event. The denoiser is differentiated. Raises ValueError for a flow through zero SNR.
    """
    timesteps = check_times(times, schedule.T)[:-1]
    if schedule.has_zero_terminal_snr and timesteps[0] == schedule.T:
        raise ValueError(
            f"times begins at t = {schedule.T}, where the SNR is 0 and the flow ends at infinity; "
            f"begin one level lower, at {schedule.T - 1}"
        )
    if probes is not None and (probes.shape[1:] != x_1.shape or len(probes) == 0):
        raise ValueError(
            f"probes has shape {tuple(probes.shape)}, but x_1 has {tuple(x_1.shape)}; it needs one "
            "axis more, in front, with at least one probe"
        )
    at = partial(_slope, schedule, denoiser, probes, cond)
    rows, dims = 1 if probes is None else len(probes), flat(x_1).shape[1]
    volume = torch.zeros(rows, len(x_1), dtype=torch.float64)
    for s, t in pairwise(reversed(timesteps)):
        h = log_scale_to_noise(schedule, s, t)
        apart = schedule.one_minus_alpha_bar(t).sqrt() * -(-h).expm1()  # sqrt(ab_t) (r_t - r_s)
        x0_hat, slope, spread = at(x_1, s)
        euler = q_sample(schedule, x0_hat, t, slope)  # Euler's step
        _, at_end, spread_at_end = at(euler, t)
        x_1 = euler + expand_to(apart / 2, euler) * (at_end - slope)
        log_alpha = schedule.log_alpha(s, t)
        means = (spread * (-log_alpha / 2).exp() + spread_at_end) / 2
        volume = volume + dims * log_alpha / 2 + apart * means
    return Flow(x_1, volume)


def flow_log_density(
    schedule: Schedule,
    denoiser: Denoiser,
    x_1: Float[Tensor, " batch *event"],
    probes: Float[Tensor, " probes batch *event"] | None = None,
    *,
    times: tuple[int, ...] = (),
    cond: Int[Tensor, " batch"] | None = None,
) -> FlowDensity:
    """log p_1(x_1), the density that the flow gives if its last level is pure noise.

    Eq. probability-flow.density; arguments as of `probability_flow`. It is a density of data noised
    to the lowest level, which `flow_bound` relates to data. The step error is a third of what the
    answer moves by if every other level is left out (Eq. probability-flow.doubling).
    """
    timesteps = check_times(times, schedule.T)
    if len(timesteps) < 4:
        raise ValueError(
            f"times = {timesteps} has {len(timesteps) - 1} timesteps above 0; the error from "
            "doubled steps needs at least 3"
        )
    *upper, lowest = timesteps[:-1]
    doubled = (*upper[::2], lowest, 0)
    found = []
    for each in (timesteps, doubled):
        flow = probability_flow(schedule, denoiser, x_1, probes, times=each, cond=cond)
        noise = Gaussian(torch.zeros_like(flow.x_T), torch.ones_like(flow.x_T))
        last = flat(log_density(noise, flow.x_T)).double().sum(1).cpu()
        found.append(last + flow.log_volume)
    fine, coarse = (each.mean(0) for each in found)
    error = torch.zeros_like(fine)
    if probes is not None:
        n = len(probes)
        error = ((found[0] - fine).square().sum(0) / (n * (n - 1))).sqrt()
    return FlowDensity(fine, error, (coarse - fine).abs() / 3)


def flow_bound(
    schedule: Schedule,
    x_0: Float[Tensor, " batch *event"],
    x_1: Float[Tensor, " batch *event"],
    log_p_1: Float64[Tensor, " batch"],
    reverse: ReverseKernel,
    *,
    grey_levels: int | None,
    t: int = 1,
) -> Float[Tensor, " batch"]:
    """An unbiased estimate of a bound on -log p(x_0) of each sample, in nats, from log p_1(x_1).

    Eq. probability-flow.data: level t, the lowest of the flow, dequantises the data. x_1 is drawn
    from q(x_t | x_0); reverse(x_1, 0, t) is the decoder; grey_levels as of `vlb_terms`. With the
    decoder and the density of the data themselves it is -log p(x_0), whatever x_1 is.
    """
    check_same_event("x_1", x_1, "x_0", x_0)
    added = flat(log_density(q_marginal(schedule, x_0, t), x_1)).sum(1)
    return added - log_p_1 + vlb_term(schedule, x_0, x_1, 0, t, reverse(x_1, 0, t), grey_levels)


def _slope(
    schedule: Schedule,
    denoiser: Denoiser,
    probes: Tensor | None,
    cond: Tensor | None,
    x: Tensor,
    t: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """(x0_hat, eps_hat, the divergence of eps_hat by each probe, in float64 on the CPU)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0_hat = denoiser(x, t, cond).x0_hat
        if not x0_hat.requires_grad:
            raise ValueError(
                "the denoiser's x0_hat does not depend on x_t for autograd, so the flow has no "
                "divergence; do not detach it, and write a constant as 0 * x_t + constant"
            )
        eps_hat = convert(schedule, "x0", "eps", x0_hat, x, t)
        found = _trace(x, eps_hat) if probes is None else _along(probes, x, eps_hat)
    return x0_hat.detach(), eps_hat.detach(), found.double().cpu()


def _along(probes: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """(probes, batch): for each vector v, the sum of v_i v_j dy_i / dx_j over an event."""
    pulled = (torch.autograd.grad(y, x, each, retain_graph=True)[0] for each in probes)
    return torch.stack([flat(v * each).sum(1) for v, each in zip(probes, pulled, strict=True)])


def _trace(x: Tensor, y: Tensor) -> Tensor:
    """(1, batch): the sum of dy_i / dx_i over an event, one unit vector after another."""
    total = x.new_zeros(1, len(x))
    for i in range(flat(x).shape[1]):
        unit = torch.zeros_like(x)
        flat(unit)[:, i] = 1
        total = total + _along(unit[None], x, y)
    return total
