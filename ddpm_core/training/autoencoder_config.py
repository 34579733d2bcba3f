"""What a run of train_autoencoder is: one frozen dataclass, each of whose fields is an option."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from ddpm_core.training.run_config import RunConfig


@dataclass(frozen=True)
class AutoencoderConfig(RunConfig):
    """Train an autoencoder, in whose latents `train --latent` then diffuses.

    Running the same command again resumes where it stopped.
    """

    out_dir: Path | None = None
    """Run directory; runs/<dataset>-autoencoder where none is given."""

    max_steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    ema_decay: float = 0.995
    sample_every: int = 500
    preview_samples: int = 18
    save_every: int = 500

    factor: Literal[2, 4, 8] = 4
    """How many times smaller latents are along each side."""
    latent_channels: int = 4
    """Numbers at each place of the latents."""
    width: int = 32
    """Channels of the first level; coarser ones have twice as many."""
    blocks: int = 1
    """Residual blocks per level, on the way in as on the way out."""
    kl_weight: float = 1e-3
    """Weight of the divergence of latents from noise, beside the squared error: twice the variance
    of a decoder for which the sum is its variational bound."""
    gradient_weight: float = 0.0
    """Weight of the squared error of differences between neighbouring pixels, against blur."""

    LEAST: ClassVar[dict[str, int]] = RunConfig.LEAST | {
        "latent_channels": 1,
        "width": 1,
        "blocks": 1,
        "gradient_weight": 0,
    }
    POSITIVE: ClassVar[tuple[str, ...]] = (*RunConfig.POSITIVE, "kl_weight")
