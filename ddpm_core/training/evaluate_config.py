"""What a call of the evaluate command is: one frozen dataclass, whose fields are its options."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ddpm_core.training.options import flag


@dataclass(frozen=True)
class EvaluateConfig:
    """Say how good a trained run is: bits per dimension of its test images, term by term.

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
    clip: bool = True
    """Clip x0_hat to [-1, 1], as the sampler does."""
    batch_size: int = 250
    """Images at a time; what is done is kept after each."""
    seed: int = 0
    """Keys every random number."""
    device: str = "auto"
    """auto, cpu, cuda, mps, xpu."""

    def __post_init__(self) -> None:
        for name, least in {"n": 1, "strata": 1, "batch_size": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ValueError(f"{flag(name)} = {value} is below {least}")
