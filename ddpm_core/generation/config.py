"""What a call of the sample command is: one frozen dataclass, each of whose fields is an option."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ddpm_core.cli.options import flag, leave_out, marks
from ddpm_core.samplers.names import SamplerName


@dataclass(frozen=True)
class SampleConfig:
    """Draw samples from a trained run and say what was written."""

    run: tyro.conf.Positional[Path]
    """The run directory, or one of its checkpoints."""
    config: Path | None = None
    """A TOML file of these options; flags win over it."""
    out_dir: Path | None = None
    """Where to write; RUN/generated where none is given."""
    n: int = 64
    """Number of samples."""
    first: int = 0
    """Index of the first sample: sample i of a seed is the same whatever batch draws it."""
    sampler: SamplerName = "ancestral"
    """How to step. ancestral: as in the DDPM paper; ddim: any noise, see --eta; dpm++: second
    order, good with 10 to 20 steps; heun: second order, asks the network twice a step, and wants
    --timestep-spacing log_snr on a schedule that ends in almost pure noise, such as cosine."""
    steps: int | None = None
    """Sampler steps; every level where none are given."""
    timestep_spacing: Literal["trailing", "leading", "linspace", "log_snr"] = "trailing"
    """How the levels of --steps are spread."""
    eta: float = 0.0
    """Noise of a ddim step, 0 (none) to 1 (as much as ancestral)."""
    batch_size: int = 64
    """Samples drawn at a time."""
    seed: int = 0
    """Keys every random number."""
    variance: Literal["fixed_small", "fixed_large", "learned_range"] | None = None
    """Variance of an ancestral step; what the run learned, or fixed_small, where none is given."""
    class_: Annotated[tuple[str, ...] | None, tyro.conf.arg(name="class")] = None
    """Draw images of a class, by name or number, of several, or of all: --n of each, from a run
    that was trained with --conditional. RUN goes before it."""
    guidance_scale: float = 1.0
    """How far to go from the guess without the class (0) to that with it (1), and beyond: more is
    clearer and less varied. It is 1 + w of Ho & Salimans."""
    guidance_rescale: float = 0.0
    """How much of the contrast that guidance adds is taken back, 0 to 1."""
    guidance_interval: tuple[int, int] | None = None
    """The lowest and the highest level that are guided; all where none are given."""
    clip: bool = True
    """Clip x0_hat to [-1, 1] at every step; latents, which have no range, are never clipped."""
    gif: bool = False
    """Also write the chain of the first samples as an animation."""
    compare: bool = False
    """Only draw a picture of every sampler at several numbers of steps, from the same noise."""
    device: str = "auto"
    """auto, cpu, cuda, mps, xpu."""

    def __post_init__(self) -> None:
        for name, least in {"n": 1, "first": 0, "batch_size": 1, "seed": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{flag(name)} = {getattr(self, name)} is below {least}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"--steps = {self.steps} is below 1")
        if self.compare:
            own = ("sampler", "steps", "eta", "variance", "n", "first", "batch_size", "gif")
            leave_out(self, own, "--compare draws by every sampler, at several numbers")
        if self.steps is None and not self.compare:
            leave_out(self, ("timestep_spacing",), "without --steps every level is visited")
        if not 0 <= self.eta <= 1:
            raise ValueError(
                f"--eta = {self.eta:g} is outside [0, 1]; 0 is deterministic, 1 as ancestral"
            )
        if self.eta and self.sampler != "ddim":
            raise ValueError(f"--eta = {self.eta:g} is for --sampler ddim, not {self.sampler}")
        if self.variance is not None and self.sampler != "ancestral":
            raise ValueError(
                f"--variance {self.variance} is for --sampler ancestral, not {self.sampler}"
            )
        if not 0 <= self.guidance_scale < math.inf:
            raise ValueError(f"--guidance-scale = {self.guidance_scale} must be finite and >= 0")
        if not 0 <= self.guidance_rescale <= 1:
            raise ValueError(f"--guidance-rescale = {self.guidance_rescale} is outside [0, 1]")
        low, high = self.guidance_interval or (1, 1)
        if not 1 <= low <= high:
            raise ValueError(f"--guidance-interval {low} {high} needs 1 <= lowest <= highest")
        guidance = ("guidance_scale", "guidance_rescale", "guidance_interval")
        if self.class_ == ():
            raise ValueError("--class needs a name, a number, or all")
        if self.class_ is not None and ("all" in self.class_ and len(self.class_) > 1):
            raise ValueError(f"--class {' '.join(self.class_)}: all stands alone")
        if self.class_ is None:
            leave_out(self, guidance, "it leads towards a class, which --class names")
        if self.guidance_scale == 1:
            leave_out(self, guidance[1:], "--guidance-scale 1 does not guide")

    def marks(self, labels: Sequence[int]) -> str:
        """What tells the files of this call from those of another: all that is not as by default.

        labels: the numbers of the classes that --class names.
        """
        found = marks(self, MARKS)
        if self.class_ is not None:
            which = "all" if "all" in self.class_ else "-".join(map(str, labels))
            found.append(f"class-{which}")
        return "".join(f"-{each}" for each in found)


MARKS = {
    "n": "{}-samples",
    "sampler": "{}",
    "steps": "{}-steps",
    "timestep_spacing": "{}",
    "eta": "eta-{:g}",
    "variance": "{}",
    "clip": "unclipped",
    "first": "from-{}",
    "guidance_scale": "scale-{:g}",
    "guidance_rescale": "rescale-{:g}",
    "guidance_interval": "levels-{}-{}",
}
