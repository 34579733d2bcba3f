"""Parameterizations of the prediction (eps, x0, v, score), and the conversions between them."""

import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_core._types import (
    Parameterization,
    check_parameterization,
    check_same_event,
    compute_dtype,
    expand_to,
)
from ddpm_core.clock import Time, check_time
from ddpm_core.schedules import Schedule


def convert(
    schedule: Schedule,
    source: Parameterization,
    target: Parameterization,
    value: Float[Tensor, " batch *event"],
    x_t: Float[Tensor, " batch *event"],
    t: Time,
) -> Float[Tensor, " batch *event"]:
    """Convert `value` from `source` to `target` at (x_t, t); t in 1..T, or 0 where that is defined.

    Eq. parameterization.eps-to-x0 and the eleven others, <source>-to-<target>; v is Salimans & Ho
    (2022), the score Song et al. (2021). Raises ValueError where the conversion does not exist:
    from eps or score at zero SNR; at t = 0, x0 -> eps, x0 -> v, and from or to the score.
    """
    check_parameterization("source", source)
    check_parameterization("target", target)
    check_same_event("value", value, "x_t", x_t)
    check_time("t", t, 0, schedule.T, schedule.T, x_t)
    if source == target:
        return value
    _check_domain(schedule, source, target, t)

    coef_xt, coef_value = _coefficients(schedule, source, target, t)
    work = compute_dtype(x_t)
    converted = expand_to(coef_value, value) * value.to(work)
    if coef_xt is not None:
        converted = converted + expand_to(coef_xt, x_t) * x_t.to(work)
    return converted.to(x_t.dtype)


def _coefficients(
    schedule: Schedule, source: Parameterization, target: Parameterization, t: Time
) -> tuple[Tensor | None, Tensor]:
    """Return (coef_xt, coef_value) such that target = coef_xt x_t + coef_value value."""
    one_minus = schedule.one_minus_alpha_bar(t)
    scale = schedule.alpha_bar(t).sqrt()  # x_t = scale x_0 + sigma eps
    sigma = one_minus.sqrt()
    match source, target:
        case "eps", "x0":
            return 1 / scale, -sigma / scale
        case "v", "x0":
            return scale, -sigma
        case "score", "x0":
            return 1 / scale, one_minus / scale
        case "x0", "eps":
            return 1 / sigma, -scale / sigma
        case "v", "eps":
            return sigma, scale
        case "score", "eps":
            return None, -sigma
        case "eps", "v":
            return -sigma / scale, 1 / scale
        case "x0", "v":
            return scale / sigma, -1 / sigma
        case "score", "v":
            return -sigma / scale, -sigma / scale
        case "eps", "score":
            return None, -1 / sigma
        case "x0", "score":
            return -1 / one_minus, scale / one_minus
        case "v", "score":
            return -torch.ones_like(sigma), -scale / sigma
    raise AssertionError(f"no conversion from {source} to {target}")


def _check_domain(
    schedule: Schedule, source: Parameterization, target: Parameterization, t: Time
) -> None:
    pair = f"{source} -> {target}"
    if schedule.has_zero_terminal_snr and source in ("eps", "score"):
        rule = f"{pair} does not exist at t = {schedule.T}, where the SNR is 0 and x_t holds no x_0"
        hint = "Use a network that predicts x0 or v, or omit that timestep"
        _refuse(t, 0, schedule.T - 1, schedule.T, rule, hint)
    if "score" in (source, target) or pair in ("x0 -> eps", "x0 -> v"):
        rule = f"{pair} does not exist at t = 0, where x_t holds no noise"
        _refuse(t, 1, schedule.T, schedule.T, rule, "Use t in 1..T")


def _refuse(t: Time, lowest: int, highest: int, T: int, rule: str, hint: str) -> None:
    try:
        check_time("t", t, lowest, highest, T)
    except ValueError as outside:
        raise ValueError(f"{rule}. {hint} ({outside})") from None
