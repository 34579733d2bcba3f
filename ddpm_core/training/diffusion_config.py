"""The options of `train`: those of every run, the network's and the diffusion process's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ddpm_core.cli.options import FRACTION, POSITIVE, Range, at_least, check_ranges
from ddpm_core.training.run_config import (
    DataOptions,
    GateOptions,
    LoggingOptions,
    OptimizationOptions,
    RunConfig,
    RunOptions,
)

LABEL_DROPOUT = 0.1  # as in Ho & Salimans (2022)


@dataclass(frozen=True)
class DiffusionDataOptions(DataOptions):
    latent: Path | None = None
    """Diffuse the latents of this run of train_autoencoder in place of pixels."""


@dataclass(frozen=True)
class ModelOptions:
    title: ClassVar[str] = "model"

    preset: Literal["tiny", "small", "base"] = "small"
    """Size of the U-Net; --width, --multipliers and --blocks override parts of it."""
    width: int | None = None
    """Channels at the finest resolution; default: that of --preset."""
    multipliers: tuple[int, ...] | None = None
    """Width at each resolution, as a multiple of the first; default: that of --preset."""
    blocks: int | None = None
    """Residual blocks per resolution; default: that of --preset."""
    attention: tuple[int, ...] = (-1,)
    """Resolutions with self-attention: 0 is the finest, -1 the coarsest."""
    fourier_frequencies: tuple[int, ...] | None = None
    """Exponents k of the Fourier features sin(2^k pi x) of the input: 3 4 resolve 17 grey levels,
    6 7 resolve 256. Default: 3 4 for pixels, none for latents."""
    dropout: float = 0.15
    """Dropout probability inside the residual blocks."""
    conditional: bool = False
    """Condition the network on class labels."""
    label_dropout: float = LABEL_DROPOUT
    """Probability of dropping an image's label during training; needed for classifier-free
    guidance."""


@dataclass(frozen=True)
class ProcessOptions:
    title: ClassVar[str] = "diffusion"

    schedule: Literal["linear", "cosine", "sigmoid"] = "linear"
    """Noise schedule."""
    T: int = 1000
    """Number of timesteps."""
    zero_terminal_snr: bool = False
    """Shift the schedule to zero terminal SNR (with --parameterization x0 or v)."""
    parameterization: Literal["eps", "x0", "v", "score"] = "eps"
    """What the network predicts."""
    loss: Literal["simple", "hybrid", "vlb"] = "simple"
    """simple: squared error. hybrid: squared error plus a small multiple of the variational bound,
    which learns the variance of each step. vlb: the full variational bound, with timesteps
    importance-sampled by loss (Nichol & Dhariwal 2021)."""
    snr_gamma: float | None = None
    """Weight the loss of each sample by min(SNR, gamma) (Hang et al. 2023, who use 5)."""


@dataclass(frozen=True)
class DiffusionOptimizationOptions(OptimizationOptions):
    accumulate: int = 1
    """Split each batch into this many forward and backward passes; the gradient is the same."""


@dataclass(frozen=True)
class DiffusionLoggingOptions(LoggingOptions):
    denoise_at: tuple[int, ...] = ()
    """Timesteps of the denoising grid, in addition to T and 0; default: multiples of T / 10, and
    T / 20."""
    preview_steps: int = 30
    """Sampler steps of a preview."""


@dataclass(frozen=True)
class TrainConfig(
    DiffusionDataOptions,
    ModelOptions,
    ProcessOptions,
    DiffusionOptimizationOptions,
    DiffusionLoggingOptions,
    RunConfig,
):
    """Train a denoising diffusion model and preview how structure emerges from noise.

    Running the same command again resumes the run.
    """

    GROUPS: ClassVar[tuple[type, ...]] = (
        DiffusionDataOptions,
        ModelOptions,
        ProcessOptions,
        DiffusionOptimizationOptions,
        DiffusionLoggingOptions,
        RunOptions,
        GateOptions,
    )
    RANGES: ClassVar[dict[str, Range]] = {
        **RunConfig.RANGES,
        **dict.fromkeys(("T", "blocks", "accumulate", "preview_steps"), at_least(1)),
        "width": at_least(2),
        "snr_gamma": POSITIVE,
        **dict.fromkeys(("dropout", "label_dropout"), FRACTION),
    }

    def __post_init__(self) -> None:
        defaults = PRESETS[self.preset] | {"fourier_frequencies": () if self.latent else (3, 4)}
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        check_ranges(self, self.RANGES)
        if self.width is not None and self.width % 2:
            raise ValueError(
                f"--width = {self.width} must be even, because the embedding of t is half sines, "
                f"half cosines; pass {self.width - 1} or {self.width + 1}"
            )
        for k in self.fourier_frequencies or ():
            if not 0 <= k <= HIGHEST_FREQUENCY:
                raise ValueError(
                    f"--fourier-frequencies has {k}, outside 0..{HIGHEST_FREQUENCY}; pass "
                    "exponents of this range, such as 3 4"
                )
        factors = self.multipliers or ()
        if not factors or min(factors) < 1:
            raise ValueError(
                f"--multipliers = {factors} needs one factor >= 1 per resolution; pass some, such "
                "as 1 2"
            )
        if not all(-len(factors) <= i < len(factors) for i in self.attention):
            raise ValueError(
                f"--attention = {self.attention} names a resolution outside "
                f"{-len(factors)}..{len(factors) - 1}; pass resolutions of this range"
            )
        if self.label_dropout != LABEL_DROPOUT and not self.conditional:
            raise ValueError(
                f"--label-dropout = {self.label_dropout} needs --conditional; add it, or omit "
                "--label-dropout"
            )
        if self.loss == "vlb" and self.snr_gamma is not None:
            raise ValueError(
                f"--snr-gamma = {self.snr_gamma} weights squared errors, which --loss vlb does not "
                "have; omit it"
            )
        if self.learns_variance and self.T < 2:
            raise ValueError(
                f"--loss {self.loss} learns a variance, which needs --T >= 2; pass a larger --T, "
                "or --loss simple"
            )
        if self.zero_terminal_snr and self.parameterization in ("eps", "score"):
            raise ValueError(
                f"--zero-terminal-snr leaves no signal at t = T, where {self.parameterization} "
                "does not determine x_0; use --parameterization v (or x0)"
            )
        if self.batch_size % self.accumulate:
            raise ValueError(
                f"--batch-size = {self.batch_size} does not split into --accumulate = "
                f"{self.accumulate} equal passes; pass a divisor of the batch size"
            )
        for t in self.denoise_at:
            if not 0 <= t <= self.T:
                raise ValueError(
                    f"--denoise-at has t = {t}, outside 0..{self.T}; pass timesteps of this range"
                )

    @property
    def learns_variance(self) -> bool:
        """Whether the network also predicts the variance of a step."""
        return self.loss != "simple"


HIGHEST_FREQUENCY = 16  # 2^16 pi x in float32 is still right to some hundredths of a radian

PRESETS: dict[str, dict[str, Any]] = {
    "tiny": {"width": 16, "multipliers": (1, 2), "blocks": 1},
    "small": {"width": 32, "multipliers": (1, 2), "blocks": 1},
    "base": {"width": 64, "multipliers": (1, 2, 4), "blocks": 2},
}
