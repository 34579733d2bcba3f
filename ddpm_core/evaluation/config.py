"""Options of `evaluate`: a frozen dataclass whose fields are the flags."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ddpm_core.cli.options import flag, refuse_unused, remedy, suffixes
from ddpm_core.samplers.names import SamplerName
from ddpm_core.storage.files import file_stem


@dataclass(frozen=True)
class EvaluateConfig:
    """Evaluate a trained run: bits per dimension of test images, and quality of samples.

    Running the same command again resumes.
    """

    run: tyro.conf.Positional[Path]
    """Run directory, or one of its checkpoints."""
    config: Path | None = None
    """TOML file of these options; flags override it."""
    out_dir: Path | None = None
    """Output folder; default: RUN/evaluation."""
    n: int | None = None
    """Number of test images, evenly spaced; default: all."""
    strata: int | None = None
    """Unbiased estimate of the bound from this many stratified timesteps; default: all T."""
    variance: Literal["fixed_small", "fixed_large", "learned_range"] | None = None
    """Variance of the reverse steps; default: the learned variance if the run has one, else
    fixed_small."""
    flow: int | None = None
    """Also compute a bound along the probability flow, solved on this many timesteps (at least 3;
    100 is ample)."""
    clip: bool = True
    """Clip x0_hat to [-1, 1], as in sampling; latents are never clipped."""
    batch_size: int = 250
    """Images per batch; every finished batch is cached."""
    seed: int = 0
    """Seed that keys every random number."""
    samples: int = 1000
    """Number of samples to compare with test images; 0 for none."""
    sampler: SamplerName = "dpm++"
    """Sampler of the samples; see the sample command."""
    steps: int | None = None
    """Number of sampler steps, at evenly spaced timesteps; default: 30, or T if T is smaller."""
    fid: bool = False
    """Also compute FID, with torch-fidelity and its Inception weights. Both must be installed:
    nothing is downloaded."""
    dataset: str | None = None
    """Where the data of the training are now, such as folder:DIR; default: where they were."""
    data_changed: Literal["refuse", "ok"] = "refuse"
    """ok: evaluate although the data have changed since the training, with a warning."""
    device: str = "auto"
    """auto, cpu, cuda, mps or xpu."""

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
                raise ValueError(
                    f"{flag(name)} = {value} is below {least}; "
                    f"{remedy(self, name, f'{least} or more')}"
                )
        if self.samples == 1:
            raise ValueError(
                "--samples = 1, but a covariance needs at least 2; pass 2 or more, or 0 for none"
            )
        if self.flow is not None and self.flow < 3:
            raise ValueError(
                f"--flow = {self.flow} is below 3; the estimate of the step error compares one "
                "step with two of half its length. Pass 3 or more"
            )
        if not self.samples:
            refuse_unused(self, ("sampler", "steps", "fid"), "--samples 0 draws none")

    def name(self, step: int) -> str:
        """Return the stem of the file names: step, seed and every non-default option."""
        return file_stem("-".join([f"step-{step:06d}-seed-{self.seed}", *suffixes(self, SUFFIXES)]))


SUFFIXES = {
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
    "data_changed": "changed-data",
}
