"""The options of every training run, in the groups that --help shows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ddpm_core.cli.options import (
    FRACTION,
    POSITIVE,
    Range,
    at_least,
    flag,
    from_json,
    to_json,
)
from ddpm_core.gate.certificate import FILE

# Fields that may change when a run resumes, because no number of the run depends on them.
FREE_ON_RESUME = frozenset(
    {"config", "out_dir", "resume", "dry_run", "certificate", "require_verified", "unverified"}
    | {"save_every", "keep_checkpoints", "preview_samples", "preview_steps", "latent"}
    | {"data_changed"}
)
# Fields that say where the data are and how they are read. The content is compared instead.
DATA_FIELDS = frozenset(
    {"dataset", "image_size", "grey_levels", "background", "skip_unreadable", "split"}
)
# Options that change the last bits but not what is computed: the remedy when memory runs out.
ROUNDING_FIELDS = frozenset({"accumulate"})


@dataclass(frozen=True)
class DataOptions:
    title: ClassVar[str] = "data"

    dataset: str = "digits"
    """digits, idx:DIR (MNIST format), npz:FILE, folder:DIR or patches:SIZE (of photographs)."""
    image_size: int | None = None
    """Centre-crop images and resize them to this many pixels."""
    grey_levels: int | None = None
    """Number of grey levels of the images; default: what the data say, or 256."""
    background: str | None = None
    """Colour behind transparent pixels of folder:DIR, such as white or #808080; none ignores
    transparency."""
    split: Literal["by-class", "even"] = "by-class"
    """by-class where an even split would leave a class without a training image; or always even."""
    data_changed: Literal["refuse", "ok"] = "refuse"
    """ok: train on although the data have changed, with a warning on every picture."""
    skip_unreadable: bool = False
    """Leave out the images of folder:DIR that cannot be used, even more than 1 % of them."""


@dataclass(frozen=True)
class OptimizationOptions:
    title: ClassVar[str] = "optimization"

    max_steps: int = 3300
    """Number of optimizer steps."""
    batch_size: int = 128
    """Images per optimizer step."""
    learning_rate: float = 2.5e-3
    """Peak learning rate of AdamW."""
    warmup_steps: int = 100
    """Steps of linear learning-rate warm-up."""
    learning_rate_decay: Literal["cosine", "constant"] = "cosine"
    """Learning rate after warm-up: cosine decay to 0, or constant."""
    weight_decay: float = 0.1
    """Decoupled weight decay of matrices and kernels."""
    grad_clip: float = 1.0
    """Maximum gradient norm."""
    ema_decay: float = 0.998
    """Decay of the exponential moving average (EMA) of the weights, with warm-up."""


@dataclass(frozen=True)
class LoggingOptions:
    title: ClassVar[str] = "logging and previews"

    log_every: int = 50
    """Steps between rows of metrics.jsonl."""
    sample_every: int = 660
    """Steps between previews: sample grid, denoising grid, held-out loss, report."""
    preview_samples: int = 25
    """Images in the sample grid of a preview."""


@dataclass(frozen=True)
class RunOptions:
    title: ClassVar[str] = "run"

    config: Path | None = None
    """TOML file of these options; flags override it."""
    out_dir: Path | None = None
    """Run directory; default: runs/ and the name of the dataset."""
    seed: int = 0
    """Seed of every random number of the run."""
    device: str = "auto"
    """auto, cpu, cuda, mps or xpu."""
    dtype: Literal["float32", "bf16"] = "float32"
    """Precision of the network's arithmetic; weights stay float32."""
    compile: bool = False
    """Compile the network with torch.compile."""
    channels_last: bool = True
    """Keep images in NHWC memory format."""
    save_every: int = 660
    """Steps between checkpoints."""
    keep_checkpoints: int = 2
    """Number of checkpoints to keep."""
    resume: str = "auto"
    """auto, never, or the path of a checkpoint."""
    dry_run: bool = False
    """Check everything, print the plan, and write nothing."""


@dataclass(frozen=True)
class GateOptions:
    title: ClassVar[str] = "gate"

    certificate: Path = FILE
    """Certificate that a full run of the property suite wrote; an accelerator needs it."""
    require_verified: bool = False
    """Require the certificate on the CPU, too."""
    unverified: str | None = None
    """Train without a certificate, for this REASON. It is recorded and watermarks every picture."""


@dataclass(frozen=True)
class RunConfig(DataOptions, OptimizationOptions, LoggingOptions, RunOptions, GateOptions):
    """Options of a training run, whatever it trains."""

    RANGES: ClassVar[dict[str, Range]] = {
        **dict.fromkeys(("image_size", "max_steps", "batch_size"), at_least(1)),
        **dict.fromkeys(("warmup_steps", "weight_decay", "seed"), at_least(0)),
        **dict.fromkeys(("sample_every", "preview_samples", "log_every"), at_least(1)),
        **dict.fromkeys(("save_every", "keep_checkpoints"), at_least(1)),
        **dict.fromkeys(("learning_rate", "grad_clip"), POSITIVE),
        "grey_levels": Range(2, 257, "is outside 2..256", "a number of this range"),
        "ema_decay": FRACTION,
    }


def lasting(config: RunConfig) -> dict[str, Any]:
    """Return the options that the numbers of a run depend on, as JSON values."""
    return {name: value for name, value in to_json(config).items() if name not in FREE_ON_RESUME}


def check_same_run(
    saved: dict[str, Any], config: RunConfig, where: str, same_device: bool = False
) -> None:
    """Refuse to resume under options that would change the numbers of the checkpoint `where`.

    An option that is newer than the checkpoint had its default when the checkpoint was written.
    same_device: the option --device chose the same device, whatever its spelling.
    """
    saved, wanted = lasting(from_json(type(config), saved)), lasting(config)
    free = DATA_FIELDS | ROUNDING_FIELDS | ({"device"} if same_device else set())
    for name in sorted((saved.keys() | wanted.keys()) - free):
        longer = name == "max_steps" and config.learning_rate_decay == "constant"
        if not longer and saved.get(name) != wanted.get(name):
            raise ValueError(
                f"{where} was made with {flag(name)} {saved.get(name)}, not {wanted.get(name)}; "
                "give the same options to resume, or another --out-dir to start afresh"
            )
