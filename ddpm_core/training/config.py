"""What a training run is: one frozen dataclass, each of whose fields is an option."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ddpm_core.gate.certificate import FILE
from ddpm_core.training.options import flag, from_json, to_json

# Fields that may change when a run is resumed, since no number of the run depends on them.
FREE_ON_RESUME = frozenset(
    {"config", "out_dir", "resume", "dry_run", "certificate", "require_verified", "unverified"}
    | {"save_every", "keep", "preview_samples", "preview_steps"}
)

LABEL_DROPOUT = 0.1  # as in Ho & Salimans (2022)


@dataclass(frozen=True)
class TrainConfig:
    """Train a denoising diffusion model and watch structure emerge from noise.

    Running the same command again resumes where it stopped.
    """

    config: Path | None = None
    """A TOML file of these options; flags win over it."""
    out_dir: Path | None = None
    """Run directory; runs/<dataset> where none is given."""
    dataset: str = "digits"
    """digits, idx:DIR (MNIST format), npz:FILE or folder:DIR."""
    image_size: int | None = None
    """Centre-crop and resize images to this many pixels."""

    schedule: Literal["linear", "cosine", "sigmoid"] = "linear"
    """Noise schedule."""
    T: int = 1000
    """Number of noise levels."""
    zero_terminal_snr: bool = False
    """Shift the schedule so that x_T holds no signal (predict x0 or v then)."""
    parameterization: Literal["eps", "x0", "v", "score"] = "eps"
    """What the network predicts."""
    loss: Literal["simple", "hybrid", "vlb"] = "simple"
    """simple: squared error. hybrid: and the variance of each step, learned by a little of the
    variational bound. vlb: the bound itself, whose levels are drawn by how large their terms are
    (Nichol & Dhariwal 2021)."""
    snr_gamma: float | None = None
    """Weigh the loss of each sample by min(SNR, gamma) (Hang et al. 2023, who take 5)."""

    conditional: bool = False
    """Tell the network the class of each image, so that images of a class can be drawn."""
    label_dropout: float = LABEL_DROPOUT
    """Share of the classes that --conditional withholds, which is what guidance needs."""

    preset: Literal["tiny", "small", "base"] = "small"
    """Size of the U-Net; the next three options override parts of it."""
    width: int | None = None
    """Channels of the first level."""
    multipliers: tuple[int, ...] | None = None
    """Width of each level, as a multiple of the first."""
    blocks: int | None = None
    """Residual blocks per level."""
    attention: tuple[int, ...] = (-1,)
    """Levels with self-attention, 0 the finest, -1 the coarsest."""
    fourier_octaves: tuple[int, ...] = (3, 4)
    """Sines of pixel values that the network sees: 3 4 resolve 17 grey levels, 6 7 resolve 256."""
    dropout: float = 0.15
    """Dropout inside the residual blocks."""

    max_steps: int = 3300
    """Optimizer steps."""
    batch_size: int = 128
    """Images per optimizer step."""
    accumulate: int = 1
    """Split the batch into this many passes; the gradient is that of the whole."""
    learning_rate: float = 2.5e-3
    """Peak rate of AdamW."""
    warmup_steps: int = 100
    """Steps over which the rate rises from 0."""
    rate_decay: Literal["cosine", "constant"] = "cosine"
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
    """Steps between two visits: sample grid, denoising sheet, held-out loss, report."""
    denoise_at: tuple[int, ...] = ()
    """Timesteps of the denoising sheet beside T and 0; tenths and a twentieth of T by default."""
    preview_steps: int = 30
    """Sampler steps of a visit's chain."""
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

    def __post_init__(self) -> None:
        for name, value in PRESETS[self.preset].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        for name, least in LEAST.items():
            value = getattr(self, name)
            if value is not None and not least <= value < math.inf:  # False for NaN as well
                raise ValueError(f"{flag(name)} = {value} must be finite and at least {least}")
        for name in ("learning_rate", "grad_clip", "snr_gamma"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{flag(name)} = {value} must be finite and above 0")
        if self.width is not None and self.width % 2:
            raise ValueError(f"--width = {self.width} must be even, for sines and cosines")
        for octave in self.fourier_octaves:
            if not 0 <= octave <= FINEST_OCTAVE:
                raise ValueError(f"--fourier-octaves has {octave}, outside 0..{FINEST_OCTAVE}")
        for name in ("dropout", "label_dropout", "ema_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{flag(name)} = {getattr(self, name)} is outside [0, 1)")
        if self.label_dropout != LABEL_DROPOUT and not self.conditional:
            raise ValueError(
                f"--label-dropout = {self.label_dropout} is for --conditional training"
            )
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"--batch-size = {self.batch_size} does not split into --accumulate = "
                f"{self.accumulate} equal passes"
            )
        factors = self.multipliers or ()
        if not factors or min(factors) < 1:
            raise ValueError(f"--multipliers = {factors} needs one factor >= 1 for each level")
        if not all(-len(factors) <= i < len(factors) for i in self.attention):
            raise ValueError(
                f"--attention = {self.attention} names a level outside "
                f"{-len(factors)}..{len(factors) - 1}"
            )
        for t in self.denoise_at:
            if not 0 <= t <= self.T:
                raise ValueError(f"--denoise-at has t = {t}, outside 0..{self.T}")
        if self.loss == "vlb" and self.snr_gamma is not None:
            raise ValueError(
                f"--snr-gamma = {self.snr_gamma} weighs squared errors; --loss vlb has none"
            )
        if self.learns_variance and self.T < 2:
            raise ValueError(
                f"--loss {self.loss} learns a variance between two, and needs --T >= 2"
            )
        if self.zero_terminal_snr and self.parameterization in ("eps", "score"):
            raise ValueError(
                f"--zero-terminal-snr leaves nothing of x_0 at t = T, of which "
                f"{self.parameterization} then says nothing; use --parameterization v (or x0)"
            )

    @property
    def learns_variance(self) -> bool:
        """Whether the network answers for the variance of a step, too."""
        return self.loss != "simple"


