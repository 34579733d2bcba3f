"""What a call of the evaluate command is: one frozen dataclass, whose fields are its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ddpm_core.cli.options import flag, leave_out, marks
from ddpm_core.samplers.names import SamplerName


@dataclass(frozen=True)
class EvaluateConfig:
    """Say how good a trained run is: bits per dimension of its test images, and its samples.

    Running the same command again goes on where it stopped.
    """

    run: tyro.conf.Positional[Path]
    """The run directory, or one of its checkpoints."""
    config: Path | None = None
    """A TOML file of these options; flags win over it."""
    out_dir: Path | None = None
    """Where to write; RUN/evaluation where none is given."""
    n: int | None = None
    """Test images, evenly spread; all of them where none are given."""
    strata: int | None = None
    """Estimate the bound without bias from so many of its terms; all terms where none are given."""
    variance: Literal["fixed_small", "fixed_large", "learned_range"] | None = None
    """Variance of the reverse steps; what the run learned, or fixed_small, where none is given."""
    flow: int | None = None
    """Also a bound along the probability flow, followed through so many levels: 3 or more, and 100
    are many."""
    clip: bool = True
    """Clip x0_hat to [-1, 1], as the sampler does; latents are never clipped."""
    batch_size: int = 250
    """Images at a time; what is done is kept after each."""
    seed: int = 0
    """Keys every random number."""
    samples: int = 1000
    """Samples drawn and compared with test images; 0 for none."""
    sampler: SamplerName = "dpm++"
    """How they are drawn: see the sample command."""
    steps: int | None = None
    """Steps of the sampler, at levels that are evenly spread; 30, or all levels where there are
    fewer, where none are given."""
    fid: bool = False
    """Also the Fréchet distance of Inception's features, by torch-fidelity and its weights, which
    are to be there: nothing is downloaded."""
    device: str = "auto"
    """auto, cpu, cuda, mps, xpu."""

    def __post_init__(self) -> None:
        least_of = {
            "n": 1,
            "strata": 1,
            "batch_size": 1,
            "seed": 0,
            "samples": 0,
            "steps": 1,
        }
        for name, least in least_of.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{flag(name)} = {value} is below {least}")
        if self.samples == 1:
            raise ValueError(
                "--samples = 1, and a covariance takes two: pass 2 or more, or 0 for no samples"
            )
        if self.flow is not None and self.flow < 3:
            raise ValueError(
                f"--flow = {self.flow} is below 3: a step is compared with two of half its length, "
                "which take three levels; pass 3 or more"
            )
        if not self.samples:
            leave_out(self, ("sampler", "steps", "fid"), "--samples 0 draws none")

    def name(self, step: int) -> str:
        """What tells the files of this call from those of another."""
        return "-".join([f"step-{step:06d}-seed-{self.seed}", *marks(self, MARKS)])


MARKS = {
    "n": "{}-images",
    "strata": "{}-strata",
    "variance": "{}",
    "flow": "flow-{}",
    "clip": "unclipped",
    "batch_size": "batches-of-{}",
    "samples": "{}-samples",
    "sampler": "{}",
    "steps": "{}-steps",
    "fid": "fid",
}
