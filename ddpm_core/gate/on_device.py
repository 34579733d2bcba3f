"""Check of the mathematics on the device of a run against float64 on the CPU; takes a second.

A certificate covers the CPU on which the suite ran. This module tests the same code on an
accelerator: coefficients, q_sample, posterior, conversions and one reverse step in the run's
precision, and the device's own normal generator.
"""

import math
from typing import Any

import torch
from torch import Tensor

from ddpm_core._types import Parameterization, Prediction
from ddpm_core.forward_process import q_sample
from ddpm_core.parameterization import convert
from ddpm_core.posterior import q_posterior
from ddpm_core.randomness import keyed_generator
from ddpm_core.samplers.ancestral import Ancestral
from ddpm_core.schedules import Schedule

SINGLE = 2.0**-24  # unit roundoff of float32
BFLOAT = 2.0**-8  # unit roundoff of bfloat16
DRAWS = 1 << 20
ALPHA = 1e-9  # false-alarm probability of each of the two statistics
CONVERSIONS: dict[str, tuple[Parameterization, Parameterization]] = {
    "eps -> x0": ("eps", "x0"),
    "x0 -> eps": ("x0", "eps"),
    "x0 -> v": ("x0", "v"),
    "v -> x0": ("v", "x0"),
    "eps -> score": ("eps", "score"),
}


def record(schedule: Schedule, device: torch.device, autocast: bool) -> dict[str, Any]:
    """Run all comparisons; return {"device", "worst", "mismatch"}.

    `worst` maps each comparison to its largest error as a fraction of the bound; `mismatch`
    describes the first fraction above 1, or is None.
    """
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        worst = _affine(schedule, device) | _normal(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    mismatches = [
        f"{what} on {device} has {fraction:.3g} times the error that rounding or noise explains"
        for what, fraction in worst.items()
        if not fraction <= 1  # negated, so that NaN counts
    ]
    return {"device": name, "worst": worst, "mismatch": mismatches[0] if mismatches else None}


def _affine(schedule: Schedule, device: torch.device) -> dict[str, float]:
    """Return the error of each result relative to float64 on the CPU, as a fraction of its bound.

    A float32 result casts two coefficients and computes two products and a sum: 5 u of the sizes of
    its terms. A reverse step adds a root and a product: 3 u more. A bfloat16 result is rounded once
    more at the end.
    """
    T = schedule.T
    timesteps = sorted({1, max(1, T // 20), max(1, T // 2), max(1, T - 1)})
    t = torch.tensor([timestep for timestep in timesteps for _ in range(2)])
    draw = keyed_generator(0, "on device")
    x, y = torch.randn(2, len(t), 3, 4, 5, generator=draw).bfloat16().float()

    def evaluate(name: str, first: Tensor, second: Tensor) -> Tensor:
        time = t.to(first.device)
        if name == "q_sample":
            return q_sample(schedule, first, time, second)
        if name == "posterior mean":
            return q_posterior(schedule, first, second, time - 1, time).mean
        if name == "posterior variance":
            return q_posterior(schedule, first, second, time - 1, time).var.expand_as(first)
        if name == "reverse step":
            sampler, at = Ancestral(schedule), timesteps[-1]
            if at == 1:  # T = 1: the step to data adds no noise
                return sampler.step(lambda x, t: Prediction(first), second, 0, 1, None)[0]
            return sampler.step(lambda x, t: Prediction(first), second, at - 1, at, first)[0]
        source, target = CONVERSIONS[name]
        return convert(schedule, source, target, first, second, time)

    fractions = {}
    for name in ("q_sample", "posterior mean", "posterior variance", "reverse step", *CONVERSIONS):
        exact = evaluate(name, x.double(), y.double())
        size = exact.abs()
        if name != "posterior variance":  # the sizes of both terms, each evaluated alone
            zero = torch.zeros_like(x, dtype=torch.float64)
            size = evaluate(name, x.double(), zero).abs()
            size = size + evaluate(name, zero, y.double()).abs()
        for dtype, last in ((torch.float32, 0.0), (torch.bfloat16, BFLOAT)):
            got = evaluate(name, x.to(device, dtype), y.to(device, dtype)).cpu().double()
            allowed = 8 * SINGLE * size * (1 + last) + last * exact.abs()
            off = (got - exact).abs()
            fraction = torch.where(off == 0, 0.0, off / allowed)  # NaN stays NaN
            fractions[f"{name} in {str(dtype).removeprefix('torch.')}"] = float(fraction.max())
    return fractions


def _normal(device: torch.device) -> dict[str, float]:
    """Test mean and variance of the device's noise; return log p / log alpha (rejected: > 1)."""
    from scipy.stats import chi2, norm  # slow import (0.5 s), needed only on an accelerator

    generator = torch.Generator(device).manual_seed(0)
    noise = torch.randn(DRAWS, generator=generator, device=device).cpu().double()
    z = abs(float(noise.sum())) / math.sqrt(DRAWS)
    square = float(noise.square().sum())
    p_values = {
        "the mean of randn": 2 * float(norm.sf(z)),
        "the variance of randn": 2 * float(min(chi2.cdf(square, DRAWS), chi2.sf(square, DRAWS))),
    }
    # log p / log alpha: 0 where p = 1, and 1 at p = alpha.
    return {
        name: math.log(min(1.0, p)) / math.log(ALPHA) if p > 0 else math.inf
        for name, p in p_values.items()
    }