FINEST_OCTAVE = 16  # 2^16 pi x in float32 is still right to some hundredths of a radian

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"width": 16, "multipliers": (1, 2), "blocks": 1},
    "small": {"width": 32, "multipliers": (1, 2), "blocks": 1},
    "base": {"width": 64, "multipliers": (1, 2, 4), "blocks": 2},
}

LEAST = {
    "image_size": 1,
    "T": 1,
    "width": 2,
    "blocks": 1,
    "max_steps": 1,
    "batch_size": 1,
    "accumulate": 1,
    "warmup_steps": 0,
    "weight_decay": 0,
    "seed": 0,
    "sample_every": 1,
    "preview_steps": 1,
    "preview_samples": 1,
    "log_every": 1,
    "save_every": 1,
    "keep": 1,
}


def lasting(config: TrainConfig) -> dict[str, Any]:
    """The options that the numbers of a run depend on, as JSON values."""
    return {name: value for name, value in to_json(config).items() if name not in FREE_ON_RESUME}


def check_same_run(saved: dict[str, Any], config: TrainConfig, where: str) -> None:
    """Refuse to resume under options that would make other numbers than those of `where`.

    An option that is younger than the checkpoint had its default when that was made.
    """
    saved, wanted = lasting(from_json(TrainConfig, saved)), lasting(config)
    for name in sorted(saved.keys() | wanted.keys()):
        longer = name == "max_steps" and config.rate_decay == "constant"
        if not longer and saved.get(name) != wanted.get(name):
            raise ValueError(
                f"{where} was made with {flag(name)} {saved.get(name)}, not {wanted.get(name)}; "
                "give the same options to go on, or another --out-dir to start afresh"
            )
