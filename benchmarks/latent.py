"""Compare diffusion of latents with diffusion of pixels: speed, memory, quality at equal time.

Run as: python -m benchmarks.latent idx:DIR [--image-size 64] [--seconds 600] [--out runs/latent]

An autoencoder is trained first; its training time counts as part of the latent model's. Both U-Nets
have nearly the same number of parameters. The U-Net for pixels has one more resolution, so that
both have attention over the same number of positions (16 x 16). Training steps and samples are
timed in turn; memory is measured in a separate process (Linux). Then both are trained for the same
time and evaluated by the same code.
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
from ddpm_core import ClipX0, DPMSolver, generate, trailing
from ddpm_core.cli.signals import stop_on_signal
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.evaluate import evaluate
from ddpm_core.training import loop
from ddpm_core.training.autoencoder_config import AutoencoderConfig
from ddpm_core.training.autoencoder_run import AutoencoderTask
from ddpm_core.training.build import build_network
from ddpm_core.training.diffusion_config import TrainConfig
from ddpm_core.training.diffusion_run import DiffusionTask
from ddpm_core.training.task import Task
from ddpm_core.training.trained import load_trained

CPU = torch.device("cpu")
SIDES = ("latents", "pixels")
STEPS = 30  # of DPM-Solver++, for every sample


def folder(options: argparse.Namespace, name: str) -> Path:
    return Path(options.out) / name


def config_of(options: argparse.Namespace, side: str) -> TrainConfig:
    """Return the configuration of a side; the width for pixels matches the size of latents'."""
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

    def size_difference(width: int) -> int:
        with torch.device("meta"):
            return abs(size(build_network(replace(pixels, width=width), colours)) - target)

    return replace(pixels, width=min(range(8, 65, 2), key=size_difference))


def prepared(options: argparse.Namespace, side: str) -> DiffusionTask:
    return DiffusionTask.prepare(config_of(options, side))


def samples_of(run: DiffusionTask, n: int) -> Callable[[], object]:
    """Return a function that draws n samples and decodes latents."""
    denoiser = ClipX0(run.denoiser) if run.space.clips else run.denoiser
    sampler = DPMSolver(run.schedule, trailing(run.schedule, STEPS))

    def draw() -> object:
        chain = generate(sampler, denoiser, run.dataset.shape, indices=range(n))
        return run.space.decode(deque(chain, maxlen=1)[0].x_t)

    return draw


def stepper(task: Task) -> Callable[[], object]:
    """Return a function that takes the next training step of the task."""
    steps = loop.training_loop(task)
    return lambda: next(steps)


def train(config: AutoencoderConfig | TrainConfig, seconds: float, pace: float) -> None:
    """Train for about `seconds` at `pace` seconds per step, with a complete learning-rate decay."""
    config = replace(config, max_steps=max(1, round(seconds / pace)))
    kind = AutoencoderTask if isinstance(config, AutoencoderConfig) else DiffusionTask
    with stop_on_signal() as stop:
        failed = loop.train(kind.command, lambda: kind.prepare(config), stop)
    if failed:
        raise SystemExit(f"{config.out_dir}: training did not finish")


def seconds_per_step(run: Task, steps: int = 8) -> float:
    """Return the median seconds of a training step."""
    step = stepper(run)
    return statistics.median(interleaved({"": step}, steps)[""])


def speed(options: argparse.Namespace) -> dict[str, Any]:
    """Return the ratio of training images and of samples per second, latents over pixels."""
    runs = {side: prepared(options, side) for side in SIDES}
    found: dict[str, Any] = {
        "parameters": {side: size(run.state.network) for side, run in runs.items()}
    }
    tasks = {
        "training images": {side: stepper(run) for side, run in runs.items()},
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
    """Return the peak memory of three training steps, and of their process, in MiB."""
    peaks = {}
    for side in SIDES:
        command = [sys.executable, "-m", "benchmarks.latent", *sys.argv[1:], "--memory-of", side]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        added, total = map(int, done.stdout.split()[-2:])
        peaks[side] = {"steps": added, "process": total}
    return peaks


def memory_of(options: argparse.Namespace) -> tuple[int, int]:
    """Measure this process; libraries, data, network and optimizer are loaded before the steps."""
    run = prepared(options, options.memory_of)
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    before = resident("VmRSS")
    step = stepper(run)
    for _ in range(3):
        step()
    return resident("VmHWM") - before, resident("VmHWM")


def quality(options: argparse.Namespace, side: str) -> dict[str, Any]:
    """Evaluate a trained side."""
    path = folder(options, side)
    config = EvaluateConfig(path, n=options.n, strata=20, samples=options.samples, device="cpu")
    found: dict[str, Any] = json.loads(evaluate(config)[0].read_bytes())
    return found


def table(found: dict[str, Any]) -> str:
    """Return a Markdown table with one row per side."""
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
    for each, title in (("decoded", "real, reconstructed"), ("real", "real")):
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
    parser.add_argument("--seconds", type=float, default=600.0, help="training time of each side")
    parser.add_argument(
        "--autoencoder-fraction", type=float, default=0.3, help="of the latent side's time"
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--samples-at-once", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--n", type=int, default=100, help="test images for the likelihood bound")
    parser.add_argument("--samples", type=int, default=1000, help="for the sample quality")
    parser.add_argument("--dtype", choices=["float32", "bf16"], default="bf16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", default="runs/latent-benchmark", help="an empty output directory")
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
    pace = seconds_per_step(AutoencoderTask.prepare(coder))
    began = time.perf_counter()
    train(coder, options.autoencoder_fraction * options.seconds, pace)
    prepared(options, "latents")  # encodes the images once
    spent = time.perf_counter() - began

    found = speed(options)
    for name in ("training images", "samples"):
        middle, low, high = found[name]
        print(
            f"{name}: {middle:.1f} times as many per second in latents ({low:.1f} to {high:.1f})",
            flush=True,
        )
    found["memory"] = memory(options)
    print(f"memory of training steps, and of the process, in MiB: {found['memory']}", flush=True)
    found["seconds"] = {"autoencoder": spent}
    for side, seconds in (("latents", options.seconds - spent), ("pixels", options.seconds)):
        train(config_of(options, side), seconds, found["training images, median seconds"][side])
        run = load_trained(folder(options, side), CPU)
        found["seconds"][side] = seconds_of(run) + (spent if side == "latents" else 0)
    found["quality"] = {side: quality(options, side) for side in SIDES}
    print(table(found))
    test = json.loads((folder(options, "autoencoder") / "test.json").read_bytes())
    print(
        f"the autoencoder used {spent:.0f} s of the latents' time; its reconstruction error is "
        f"{math.sqrt(test['reconstruction']):.4f} (root mean square, for a range of 2)"
    )
    path = folder(options, "latent.json")
    path.write_text(json.dumps(found | {"options": vars(options), "test": test}, indent=1) + "\n")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
