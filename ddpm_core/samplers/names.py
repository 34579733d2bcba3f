"""The samplers by the names that commands give them; imports no torch, so --help can read it."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from ddpm_core.samplers.base import Sampler
    from ddpm_core.schedules import Schedule

SamplerName = Literal["ancestral", "ddim", "dpm++", "heun"]


@dataclass(frozen=True)
class SamplerEntry:
    """Where a sampler is defined, and what a command must know before it builds one."""

    module: str  # of ddpm_core.samplers
    name: str  # of the class
    options: tuple[str, ...] = ()  # of its constructor, beside schedule and times
    nfe: int = 1  # network evaluations a step
    from_zero_snr: bool = True  # whether it can start where x_T holds no signal


SAMPLERS: Mapping[SamplerName, SamplerEntry] = {
    "ancestral": SamplerEntry("ancestral", "Ancestral", options=("variance",)),
    "ddim": SamplerEntry("ddim", "DDIM", options=("eta",)),
    "dpm++": SamplerEntry("dpm_solver", "DPMSolver"),
    "heun": SamplerEntry("heun", "Heun", nfe=2, from_zero_snr=False),
}


def build_sampler(
    name: SamplerName, schedule: "Schedule", times: tuple[int, ...] = (), **options: Any
) -> "Sampler[Any]":
    """Return the sampler along `times`, by default all of T..0.

    options: eta and variance, each used by the samplers that have it. Raises ValueError for an
    unknown name, and as the sampler does.
    """
    if name not in SAMPLERS:
        raise ValueError(f"sampler = {name!r} is unknown; use one of {', '.join(SAMPLERS)}")
    entry = SAMPLERS[name]
    kind = getattr(import_module(f"ddpm_core.samplers.{entry.module}"), entry.name)
    sampler: Sampler[Any] = kind(
        schedule, times, **{each: options[each] for each in entry.options if each in options}
    )
    return sampler


def can_start(name: SamplerName, schedule: "Schedule", times: tuple[int, ...]) -> bool:
    """Return whether the sampler can start at times[0]: Heun cannot at zero SNR."""
    no_signal = schedule.has_zero_terminal_snr and times[0] == schedule.T
    return SAMPLERS[name].from_zero_snr or not no_signal
