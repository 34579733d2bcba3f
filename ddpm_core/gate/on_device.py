"""The mathematics on the very device of a run, held against float64 on the CPU; takes a second.

A certificate speaks of the CPU that the suite ran on. What an accelerator makes of the same code
is asked here: coefficients, q_sample, posterior, conversions and one reverse step in the run's
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
BFLOAT = 2.0**-8
DRAWS = 1 << 20
ALPHA = 1e-9  # of each statistic: two of them
CONVERSIONS: dict[str, tuple[Parameterization, Parameterization]] = {
    "eps -> x0": ("eps", "x0"),
    "x0 -> eps": ("x0", "eps"),
    "x0 -> v": ("x0", "v"),
    "v -> x0": ("v", "x0"),
    "eps -> score": ("eps", "score"),
}


def record(schedule: Schedule, device: torch.device, autocast: bool) -> dict[str, Any]:
    """What was compared and how far it was off: {"device", "worst", "mismatch"}.

    `worst` are the largest errors as shares of what rounding allows; `mismatch` is the first that
    is above 1, in plain words, or None.
    """
    with torch.no_grad(), torch.autocast(device.type, torch.bfloat16, enabled=autocast):
        worst = _affine(schedule, device) | _normal(device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    said = [
        f"{what} on {device} is {share:.3g} times as far off as rounding or chance allows"
        for what, share in worst.items()
        if not share <= 1  # a NaN is wrong
    ]
    return {"device": name, "worst": worst, "mismatch": said[0] if said else None}


def _affine(schedule: Schedule, device: torch.device) -> dict[str, float]:
    """Each answer against its own in float64 on the CPU, as a share of what is allowed.

    An answer in float32 casts two coefficients and makes two products and a sum: 5 u of its terms,
    whose sizes the same function has for absolute values. A step adds a root and a product, 3 u
    more. In bfloat16 the answer is rounded once more, at the end.
    """
    T = schedule.T
    levels = sorted({1, max(1, T // 20), max(1, T // 2), max(1, T - 1)})
    t = torch.tensor([level for level in levels for _ in range(2)])
    draw = keyed_generator(0, "on device")
    x, y = torch.randn(2, len(t), 3, 4, 5, generator=draw).bfloat16().float()

    def asked(name: str, *events: Tensor) -> Tensor:
        first, second = events
        time = t.to(first.device)
        if name == "q_sample":
            return q_sample(schedule, first, time, second)
        if name == "posterior mean":
            return q_posterior(schedule, first, second, time - 1, time).mean
        if name == "posterior variance":
            return q_posterior(schedule, first, second, time - 1, time).var.expand_as(first)
        if name == "reverse step":
            sampler, at = Ancestral(schedule), levels[-1]
            if at == 1:  # one level: the step to data adds no noise
                return sampler.step(lambda x, t: Prediction(first), second, 0, 1, None)[0]
            return sampler.step(lambda x, t: Prediction(first), second, at - 1, at, first)[0]
        source, target = CONVERSIONS[name]
        return convert(schedule, source, target, first, second, time)

    shares = {}
    for name in ("q_sample", "posterior mean", "posterior variance", "reverse step", *CONVERSIONS):
        exact = asked(name, x.double(), y.double())
        size = exact.abs()
        if name != "posterior variance":  # each term by itself
            zero = torch.zeros_like(x, dtype=torch.float64)
            size = asked(name, x.double(), zero).abs() + asked(name, zero, y.double()).abs()
        for dtype, last in ((torch.float32, 0.0), (torch.bfloat16, BFLOAT)):
            got = asked(name, x.to(device, dtype), y.to(device, dtype)).cpu().double()
            allowed = 8 * SINGLE * size * (1 + last) + last * exact.abs()
            off = (got - exact).abs()
            share = torch.where(off == 0, 0.0, off / allowed)  # a NaN stays one
            shares[f"{name} in {str(dtype).removeprefix('torch.')}"] = float(share.max())
    return shares


def _normal(device: torch.device) -> dict[str, float]:
    """Mean and variance of the device's own noise: log p over log alpha, above 1 if rejected."""
    from scipy.stats import chi2, norm  # half a second, which only an accelerator has to spend

    generator = torch.Generator(device).manual_seed(0)
    noise = torch.randn(DRAWS, generator=generator, device=device).cpu().double()
    z = abs(float(noise.sum())) / math.sqrt(DRAWS)
    square = float(noise.square().sum())
    chances = {
        "the mean of randn": 2 * float(norm.sf(z)),
        "the variance of randn": 2 * float(min(chi2.cdf(square, DRAWS), chi2.sf(square, DRAWS))),
    }
    # log p / log alpha: 0 where p = 1, and 1 at p = alpha.
    return {
        name: math.log(min(1.0, p)) / math.log(ALPHA) if p > 0 else math.inf
        for name, p in chances.items()
    }
