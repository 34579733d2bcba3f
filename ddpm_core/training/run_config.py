"""What every training run is, whatever it trains: a frozen dataclass whose fields are options."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ddpm_core.cli.options import flag, from_json, to_json
from ddpm_core.gate.certificate import FILE

# Fields that may change when a run is resumed, since no number of the run depends on them.
FREE_ON_RESUME = frozenset(
    {"config", "out_dir", "resume", "dry_run", "certificate", "require_verified", "unverified"}
    | {"save_every", "keep", "preview_samples", "preview_steps", "latent"}
)


@dataclass(frozen=True)
class RunConfig:
    """The data of a run, its pace, where it works and what it leaves."""

    config: Path | None = None
    """A TOML file of these options; flags win over it."""
    out_dir: Path | None = None
    """Run directory; runs/<dataset> where none is given."""
    dataset: str = "digits"
    """digits, idx:DIR (MNIST format), npz:FILE, folder:DIR or patches:SIZE (of photographs)."""
    image_size: int | None = None
    """Centre-crop and resize images to this many pixels."""

    max_steps: int = 3300
    """Optimizer steps."""
    batch_size: int = 128
    """Images per optimizer step."""
    learning_rate: float = 2.5e-3
    """Peak rate of AdamW."""
    warmup_steps: int = 100
    """Steps over which the rate rises from 0."""
    learning_rate_decay: Literal["cosine", "constant"] = "cosine"
    """What the rate does after warm-up."""
    weight_decay: float = 0.1
    """Decoupled weight decay of matrices and kernels."""
    grad_clip: float = 1.0
    """Largest norm of the gradient."""
    ema_decay: float = 0.998
    """Decay of the weights' moving average, with warm-up."""
    seed: int = 0
    """Every random number of the run is keyed by it."""

    device: str = "auto"
    """auto, cpu, cuda, mps, xpu."""
    dtype: Literal["float32", "bf16"] = "float32"
    """Precision of the network's arithmetic; weights stay float32."""
    compile: bool = False
    """torch.compile the network."""
    channels_last: bool = True
    """Keep images as NHWC in memory."""

    sample_every: int = 660
    """Steps between two visits: pictures, held-out loss, report."""
    preview_samples: int = 25
    """Images in a visit's grid."""
    log_every: int = 50
    """Steps between two rows of metrics.jsonl."""
    save_every: int = 660
    """Steps between two checkpoints."""
    keep: int = 2
    """Checkpoints kept."""
    resume: str = "auto"
    """auto, never, or the path of a checkpoint."""
    dry_run: bool = False
    """Check everything, print the plan, write nothing."""

    certificate: Path = FILE
    """What a full run of the suite left; an accelerator is used under one only."""
    require_verified: bool = False
    """Ask for the certificate on the CPU too."""
    unverified: str | None = None
    """Train without one, for this REASON; it is recorded, and every picture says UNVERIFIED."""

    LEAST: ClassVar[dict[str, int]] = {
        "image_size": 1,
        "max_steps": 1,
        "batch_size": 1,
        "warmup_steps": 0,
        "weight_decay": 0,
        "seed": 0,
        "sample_every": 1,
        "preview_samples": 1,
        "log_every": 1,
        "save_every": 1,
        "keep": 1,
    }
    POSITIVE: ClassVar[tuple[str, ...]] = ("learning_rate", "grad_clip")
    SHARES: ClassVar[tuple[str, ...]] = ("ema_decay",)

    def __post_init__(self) -> None:
        for name, least in self.LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:  # False for NaN as well
                raise ValueError(f"{flag(name)} = {value} must be finite and at least {least}")
        for name in self.POSITIVE:
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{flag(name)} = {value} must be finite and above 0")
        for name in self.SHARES:
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{flag(name)} = {getattr(self, name)} is outside [0, 1)")


def lasting(config: RunConfig) -> dict[str, Any]:
    """The options that the numbers of a run depend on, as JSON values."""
    return {name: value for name, value in to_json(config).items() if name not in FREE_ON_RESUME}


def check_same_run(saved: dict[str, Any], config: RunConfig, where: str) -> None:
    """Refuse to resume under options that would make other numbers than those of `where`.

    An option that is younger than the checkpoint had its default when that was made.
    """
    saved, wanted = lasting(from_json(type(config), saved)), lasting(config)
    for name in sorted(saved.keys() | wanted.keys()):
        longer = name == "max_steps" and config.learning_rate_decay == "constant"
        if not longer and saved.get(name) != wanted.get(name):
            raise ValueError(
                f"{where} was made with {flag(name)} {saved.get(name)}, not {wanted.get(name)}; "
                "give the same options to go on, or another --out-dir to start afresh"
            )
