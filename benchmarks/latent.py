"""Diffusion in latents against diffusion of pixels: speed, memory, and quality at equal time.

Run as: python -m benchmarks.latent idx:DIR [--image-size 64] [--seconds 600] [--out runs/latent]

An autoencoder is trained first, for a part of the seconds that is counted as its share of the
latent side's time. Both U-Nets have nearly equal numbers of parameters; that of pixels has a level
more, so that its attention is among 16 x 16 positions, as many as latents have in all. Training
steps and samples are timed in turn; memory is that of a process of its own (Linux). Then both are
trained for the seconds that are theirs and evaluated by one code.
"""

import argparse
import json
import math
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.interleaved import interleaved, paired_ratio
from benchmarks.likelihood import seconds_of, size
from benchmarks.unet import resident
from ddpm_core import ClipX0, DPMSolver, NetworkDenoiser, generate, trailing
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.evaluate import evaluate
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.autoencoder_run import AutoencoderRun
from ddpm_core.training.build import build_network
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionRun
from ddpm_core.training.loop import Run
from ddpm_core.training.start import start
from ddpm_core.training.trained import load_trained

CPU = torch.device("cpu")
SIDES = ("latents", "pixels")
STEPS = 30  # of DPM-Solver++, in every sample


def folder(options: argparse.Namespace, name: str) -> Path:
    return Path(options.out) / name


def config_of(options: argparse.Namespace, side: str) -> TrainConfig:
    """The options of a side; the width of pixels' U-Net brings its size nearest to latents'."""
    config = TrainConfig(
        dataset=options.dataset,
        image_size=options.image_size,
        out_dir=folder(options, side),
        latent=folder(options, "autoencoder") if side == "latents" else None,
        parameterization="v",
        dropout=0.0,
        batch_size=options.batch,
        dtype=options.dtype,
        sample_every=10**9,
        save_every=10**9,
        device="cpu",
    )
    if side == "latents":
        return config
    channels = AutoencoderConfig().latent_channels
    target = size(build_network(replace(config, fourier_frequencies=()), channels))
    pixels = replace(config, multipliers=(1, 2, 2), fourier_frequencies=(6, 7))
    colours = 3 if options.dataset.startswith("patches") else 1

    def farness(width: int) -> int:
        with torch.device("meta"):
            return abs(size(build_network(replace(pixels, width=width), colours)) - target)

    return replace(pixels, width=min(range(8, 65, 2), key=farness))


def prepared(options: argparse.Namespace, side: str) -> DiffusionRun:
    return DiffusionRun.prepare(config_of(options, side))


def samples_of(run: DiffusionRun, n: int) -> Callable[[], object]:
    """Draw n samples and, of latents, decode them."""
    plain = NetworkDenoiser(run.schedule, run.trainee.ema.network, run.config.parameterization)
    kept = run.autoencoder
    denoiser = ClipX0(plain) if kept is None else plain
    sampler = DPMSolver(run.schedule, trailing(run.schedule, STEPS))

    def draw() -> object:
        chain = generate(sampler, denoiser, run.dataset.shape, indices=range(n))
        x_0 = deque(chain, maxlen=1)[0].x_t
        return x_0 if kept is None else kept.decode(x_0)

    return draw


def stepped(run: Run) -> Callable[[], object]:
    """Training steps, one after the other."""

    def step() -> None:
        run.take_step()
        run.step += 1

    return step


def trained(config: AutoencoderConfig | TrainConfig, seconds: float, pace: float) -> None:
    """Train for about so many seconds, at so many a step, to the end of the rate's fall."""
    config = replace(config, max_steps=max(1, round(seconds / pace)))
    kind = AutoencoderRun if isinstance(config, AutoencoderConfig) else DiffusionRun
    if start(kind.command, config, lambda: kind.prepare(config)):
        raise SystemExit(f"{config.out_dir} was not trained to its end")


def pace_of(run: Run, steps: int = 8) -> float:
    """Median seconds of a training step."""
    step = stepped(run)
    return statistics.median(interleaved({"": step}, steps)[""])


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """How many times as many images and samples a second latents make."""
    runs = {side: prepared(options, side) for side in SIDES}
    found: dict[str, Any] = {
        "parameters": {side: size(run.trainee.network) for side, run in runs.items()}
    }
    tasks = {
        "training images": {side: stepped(run) for side, run in runs.items()},
        "samples": {side: samples_of(run, options.samples_at_once) for side, run in runs.items()},
    }
    for name, subjects in tasks.items():
        seconds = interleaved(subjects, options.rounds, warm_up=1)
        found[name] = paired_ratio(seconds["pixels"], seconds["latents"])
        found[f"{name}, median seconds"] = {
            side: statistics.median(each) for side, each in seconds.items()
        }
    return found


