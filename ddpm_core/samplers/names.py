"""The samplers by the names that commands know them by."""

from collections.abc import Mapping
from typing import Any, Literal

from ddpm_core.samplers.ancestral import Ancestral, Variance
from ddpm_core.samplers.base import Sampler
from ddpm_core.samplers.ddim import DDIM
from ddpm_core.samplers.dpm_solver import DPMSolver
from ddpm_core.samplers.heun import Heun
from ddpm_core.schedules import Schedule

SamplerName = Literal["ancestral", "ddim", "dpm++", "heun"]
CALLS: Mapping[SamplerName, int] = {"ancestral": 1, "ddim": 1, "dpm++": 1, "heun": 2}  # of a step


def named(
    name: SamplerName,
    schedule: Schedule,
    times: tuple[int, ...] = (),
    *,
    eta: float = 0.0,
    variance: Variance = "fixed_small",
) -> Sampler[Any]:
    """The sampler along `times`, or along every level. eta is ddim's, variance ancestral's."""
    match name:
        case "ancestral":
            return Ancestral(schedule, times, variance)
        case "ddim":
            return DDIM(schedule, times, eta)
        case "dpm++":
            return DPMSolver(schedule, times)
        case "heun":
            return Heun(schedule, times)
    raise ValueError(f"sampler = {name!r} is unknown; it is one of {tuple(CALLS)}")
