"""The options of `train_autoencoder`: those of every run, and the autoencoder's."""

from dataclasses import dataclass
from typing import ClassVar, Literal

from ddpm_core.cli.options import POSITIVE, Range, at_least, check_ranges
from ddpm_core.training.run_config import (
    DataOptions,
    GateOptions,
    LoggingOptions,
    OptimizationOptions,
    RunConfig,
    RunOptions,
)


@dataclass(frozen=True)
class AutoencoderOptions:
    title: ClassVar[str] = "model"

    factor: Literal[2, 4, 8] = 4
    """Downsampling factor of the latents along each side."""
    latent_channels: int = 4
    """Channels of the latents."""
    width: int = 32
    """Channels at the finest resolution; coarser ones have twice as many."""
    blocks: int = 1
    """Residual blocks per resolution, in the encoder as in the decoder."""
    kl_weight: float = 1e-3
    """Weight of the KL divergence of the latents from N(0, 1), relative to the squared error. It is
    twice the variance of the decoder for which the sum is its variational bound."""
    gradient_weight: float = 0.0
    """Weight of the squared error of differences between neighbouring pixels, against blur."""


@dataclass(frozen=True)
class AutoencoderOptimizationOptions(OptimizationOptions):
    max_steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    ema_decay: float = 0.995


@dataclass(frozen=True)
class AutoencoderLoggingOptions(LoggingOptions):
    sample_every: int = 500
    preview_samples: int = 18


@dataclass(frozen=True)
class AutoencoderRunOptions(RunOptions):
    save_every: int = 500


@dataclass(frozen=True)
class AutoencoderConfig(
    AutoencoderOptions,
    AutoencoderOptimizationOptions,
    AutoencoderLoggingOptions,
    AutoencoderRunOptions,
    RunConfig,
):
    """Train an autoencoder whose latents `train --latent` diffuses.

    Running the same command again resumes the run.
    """

    GROUPS: ClassVar[tuple[type, ...]] = (
        DataOptions,
        AutoencoderOptions,
        AutoencoderOptimizationOptions,
        AutoencoderLoggingOptions,
        AutoencoderRunOptions,
        GateOptions,
    )
    RANGES: ClassVar[dict[str, Range]] = {
        **RunConfig.RANGES,
        **dict.fromkeys(("latent_channels", "width", "blocks"), at_least(1)),
        "gradient_weight": at_least(0),
        "kl_weight": POSITIVE,
    }

    def __post_init__(self) -> None:
        check_ranges(self, self.RANGES)