def memory(options: argparse.Namespace) -> dict[str, dict[str, int]]:
    """What three training steps add to a process at their peak, and all of it, in MiB."""
    peaks = {}
    for side in SIDES:
        command = [sys.executable, "-m", "benchmarks.latent", *sys.argv[1:], "--memory-of", side]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        added, whole = map(int, done.stdout.split()[-2:])
        peaks[side] = {"steps": added, "process": whole}
    return peaks


def memory_of(options: argparse.Namespace) -> tuple[int, int]:
    """The same, of this process: libraries, data, network and optimizer are there before."""
    run = prepared(options, options.memory_of)
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = resident("VmRSS")
    step = stepped(run)
    for _ in range(3):
        step()
    return resident("VmHWM") - before, resident("VmHWM")


def quality(options: argparse.Namespace, side: str) -> dict[str, Any]:
    """The figures of the evaluator."""
    path = folder(options, side)
    config = EvaluateConfig(path, n=options.n, strata=20, samples=options.samples, device="cpu")
    found: dict[str, Any] = json.loads(evaluate(config)[0].read_bytes())
    return found


def table(found: dict[str, Any]) -> str:
    """A row for each side."""
    sides = found["quality"]
    names = list(sides["latents"]["quality"]["distances"])
    rows = [
        f"| at equal time | parameters | seconds | steps | {' | '.join(names)} |",
        f"|{'---|' * (4 + len(names))}",
    ]
    for side in SIDES:
        cells = (f"{sides[side]['quality']['distances'][name]['samples']:.4f}" for name in names)
        rows.append(
            f"| {side} | {found['parameters'][side]:,} | {found['seconds'][side]:.0f} | "
            f"{sides[side]['step']:,} | {' | '.join(cells)} |"
        )
    for each, title in (("decoded", "real, from their latents"), ("real", "real")):
        cells = (
            f"{value:.4f}" if (value := distances.get(each)) is not None else "-"
            for distances in sides["latents"]["quality"]["distances"].values()
        )
        rows.append(f"| {title} | | | | {' | '.join(cells)} |")
    return "\n".join(rows)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("dataset")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--seconds", type=float, default=600.0, help="of each side's training")
    parser.add_argument("--share", type=float, default=0.3, help="of it for the autoencoder")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples-at-once", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--n", type=int, default=100, help="test images whose bound is estimated")
    parser.add_argument("--samples", type=int, default=1000, help="that are compared")
    parser.add_argument("--dtype", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="runs/latent-benchmark", help="an empty folder")
    parser.add_argument("--memory-of", choices=SIDES, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = arguments()
    torch.set_num_threads(options.threads)
    if options.memory_of:
        print(*memory_of(options))
        return
    coder = AutoencoderConfig(
        dataset=options.dataset,
        image_size=options.image_size,
        out_dir=folder(options, "autoencoder"),
        dtype=options.dtype,
        sample_every=10**9,
        save_every=10**9,
        device="cpu",
    )
    pace = pace_of(AutoencoderRun.prepare(coder))
    began = time.perf_counter()
    trained(coder, options.share * options.seconds, pace)
    prepared(options, "latents")  # which encodes the images once
    spent = time.perf_counter() - began

    found = speed(options)
    for name in ("training images", "samples"):
        middle, low, high = found[name]
        print(
            f"{name}: {middle:.1f} times as many a second in latents ({low:.1f} to {high:.1f})",
            flush=True,
        )
    found["memory"] = memory(options)
    print(f"memory of training steps, and of the process, in MiB: {found['memory']}", flush=True)
    found["seconds"] = {"autoencoder": spent}
    for side, seconds in (("latents", options.seconds - spent), ("pixels", options.seconds)):
        trained(config_of(options, side), seconds, found["training images, median seconds"][side])
        run = load_trained(folder(options, side), CPU)
        found["seconds"][side] = seconds_of(run) + (spent if side == "latents" else 0)
    found["quality"] = {side: quality(options, side) for side in SIDES}
    print(table(found))
    test = json.loads((folder(options, "autoencoder") / "test.json").read_bytes())
    print(
        f"the autoencoder took {spent:.0f} s of the latents' time; its images are off by "
        f"{math.sqrt(test['reconstruction']):.4f} (root of the mean square, of a range of 2)"
    )
    path = folder(options, "latent.json")
    path.write_text(json.dumps(found | {"options": vars(options), "test": test}, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
