"""What the evaluate command does: the bound of a run's test images, its split, and baselines."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddpm_core.cli.progress import progress, say
from ddpm_core.data.dataset import Dataset, check_decoded, load_dataset, spread
from ddpm_core.evaluation.baselines import baselines
from ddpm_core.evaluation.bits_per_dim import Part, bound_of, key_of, read_part, whole
from ddpm_core.evaluation.cache import place
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.flow_likelihood import check_flow, flow_figures, sentence
from ddpm_core.evaluation.sample_quality import check_quality, columns, sample_quality, table
from ddpm_core.figures.curves import bound_figure
from ddpm_core.gate.devices import choose_device
from ddpm_core.storage.files import write_bytes, write_json
from ddpm_core.storage.run_lock import RunLock
from ddpm_core.training.trained import Trained, load_trained

DOUBT = 0.1  # of what it costs to know nothing: a bound that is off by more says little


def evaluate(config: EvaluateConfig) -> list[Path]:
    """Write the figures as .json, a picture of them as .png, print a row; returns the paths.

    Raises ValueError or FileNotFoundError for a run or data that cannot be evaluated.
    """
    device = choose_device(config.device)
    trained = load_trained(config.run, device)
    for remark in trained.remarks:
        say(remark, error=True)
    dataset = load_dataset(trained.config.dataset, trained.config.image_size)
    check(config, trained, dataset)
    folder = config.out_dir or trained.run / "evaluation"
    with RunLock(folder):
        test = spread(dataset.test, config.n or len(dataset.test))
        found = whole(_parts(config, trained, dataset, test, folder, device))
        result = summary(config, trained, dataset, found)
        result["baselines"] = baselines(dataset, test, config.seed)
        result["flow"] = flow_figures(config, trained, dataset, test, folder, device)
        result["quality"] = sample_quality(config, trained, dataset, folder, device)
        result["notes"] = list(doubts(config, result))
        paths = [folder / f"{config.name(trained.step)}.{ending}" for ending in ("json", "png")]
        write_json(paths[0], result)
        write_bytes(paths[1], bound_figure(result, watermark=trained.watermark))
    say("\n\n".join(told(result)) + "\n")
    return paths


def told(result: dict[str, Any]) -> Iterator[str]:
    """What a call prints."""
    yield row(result)
    shares = result["bits_per_dim"]["shares"].items()
    yield "of which " + ", ".join(f"{name.replace('_', ' ')} {bits:.3f}" for name, bits in shares)
    if result["flow"]:
        yield sentence(result["flow"])
    yield from result["notes"]
    if result["quality"]:
        yield table(result["quality"])


def doubts(config: EvaluateConfig, result: dict[str, Any]) -> Iterator[str]:
    """Which bound is known too badly to be used, and what makes it better known."""
    bound, flow, nothing = (result[name] for name in ("bits_per_dim", "flow", "baselines"))
    images = "the data have no more test images" if config.n is None else "take more test images"
    terms = images if config.strata is None else "take more --strata, or none"
    if config.strata is not None and config.n is not None:
        terms += ", and more test images"
    if bound["standard_error"] is None:
        yield f"NOTE: of one image no error is known: {images}"
    errors = [[("the bound", bound["standard_error"], terms)]]
    if flow:
        errors.append(  # each of which may stem from the one before
            [
                ("the flow", abs(flow["step_error"]), "take more levels for --flow"),
                ("the flow's divergence", flow["probe_error"], images),
                ("the flow's bound", flow["standard_error"], images),
            ]
        )
    for known in errors:
        far = [
            each for each in known if each[1] is not None and each[1] > DOUBT * nothing["uniform"]
        ]
        for name, error, way_out in far[:1]:
            yield (
                f"NOTE: {name} may be off by {error:.3f} bits/dim, and to know nothing at all "
                f"costs {nothing['uniform']:.3f}: {way_out}"
            )


def check(config: EvaluateConfig, trained: Trained, dataset: Dataset) -> None:
    """Refuse what has no bound, before any of it is worked out."""
    trained.variance(config.variance)
    trained.check_clip(config.clip)
    check_flow(config, trained)
    name, T = dataset.name, trained.schedule.T
    if dataset.images.is_floating_point():
        raise ValueError(
            f"--dataset {name} holds real numbers, and bits per dimension are of grey levels: "
            "store uint8 images and their number of `levels`"
        )
    check_decoded(dataset)
    if dataset.shape != trained.picture_shape or dataset.grey_levels != trained.grey_levels:
        raise ValueError(
            f"{config.run} was trained on images of shape {trained.picture_shape} with "
            f"{trained.grey_levels} grey levels, but {name} has {dataset.shape} with "
            f"{dataset.grey_levels} now"
        )
    if config.n is not None and config.n > len(dataset.test):
        many = len(dataset.test)
        raise ValueError(
            f"--n = {config.n}, but {name} has {many} test images; take {many} or fewer"
        )
    if config.strata is not None and config.strata > T:
        raise ValueError(
            f"--strata = {config.strata}, but {config.run} has T = {T} levels; take {T} or fewer"
        )
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
    with progress(calls, "bound", "call") as bar:
        for indices in test.split(config.batch_size):
            path, own = place(folder / "parts", key, indices)
            part = read_part(path, own)
            if part is None:
                part = bound_of(config, trained, dataset, indices, device, bar.update)
                write_bytes(path, part.to_bytes(own))
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
    names = ("decoder", "steps") if config.strata is None else ("lowest_levels", "other_levels")
    parts = (terms[0], terms[1:-1].sum(), terms[-1])
    shares = dict(zip((*names, "prior"), map(float, parts), strict=True))
    if not trained.space.exact:
        shares["autoencoder"] = float(found.autoencoder.mean() / unit)
    means = found.errors / np.maximum(found.asked, 1)
    return {
        "run": str(config.run),
        "step": trained.step,
        "watermark": trained.watermark,
        "dataset": dataset.name,
        "images": n,
        "dims": dims,
        "levels": dataset.grey_levels,
        "T": trained.schedule.T,
        "variance": trained.variance(config.variance),
        "clip": trained.clips(config.clip),
        "seed": config.seed,
        "strata": config.strata,
        "bits_per_dim": {"total": float(bits.mean()), "standard_error": error, "shares": shares},
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
