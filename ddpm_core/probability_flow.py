"""Densities along the probability flow: Heun's method for the state and its log volume."""

from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from ddpm_core._types import (
    Denoiser,
    Gaussian,
    check_same_event,
    compute_dtype,
    evaluate,
    expand_to,
    flat,
    promoted,
)
from ddpm_core.forward_process import q_marginal, q_sample
from ddpm_core.likelihood import ReverseKernel
from ddpm_core.losses import log_density, vlb_term
from ddpm_core.parameterization import convert
from ddpm_core.samplers.base import check_times
from ddpm_core.samplers.dpm_solver import log_scale_to_noise
from ddpm_core.schedules import Schedule


@dataclass(frozen=True)
class Flow:
    """The end of the probability flow from the lowest timestep, and its change of volume."""

    x_T: Float[Tensor, " batch *event"]
    log_volume: Float64[Tensor, "probes batch"]  # log |det dx_T/dx_1| in nats, per probe


@dataclass(frozen=True)
class FlowDensity:
    """log p_1 of each sample in nats, with estimates of its error."""

    nats: Float64[Tensor, " batch"]
    probe_error: Float64[Tensor, " batch"]  # standard error; 0 if exact, NaN for one probe
    step_error: Float64[Tensor, " batch"]  # estimated from steps of twice the length


def probability_flow(
    schedule: Schedule,
    denoiser: Denoiser,
    x_1: Float[Tensor, " batch *event"],
    probes: Float[Tensor, " probes batch *event"] | None = None,
    *,
    times: tuple[int, ...] = (),
    cond: Int[Tensor, " batch"] | None = None,
) -> Flow:
    """Integrate the state and its log volume up from the lowest timestep by Heun's method.

    Eq. probability-flow.step and probability-flow.volume; Song et al. (2021, arXiv:2011.13456),
    Eq. 39. x_1: the state at the lowest of `times` above 0. times: decreasing to 0, as a sampler's;
    default: all. probes: vectors of mean 0 and covariance 1, for unbiased estimates of the
    divergence (Hutchinson 1990); None computes it exactly, with one backward pass for each number
    of an event. The denoiser is differentiated, but the answers carry no gradient. Half precision
    is integrated in float32. Raises ValueError for a flow through zero SNR.
    """
    timesteps = check_times(times, schedule.T)[:-1]
    if schedule.has_zero_terminal_snr and timesteps[0] == schedule.T:
        raise ValueError(
            f"times begins at t = {schedule.T}, where the SNR is 0 and the flow diverges; begin "
            f"at t = {schedule.T - 1} or below"
        )
    if probes is not None and (probes.shape[1:] != x_1.shape or len(probes) == 0):
        raise ValueError(
            f"probes has shape {tuple(probes.shape)}, but x_1 has {tuple(x_1.shape)}; it needs a "
            "first axis more, with at least one probe"
        )
    x_1 = x_1.to(compute_dtype(x_1))
    probes = None if probes is None else promoted(probes, x_1)
    slope_at = partial(_slope, schedule, denoiser, probes, cond)
    count, dims = 1 if probes is None else len(probes), flat(x_1).shape[1]
    volume = torch.zeros(count, len(x_1), dtype=torch.float64, device="cpu")
    for s, t in pairwise(reversed(timesteps)):
        h = log_scale_to_noise(schedule, s, t)
        step = schedule.one_minus_alpha_bar(t).sqrt() * -(-h).expm1()  # sqrt(ab_t) (r_t - r_s)
        x0_hat, slope, divergence = slope_at(x_1, s)
        euler = q_sample(schedule, x0_hat, t, slope)  # Euler's step
        _, slope_at_end, divergence_at_end = slope_at(euler, t)
        x_1 = euler + expand_to(step / 2, euler) * (slope_at_end - slope)
        log_alpha = schedule.log_alpha(s, t)
        mean_divergence = (divergence * (-log_alpha / 2).exp() + divergence_at_end) / 2
        volume = volume + dims * log_alpha / 2 + step * mean_divergence
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
    """Return log p_1(x_1), the density under the flow if its last state is standard normal.

    Eq. probability-flow.density; arguments: as for `probability_flow`. It is the density of data
    noised to the lowest timestep, which `flow_bound` relates to data. The step error is a third of
    the change when every other timestep is left out (Eq. probability-flow.doubling).
    """
    timesteps = check_times(times, schedule.T)
    if len(timesteps) < 4:
        raise ValueError(
            f"times = {timesteps} has {len(timesteps) - 1} timesteps above 0; the estimate "
            "of the step error needs at least 3"
        )
    *upper, lowest = timesteps[:-1]
    doubled = (*upper[::2], lowest, 0)
    densities = []
    for each in (timesteps, doubled):
        flow = probability_flow(schedule, denoiser, x_1, probes, times=each, cond=cond)
        noise = Gaussian(torch.zeros_like(flow.x_T), torch.ones_like(flow.x_T))
        log_p_T = flat(log_density(noise, flow.x_T)).double().sum(1).cpu()
        densities.append(log_p_T + flow.log_volume)
    fine, coarse = (each.mean(0) for each in densities)
    error = torch.zeros_like(fine)
    if probes is not None:
        n = len(probes)
        error = ((densities[0] - fine).square().sum(0) / (n * (n - 1))).sqrt()
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
    """Return an unbiased estimate, per sample in nats, of a bound on -log p(x_0) from log p_1(x_1).

    Eq. probability-flow.data: the noise at t, the flow's lowest timestep, dequantises the data. x_1
    is drawn from q(x_t | x_0); reverse(x_1, 0, t) is the decoder; grey_levels: as for `vlb_terms`.
    With the decoder and the density of the data themselves it is -log p(x_0) for every x_1.
    """
    check_same_event("x_1", x_1, "x_0", x_0)
    decoder = vlb_term(schedule, x_0, x_1, 0, t, reverse(x_1.clone(), 0, t), grey_levels)
    work = compute_dtype(x_0)
    log_q = flat(log_density(q_marginal(schedule, x_0.to(work), t), x_1.to(work))).sum(1)
    return log_q - log_p_1 + decoder


