"""Options of `sample`: a frozen dataclass whose fields are the flags."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ddpm_core.cli.options import flag, refuse_unused, remedy, suffixes
from ddpm_core.samplers.names import SamplerName


@dataclass(frozen=True)
class SampleConfig:
    """Sample images from a trained run."""

    run: tyro.conf.Positional[Path]
    """Run directory, or one of its checkpoints."""
    config: Path | None = None
    """TOML file of these options; flags override it."""
    out_dir: Path | None = None
    """Output folder; default: RUN/generated."""
    n: int = 64
    """Number of samples; with --class, per class."""
    first: int = 0
    """Index of the first sample. Sample i depends on --seed and i, not on the batch."""
    sampler: SamplerName = "ancestral"
    """ancestral: as in the DDPM paper. ddim: any amount of noise, see --eta. dpm++: DPM-Solver++ of
    second order, good with 10 to 20 steps. heun: second order, two network evaluations per step;
    use --timestep-spacing log_snr if the schedule ends in almost pure noise, such as cosine."""
    steps: int | None = None
    """Number of sampler steps; default: all T timesteps."""
    timestep_spacing: Literal["trailing", "leading", "linspace", "log_snr"] = "trailing"
    """Spacing of the timesteps of --steps."""
    eta: float = 0.0
    """Noise of a ddim step: 0 is deterministic, 1 as much noise as ancestral."""
    batch_size: int = 64
    """Samples per batch."""
    seed: int = 0
    """Seed that keys every random number."""
    variance: Literal["fixed_small", "fixed_large", "learned_range"] | None = None
    """Variance of an ancestral step; default: the learned variance if the run has one, else
    fixed_small."""
    class_: Annotated[tuple[str, ...] | None, tyro.conf.arg(name="class")] = None
    """Classes to sample, by name or number, or all: --n images of each. Needs a run trained with
    --conditional. RUN must come before it."""
    guidance_scale: float = 1.0
    """Classifier-free guidance: 0 is unconditional, 1 is conditional, above 1 extrapolates, for
    clearer and less varied images. It is 1 + w of Ho & Salimans."""
    guidance_rescale: float = 0.0
    """Fraction, 0 to 1, to which the standard deviation before guidance is restored."""
    guidance_interval: tuple[int, int] | None = None
    """Lowest and highest timestep with guidance; default: all."""
    clip: bool = True
    """Clip x0_hat to [-1, 1] at every step; latents are never clipped."""
    gif: bool = False
    """Also write the sampling trajectories of the first samples as an animation."""
    compare: bool = False
    """Only draw one figure: every sampler at several numbers of steps, from the same noise."""
    dataset: str | None = None
    """Where the data of the training are now, such as folder:DIR, to compare them."""
    data_changed: Literal["refuse", "ok"] = "refuse"
    """ok: sample although the data have changed since the training, with a warning."""
    device: str = "auto"
    """auto, cpu, cuda, mps or xpu."""

    def __post_init__(self) -> None:
        for name, least in {"n": 1, "first": 0, "steps": 1, "batch_size": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(
                    f"{flag(name)} = {value} is below {least}; "
                    f"{remedy(self, name, f'{least} or more')}"
                )
        if self.compare:
            own = ("sampler", "steps", "eta", "variance", "n", "first", "batch_size", "gif")
            refuse_unused(self, own, "--compare uses every sampler, at several numbers of steps")
        if self.steps is None and not self.compare:
            refuse_unused(self, ("timestep_spacing",), "without --steps all timesteps are used")
        if not 0 <= self.eta <= 1:
            raise ValueError(
                f"--eta = {self.eta:g} is outside [0, 1]; 0 is deterministic, 1 is ancestral"
            )
        if self.eta and self.sampler != "ddim":
            raise ValueError(
                f"--eta = {self.eta:g} needs --sampler ddim, not {self.sampler}; change one of them"
            )
        if self.variance is not None and self.sampler != "ancestral":
            raise ValueError(
                f"--variance {self.variance} needs --sampler ancestral, not {self.sampler}; change "
                "one of them"
            )
        if not 0 <= self.guidance_scale < math.inf:
            raise ValueError(
                f"--guidance-scale = {self.guidance_scale} must be finite and at least 0; "
                f"{remedy(self, 'guidance_scale', '0 or more')}"
            )
        if not 0 <= self.guidance_rescale <= 1:
            raise ValueError(
                f"--guidance-rescale = {self.guidance_rescale} is outside [0, 1]; "
                f"{remedy(self, 'guidance_rescale', 'a fraction of this range')}"
            )
        low, high = self.guidance_interval or (1, 1)
        if not 1 <= low <= high:
            raise ValueError(
                f"--guidance-interval {low} {high} needs 1 <= lowest <= highest; pass such "
                "timesteps, or omit it for guidance at all of them"
            )
        guidance = ("guidance_scale", "guidance_rescale", "guidance_interval")
        if self.class_ == ():
            raise ValueError("--class needs a name, a number, or all; pass one, or omit it")
        if self.class_ is not None and ("all" in self.class_ and len(self.class_) > 1):
            raise ValueError(
                f"--class {' '.join(self.class_)}: all cannot be combined; pass all alone"
            )
        if self.class_ is None:
            refuse_unused(self, guidance, "guidance needs --class")
        if self.guidance_scale == 1:
            refuse_unused(self, guidance[1:], "--guidance-scale 1 is without guidance")

    def suffix(self, labels: Sequence[int]) -> str:
        """Return the suffix of the file names: every option that differs from its default.

        labels: the numbers of the classes of --class.
        """
        found = suffixes(self, SUFFIXES)
        if self.class_ is not None:
            which = "all" if "all" in self.class_ else "-".join(map(str, labels))
            found.append(f"class-{which}")
        return "".join(f"-{each}" for each in found)


SUFFIXES = {
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
    "guidance_interval": "interval-{}-{}",
}
