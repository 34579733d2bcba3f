"""python -m ddpm_core.sample RUN: draw images from the averaged weights of a run."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from ddpm_core.training.options import flag, parse, usage_error

GIF_FRAMES = 60
GRID_IMAGES = 256


@dataclass(frozen=True)
class SampleConfig:
    """Draw samples from a trained run and say what was written."""

    run: tyro.conf.Positional[Path]
    """The run directory, or one of its checkpoints."""
    config: Path | None = None
    """A TOML file of these options; flags win over it."""
    out_dir: Path | None = None
    """Where to write; RUN/generated where none is given."""
    n: int = 64
    """Number of samples."""
    first: int = 0
    """Index of the first sample: sample i of a seed is the same whatever batch draws it."""
    sampler: Literal["ancestral", "ddim", "dpm++", "heun"] = "ancestral"
    """How to step. ancestral: as in the DDPM paper; ddim: any noise, see --eta; dpm++ and heun:
    second order, good with 10 to 20 steps (heun asks the network twice a step)."""
    steps: int | None = None
    """Sampler steps; every level where none are given."""
    ladder: Literal["trailing", "leading", "linspace", "log_snr"] = "trailing"
    """How the levels of fewer steps are spread."""
    eta: float = 0.0
    """Noise of a ddim step, 0 (none) to 1 (as much as ancestral)."""
    batch_size: int = 64
    """Samples drawn at a time."""
    seed: int = 0
    """Keys every random number."""
    variance: Literal["fixed_small", "fixed_large"] = "fixed_small"
    """Variance of an ancestral step."""
    clip: bool = True
    """Clip x0_hat to [-1, 1] at every step."""
    gif: bool = False
    """Also write the chain of the first samples as an animation."""
    compare: bool = False
    """Only draw a picture of every sampler at several numbers of steps, from the same noise."""
    device: str = "auto"
    """auto, cpu, cuda, mps, xpu."""

    def __post_init__(self) -> None:
        for name, least in {"n": 1, "first": 0, "batch_size": 1, "seed": 0}.items():
            if getattr(self, name) < least:
                raise ValueError(f"{flag(name)} = {getattr(self, name)} is below {least}")
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"--steps = {self.steps} is below 1")
        if not 0 <= self.eta <= 1:
            raise ValueError(f"--eta = {self.eta:g} is outside [0, 1]")
        if self.eta and self.sampler != "ddim":
            raise ValueError(f"--eta = {self.eta:g} is for --sampler ddim, not {self.sampler}")
        if self.variance != "fixed_small" and self.sampler != "ancestral":
            raise ValueError(
                f"--variance {self.variance} is for --sampler ancestral, not {self.sampler}"
            )


def main(arguments: list[str] | None = None) -> int:
    """Parse, sample, write; returns the exit code: 0 done, 2 usage."""
    config = parse(SampleConfig, "sample", arguments)
    try:
        written = draw(config)
    except (ValueError, OSError) as error:
        usage_error("sample", str(error))
    print("wrote", *written, sep="\n  ")
    return 0


def draw(config: SampleConfig) -> list[Path]:
    """Write the samples as .npy in [0, 1], a grid as .png, the chain as .gif; returns the paths.

    With --compare, only the picture of all samplers. Raises ValueError or FileNotFoundError where
    RUN holds no sound checkpoint.
    """
    import io

    import numpy as np  # torch and its kind only once --help is answered
    import torch
    from tqdm import tqdm

    from ddpm_core.denoiser import ClipX0, NetworkDenoiser
    from ddpm_core.gate.devices import choose_device
    from ddpm_core.samplers.base import generate
    from ddpm_core.samplers.ladders import LADDERS
    from ddpm_core.samplers.names import CALLS, named
    from ddpm_core.training.comparison import STEPS, compared, comparison_sheet
    from ddpm_core.training.files import writable_folder, write_bytes
    from ddpm_core.training.pictures import chain_gif, sample_grid
    from ddpm_core.training.restore import load_trained

    device = choose_device(config.device)
    trained = load_trained(config.run, device)
    schedule = trained.schedule
    if trained.watermark:
        print(trained.watermark, file=sys.stderr)
    if config.steps is not None and config.steps > schedule.T:
        raise ValueError(f"--steps = {config.steps}, but {config.run} has T = {schedule.T} levels")
    times = LADDERS[config.ladder](schedule, config.steps or schedule.T)
    sampler = named(config.sampler, schedule, times, eta=config.eta, variance=config.variance)
    folder = writable_folder(config.out_dir or trained.run / "generated")  # before any work is lost
    stem = f"step-{trained.step:06d}-seed-{config.seed}"
    network = NetworkDenoiser(schedule, trained.network, trained.parameterization)
    denoiser = ClipX0(network) if config.clip else network

    if config.compare:
        many = len(CALLS) * sum(steps <= schedule.T for steps in STEPS) + 1
        drawing = compared(
            denoiser,
            schedule,
            trained.image_shape,
            config.ladder,
            seed=config.seed,
            device=device,
        )
        cells = list(tqdm(drawing, total=many, unit="chain", disable=not sys.stderr.isatty()))
        sheet = comparison_sheet(cells, watermark=trained.watermark)
        write_bytes(folder / f"{stem}-compare.png", sheet)
        return [folder / f"{stem}-compare.png"]

    shown = set(times[:: max(1, len(times) // GIF_FRAMES)]) | {0}
    images, chain = [], []
    indices = range(config.first, config.first + config.n)
    with tqdm(total=config.n * len(times), unit="level", disable=not sys.stderr.isatty()) as bar:
        for start in range(0, config.n, config.batch_size):
            batch = indices[start : start + config.batch_size]
            steps = generate(
                sampler,
                denoiser,
                trained.image_shape,
                indices=batch,
                seed=config.seed,
                device=device,
            )
            for t, x_t, x0_hat in steps:
                bar.update(len(batch))
                if config.gif and start == 0 and t in shown:
                    chain.append((t, x_t.cpu().numpy(), x0_hat.cpu().numpy()))
            images.append(x_t.cpu())
    drawn = torch.cat(images)

    array = io.BytesIO()
    np.save(array, ((drawn.clamp(-1, 1) + 1) / 2).numpy(), allow_pickle=False)
    grid = sample_grid(drawn[:GRID_IMAGES], watermark=trained.watermark)
    files = {".npy": array.getvalue(), ".png": grid}
    if config.gif:
        files[".gif"] = chain_gif(chain, watermark=trained.watermark)
    for suffix, content in files.items():
        write_bytes(folder / f"{stem}{suffix}", content)
    return [folder / f"{stem}{suffix}" for suffix in files]


if __name__ == "__main__":
    sys.exit(main())