def _slope(
    schedule: Schedule,
    denoiser: Denoiser,
    probes: Tensor | None,
    cond: Tensor | None,
    x: Tensor,
    t: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (x0_hat, eps_hat, the divergence of eps_hat by each probe, in float64 on the CPU)."""
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        x0_hat = promoted(evaluate(denoiser, x, t, cond).x0_hat, x)
        if not x0_hat.requires_grad:
            raise ValueError(
                "the denoiser's x0_hat does not depend on x_t for autograd, so the flow has no "
                "divergence. Do not detach it, and write a constant as 0 * x_t + constant"
            )
        eps_hat = convert(schedule, "x0", "eps", x0_hat, x, t)
        divergence = _trace(x, eps_hat) if probes is None else _quadratic_form(probes, x, eps_hat)
    return x0_hat.detach(), eps_hat.detach(), divergence.detach().double().cpu()


def _quadratic_form(probes: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Return (probes, batch): for each vector v, the sum of v_i v_j dy_i / dx_j over an event."""
    gradients = (torch.autograd.grad(y, x, each, retain_graph=True)[0] for each in probes)
    return torch.stack([flat(v * each).sum(1) for v, each in zip(probes, gradients, strict=True)])


def _trace(x: Tensor, y: Tensor) -> Tensor:
    """Return (1, batch): the sum of dy_i / dx_i over an event, by one unit vector per number."""
    total = x.new_zeros(1, len(x))
    for i in range(flat(x).shape[1]):
        unit = torch.zeros_like(x)
        flat(unit)[:, i] = 1
        total = total + _quadratic_form(unit[None], x, y)
    return total
