"""What a training run is: one frozen dataclass, each of whose fields is an option."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from ddpm_core.training.run_config import RunConfig

LABEL_DROPOUT = 0.1  # as in Ho & Salimans (2022)


@dataclass(frozen=True)
class TrainConfig(RunConfig):
    """Train a denoising diffusion model and watch structure emerge from noise.

    Running the same command again resumes where it stopped.
    """

    out_dir: Path | None = None
    """Run directory; runs/<dataset>, or runs/<dataset>-latent, where none is given."""
    latent: Path | None = None
    """Train in the latents of this run of train_autoencoder, not in pixels."""

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
    fourier_frequencies: tuple[int, ...] | None = None
    """Sines of pixel values that the network sees: 3 4 resolve 17 grey levels, 6 7 resolve 256; 3 4
    where none are given, and none of latents."""
    dropout: float = 0.15
    """Dropout inside the residual blocks."""

    accumulate: int = 1
    """Split the batch into this many passes; the gradient is that of the whole."""
    denoise_at: tuple[int, ...] = ()
    """Timesteps of the denoising sheet beside T and 0; tenths and a twentieth of T by default."""
    preview_steps: int = 30
    """Sampler steps of a visit's chain."""

    LEAST: ClassVar[dict[str, int]] = RunConfig.LEAST | {
        "T": 1,
        "width": 2,
        "blocks": 1,
        "accumulate": 1,
        "preview_steps": 1,
    }
    POSITIVE: ClassVar[tuple[str, ...]] = (*RunConfig.POSITIVE, "snr_gamma")
    SHARES: ClassVar[tuple[str, ...]] = ("dropout", "label_dropout", *RunConfig.SHARES)

    def __post_init__(self) -> None:
        for name, value in PRESETS[self.preset].items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        if self.fourier_frequencies is None:
            object.__setattr__(self, "fourier_frequencies", () if self.latent else (3, 4))
        super().__post_init__()
        if self.width is not None and self.width % 2:
            raise ValueError(f"--width = {self.width} must be even, for sines and cosines")
        for octave in self.fourier_frequencies or ():
            if not 0 <= octave <= FINEST_OCTAVE:
                raise ValueError(f"--fourier-frequencies has {octave}, outside 0..{FINEST_OCTAVE}")
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
