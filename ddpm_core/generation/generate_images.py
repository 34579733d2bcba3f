"""The sample command: build denoiser and sampler of a trained run, sample, write files."""

import difflib
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ddpm_core._types import Denoiser
from ddpm_core.cli.failures import one_line
from ddpm_core.cli.progress import progress, say
from ddpm_core.denoiser import ClipX0
from ddpm_core.figures.grids import sample_grid, trajectory_gif
from ddpm_core.gate.devices import choose_device
from ddpm_core.generation.compare import STEPS, comparison_cells, comparison_grid
from ddpm_core.generation.config import SampleConfig
from ddpm_core.guidance import Guided
from ddpm_core.samplers.base import Sampler, generate
from ddpm_core.samplers.names import SAMPLERS, build_sampler, can_start
from ddpm_core.samplers.timestep_spacing import TIMESTEP_SPACINGS
from ddpm_core.storage.files import file_stem, write_bytes
from ddpm_core.storage.run_lock import writable_folder
from ddpm_core.training.same_data import compare_quickly
from ddpm_core.training.trained import Trained, load_trained

GIF_FRAMES = 60
GRID_IMAGES = 256
COMPARED = 4  # images per cell of the comparison


def draw(config: SampleConfig) -> list[Path]:
    """Write the samples as .npy in [0, 1], a grid as .png, trajectories as .gif; return the paths.

    With --compare, only the figure of all samplers. Raises ValueError or FileNotFoundError if RUN
    has no intact checkpoint, or its checkpoint cannot do what the options require.
    """
    device = choose_device(config.device)
    trained = load_trained(config.run, device)
    changed = config.data_changed == "ok"
    remarks = compare_quickly(trained, config.dataset, changed=changed)
    trained = trained.marked([each for each in remarks if not each.startswith("NOTE")])
    for remark in (*trained.remarks, *(each for each in remarks if each.startswith("NOTE"))):
        say(remark, error=True)
    trained.check_clip(config.clip)
    check_timesteps(config, trained.schedule.T)
    labels = chosen_classes(config, trained)
    schedule = trained.schedule
    times = TIMESTEP_SPACINGS[config.timestep_spacing](schedule, config.steps or schedule.T)
    if not can_start(config.sampler, schedule, times):
        raise ValueError(
            f"--sampler {config.sampler} cannot start at t = {times[0]} of {config.run}, where "
            "x_T contains no signal (zero terminal SNR): use --sampler ddim or dpm++, or "
            "--timestep-spacing leading"
        )
    variance = trained.variance(config.variance)
    sampler = build_sampler(config.sampler, schedule, times, eta=config.eta, variance=variance)
    # Refuse early, before any sampling.
    folder = writable_folder(config.out_dir or trained.run / "generated")
    name = f"step-{trained.step:06d}-seed-{config.seed}{config.suffix(labels)}"
    stem = folder / file_stem(name)
    denoiser = build_denoiser(config, trained, labels)
    if config.compare:
        return [_compare(config, trained, denoiser, labels, stem, device)]
    return _draw(config, trained, sampler, denoiser, labels, stem, device)


def check_timesteps(config: SampleConfig, T: int) -> None:
    """Refuse options that need more than T timesteps."""
    if config.steps is not None and config.steps > T:
        raise ValueError(
            f"--steps = {config.steps}, but {config.run} has T = {T} timesteps; use {T} or fewer"
        )
    if config.guidance_interval is not None and config.guidance_interval[1] > T:
        low, high = config.guidance_interval
        raise ValueError(
            f"--guidance-interval {low} {high}, but {config.run} has T = {T} timesteps; "
            f"end it at {T} or below"
        )


def chosen_classes(config: SampleConfig, trained: Trained) -> list[int]:
    """Return the labels of --class, or []. Raises ValueError for an unknown class."""
    wanted, names, dropout = config.class_, trained.class_names, trained.config.label_dropout
    if wanted and not trained.config.conditional:
        raise ValueError(
            f"--class {' '.join(wanted)}, but {config.run} was trained without classes; "
            "omit it, or train with --conditional"
        )
    if trained.config.conditional and not dropout and config.guidance_scale != 1:
        raise ValueError(
            f"--guidance-scale = {config.guidance_scale:g}, but {config.run} was trained with "
            "--label-dropout 0 and has no unconditional prediction; omit it"
        )
    if trained.config.conditional and not dropout and not wanted:
        raise ValueError(
            f"{config.run} was trained with --label-dropout 0 and cannot sample without a class; "
            f"choose one with --class: {', '.join(names)}, or all"
        )
    if wanted and "all" in wanted:
        labels = list(range(len(names)))
    else:
        labels = [_label(each, names) for each in wanted or ()]
    if unseen := trained.unseen(labels):
        raise ValueError(
            f"--class {' '.join(wanted or ())}: {config.run} had no training image of "
            f"{', '.join(unseen)}; name other classes"
        )
    if len(set(labels)) < len(labels):
        raise ValueError(f"--class {' '.join(wanted or ())} contains a class twice; list each once")
    return labels


