"""What the evaluate command does: the bound of a run's test images, its split, and baselines."""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from ddpm_core.gate.devices import choose_device
from ddpm_core.losses import check_levels
from ddpm_core.training.baselines import baselines
from ddpm_core.training.bound import Part, bound_of, key_of, read_part, whole
from ddpm_core.training.curves import bound_figure
from ddpm_core.training.data import Dataset, load_dataset
from ddpm_core.training.evaluate_config import EvaluateConfig
from ddpm_core.training.files import writable_folder, write_bytes, write_json
from ddpm_core.training.flow import check_flow, flow_figures, sentence
from ddpm_core.training.heldout import spread
from ddpm_core.training.realism import check_quality, columns, sample_quality, table
from ddpm_core.training.restore import Trained, load_trained


def evaluate(config: EvaluateConfig) -> list[Path]:
    """Write evaluation.json and .png, and print a row for a table; returns the paths.

    Raises ValueError or FileNotFoundError for a run or data that cannot be evaluated.
    """
    device = choose_device(config.device)
    trained = load_trained(config.run, device)
    if trained.watermark:
        print(trained.watermark, file=sys.stderr)
    dataset = load_dataset(trained.config.dataset, trained.config.image_size)
    check(config, trained, dataset)
    folder = writable_folder(config.out_dir or trained.run / "evaluation")
    test = spread(dataset.test, config.n or len(dataset.test))
    found = whole(_parts(config, trained, dataset, test, folder, device))
    result = summary(config, trained, dataset, found)
    result["baselines"] = baselines(dataset, test, config.seed)
    result["flow"] = flow_figures(config, trained, dataset, test, folder, device)
    result["quality"] = sample_quality(config, trained, dataset, folder, device)
    print(row(result))
    if result["flow"]:
        print(f"\n{sentence(result['flow'])}")
    if result["quality"]:
        print(f"\n{table(result['quality'])}\n")
    paths = [folder / "evaluation.json", folder / "evaluation.png"]
    write_json(paths[0], result)
    write_bytes(paths[1], bound_figure(result, watermark=trained.watermark))
    return paths


def check(config: EvaluateConfig, trained: Trained, dataset: Dataset) -> None:
    """Refuse what has no bound, before any of it is worked out."""
    trained.variance(config.variance)
    check_flow(config, trained)
    name, T = dataset.name, trained.schedule.T
    if dataset.images.is_floating_point():
        raise ValueError(
            f"--dataset {name} holds real numbers, of which no number of grey levels is known, and "
            "bits per dimension are of levels: store uint8 images and their number of `levels`"
        )
    check_levels(dataset.levels, torch.float32)
    if dataset.shape != trained.picture_shape or dataset.levels != trained.levels:
        raise ValueError(
            f"{config.run} was trained on images of shape {trained.picture_shape} with "
            f"{trained.levels} levels, but {name} has {dataset.shape} with {dataset.levels} now"
        )
    if config.n is not None and config.n > len(dataset.test):
        raise ValueError(f"--n = {config.n}, but {name} has {len(dataset.test)} test images")
    if config.strata is not None and config.strata > T:
        raise ValueError(f"--strata = {config.strata}, but {config.run} has T = {T} levels")
    conditional = trained.config.conditional
    if conditional and dataset.labels is None:
        raise ValueError(f"{config.run} is told classes, but {name} has none now")
    check_quality(config, trained, dataset)


def _parts(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    test: torch.Tensor,
    folder: Path,
    device: torch.device,
) -> list[Part]:
    """Each part from its file, or worked out and put there."""
    key, parts = key_of(config, trained, dataset), []
    calls = (config.strata or trained.schedule.T) * len(test)
    hidden = not sys.stderr.isatty()
    with tqdm(total=calls, unit="call", unit_scale=True, disable=hidden) as bar:
        for indices in test.split(config.batch_size):
            path = folder / "parts" / f"{int(indices[0]):06d}-{len(indices)}.npz"
            this = f"{key} of {indices.tolist()}"  # as --n spreads them, others begin alike
            part = read_part(path, this)
            if part is None:
                part = bound_of(config, trained, dataset, indices, device, bar.update)
                path.parent.mkdir(exist_ok=True)
                write_bytes(path, part.to_bytes(this))
            else:
                bar.update(len(indices) * (config.strata or trained.schedule.T))
            parts.append(part)
    return parts


def summary(
    config: EvaluateConfig, trained: Trained, dataset: Dataset, found: Part
) -> dict[str, Any]:
    """The figures, in bits per dimension."""
    n, dims = len(found.images), math.prod(dataset.shape)
    unit = dims * math.log(2)
    bits, terms = found.images / unit, found.terms / n / unit
    error = float(bits.std(ddof=1) / math.sqrt(n)) if n > 1 else None
    split = {"total": float(bits.mean()), "standard_error": error, "prior": float(terms[-1])}
    if trained.autoencoder is not None:
        split["autoencoder"] = float(found.autoencoder.mean() / unit)
    if config.strata is None:
        split |= {"steps": float(terms[1:-1].sum()), "decoder": float(terms[0])}
    means = found.errors / np.maximum(found.asked, 1)
    return {
        "run": str(config.run),
        "step": trained.step,
        "watermark": trained.watermark,
        "dataset": dataset.name,
        "images": n,
        "dims": dims,
        "levels": dataset.levels,
        "T": trained.schedule.T,
        "variance": trained.variance(config.variance),
        "clip": trained.clips(config.clip),
        "seed": config.seed,
        "strata": config.strata,
        "bits_per_dim": split,
        "terms": terms.tolist(),  # from the decoder's to the prior's; of stretches where estimated
        "eps_mse": {
            "mean": float(found.errors.sum() / found.asked.sum()),
            "by_decile": [
                float(mean) if asked else None
                for mean, asked in zip(means, found.asked, strict=True)
            ],
        },
    }


def row(result: dict[str, Any]) -> str:
    """One row of a table, with its head."""
    split = result["bits_per_dim"]
    error = "" if split["standard_error"] is None else f" ({split['standard_error']:.3f})"
    names, quality = list(result["baselines"]), columns(result["quality"])
    head = ["data", "images", "bits/dim (standard error)", "eps-MSE", *names, *quality]
    cells = [result["dataset"], f"{result['images']:,}", f"{split['total']:.3f}{error}"]
    cells += [f"{result['eps_mse']['mean']:.4f}"]
    cells += [f"{each:.3f}" for each in result["baselines"].values()]
    cells += quality.values()
    rule = "|".join(["---"] * len(head))
    return f"| {' | '.join(head)} |\n|{rule}|\n| {' | '.join(cells)} |"