def _label(name: str, names: Sequence[str]) -> int:
    """Return the index of a class, by its name or else its number."""
    if name in names:
        return names.index(name)
    if name.isascii() and name.isdigit() and int(name) < len(names):
        return int(name)
    near = () if name.lstrip("-").isdigit() else difflib.get_close_matches(name, names, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    raise ValueError(
        f"--class {name} is unknown; the {len(names)} classes are {', '.join(names)}, by name or "
        f"by number 0 to {len(names) - 1}, or all.{hint}"
    )


def build_denoiser(config: SampleConfig, trained: Trained, labels: Sequence[int]) -> Denoiser:
    """Return the network's denoiser, guided if there are labels, then clipped."""
    denoiser = trained.denoiser(clip=False)
    if labels:
        scale, rescale = config.guidance_scale, config.guidance_rescale
        none = trained.network.classes
        denoiser = Guided(denoiser, scale, none, rescale, config.guidance_interval)
    return ClipX0(denoiser) if trained.clips(config.clip) else denoiser


def _compare(
    config: SampleConfig,
    trained: Trained,
    denoiser: Denoiser,
    labels: Sequence[int],
    stem: Path,
    device: torch.device,
) -> Path:
    total = len(SAMPLERS) * sum(steps <= trained.schedule.T for steps in STEPS) + 1
    each = [labels[i % len(labels)] for i in range(COMPARED)] if labels else []
    drawing = comparison_cells(
        denoiser,
        trained.schedule,
        trained.image_shape,
        config.timestep_spacing,
        n=COMPARED,
        seed=config.seed,
        cond=torch.tensor(each, device=device) if each else None,
        device=device,
    )
    cells = []
    with progress(total, "comparison", "sampling run") as bar:
        for row, steps, x_0 in drawing:
            cells.append((row, steps, trained.space.decode(x_0).cpu()))
            bar.update()
    path = stem.with_name(f"{stem.name}-compare.png")
    title = f"{config.timestep_spacing} timesteps, seed {config.seed}"
    if config.class_ is not None:
        title += f", class {' '.join(config.class_)}, guidance scale {config.guidance_scale:g}"
    write_bytes(path, comparison_grid(cells, title=title, watermark=trained.watermark))
    return path


def _draw(
    config: SampleConfig,
    trained: Trained,
    sampler: Sampler[Any],
    denoiser: Denoiser,
    labels: Sequence[int],
    stem: Path,
    device: torch.device,
) -> list[Path]:
    times = sampler.times
    shown = set(times[:: max(1, len(times) // GIF_FRAMES)]) | {0}
    numbers = range(config.first, config.first + config.n)
    wanted = [
        (label, i) for label in labels or [0] for i in numbers
    ]  # every class from the same noise
    space, images, trajectory = trained.space, [], []

    def to_array(images: Tensor) -> Float[np.ndarray, "n channels height width"]:
        return images.cpu().numpy()

    with progress(len(wanted) * len(times), "samples", "timestep") as bar:
        for start in range(0, len(wanted), config.batch_size):
            batch_labels, indices = zip(*wanted[start : start + config.batch_size], strict=True)
            steps = generate(
                sampler,
                denoiser,
                trained.image_shape,
                indices=indices,
                seed=config.seed,
                cond=torch.tensor(batch_labels, device=device) if labels else None,
                device=device,
            )
            for t, x_t, x0_hat in steps:
                bar.update(len(indices))
                if config.gif and start == 0 and t in shown:
                    colors, decoded = space.colors(x_t), space.decode(x0_hat)
                    trajectory.append((t, to_array(colors), to_array(decoded)))
            images.append(space.decode(x_t).cpu())
    drawn = torch.cat(images)

    array = io.BytesIO()
    np.save(array, ((drawn.clamp(-1, 1) + 1) / 2).numpy(), allow_pickle=False)
    columns = config.n if len(labels) > 1 else None  # one row per class
    files: dict[str, Callable[[], bytes]] = {
        ".npy": array.getvalue,
        ".png": lambda: _grid(drawn, len(labels), trained.watermark),
        ".gif": lambda: trajectory_gif(trajectory, columns=columns, watermark=trained.watermark),
    }
    if not config.gif:
        del files[".gif"]
    paths = []
    for ending, content in files.items():
        path = stem.with_name(stem.name + ending)
        try:
            data = content()
        except Exception as error:  # the samples are written, whatever becomes of their pictures
            say(f"WARNING: no {path.name}: {one_line(error)}", error=True)
            continue
        write_bytes(path, data)
        paths.append(path)
    return paths


def _grid(
    drawn: Float[Tensor, "n channels height width"], classes: int, watermark: str | None
) -> bytes:
    """Draw the first images, or the first of each class with one row per class."""
    if classes < 2:
        return sample_grid(drawn[:GRID_IMAGES], watermark=watermark)
    rows = drawn.unflatten(0, (classes, -1))[:, : max(1, GRID_IMAGES // classes)]
    return sample_grid(rows.flatten(0, 1), rows.shape[1], watermark=watermark)
