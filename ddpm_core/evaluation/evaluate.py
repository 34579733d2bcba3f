"""The evaluate command: bound of a run's test images, its terms, baselines, sample quality."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ddpm_core.cli.failures import one_line
from ddpm_core.cli.options import refuse_unused
from ddpm_core.cli.progress import progress, say
from ddpm_core.data.dataset import Dataset, check_decoded
from ddpm_core.data.split import spread
from ddpm_core.evaluation.baselines import baselines, unavailable
from ddpm_core.evaluation.bits_per_dim import BoundSums, bound_key, bound_sums, merged, read_cached
from ddpm_core.evaluation.cache import cache_file
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.flow_likelihood import check_flow, flow_likelihood, flow_summary
from ddpm_core.evaluation.sample_quality import check_quality, columns, sample_quality, table
from ddpm_core.figures.curves import bound_figure
from ddpm_core.gate.devices import choose_device
from ddpm_core.storage.files import write_bytes, write_json
from ddpm_core.storage.run_lock import run_lock
from ddpm_core.training.same_data import data_of
from ddpm_core.training.trained import Trained, load_trained

LARGE_ERROR = 0.1  # relative to the uniform model; a larger error triggers a warning


def evaluate(config: EvaluateConfig) -> list[Path]:
    """Write the results as .json, a plot of the bound as .png, print a row; return the paths.

    Raises ValueError or FileNotFoundError for a run or data that cannot be evaluated.
    """
    device = choose_device(config.device)
    trained = load_trained(config.run, device)
    for remark in trained.remarks:
        say(remark, error=True)
    dataset = data_of(trained, config.dataset, changed=config.data_changed == "ok")
    for remark in dataset.reading.remarks:
        say(remark)
    trained = trained.marked(dataset.reading.warnings)
    check(config, trained, dataset)
    folder = config.out_dir or trained.run / "evaluation"
    with run_lock(folder):
        result = likelihood(config, trained, dataset, folder, device)
        result["quality"] = sample_quality(config, trained, dataset, folder, device)
        changes = (*trained.about.get("data_changes", ()), *dataset.reading.warnings)
        result["warnings"] = [*changes, *warnings(config, result)]
        paths = [folder / f"{config.name(trained.step)}.{ending}" for ending in ("json", "png")]
        figure = _figure(result, trained.watermark)
        write_json(paths[0], result)
        if figure is None:
            del paths[1]
        else:
            write_bytes(paths[1], figure)
    say("\n\n".join(report(result)) + "\n")
    return paths


def likelihood(
    config: EvaluateConfig, trained: Trained, dataset: Dataset, folder: Path, device: torch.device
) -> dict[str, Any]:
    """Return the bound, the baselines and the bound along the flow, as JSON values.

    Continuous-valued data have none of them.
    """
    result = description(config, trained, dataset)
    if dataset.images.is_floating_point():
        return result
    test = spread(dataset.test, config.n or len(dataset.test))
    missing = unavailable(dataset, len(test))
    for name, reason in missing.items():
        say(f"NOTE: no baseline {name}: {reason}", error=True)
    sums = merged(_batches(config, trained, dataset, test, folder, device))
    result |= summary(config, trained, dataset, sums)
    result["baselines"] = baselines(dataset, test, config.seed, missing)
    result["missing_baselines"] = missing
    result["flow"] = flow_likelihood(config, trained, dataset, test, folder, device)
    return result


def _figure(result: dict[str, Any], watermark: str | None) -> bytes | None:
    """Return the plot of the bound; None without a bound, or with a warning if drawing fails."""
    try:
        return bound_figure(result, watermark=watermark) if result["bits_per_dim"] else None
    except Exception as error:  # the numbers are computed, whatever becomes of their figure
        result["warnings"].append(f"WARNING: no figure: {one_line(error)}")
        return None


def report(result: dict[str, Any]) -> Iterator[str]:
    """Yield the paragraphs that the command prints."""
    yield row(result)
    if result["bits_per_dim"]:
        parts = result["bits_per_dim"]["breakdown"].items()
        terms = (f"{name.replace('_', ' ')} {bits:.3f}" for name, bits in parts)
        yield "of which " + ", ".join(terms)
    if result["flow"]:
        yield flow_summary(result["flow"])
    yield from result["warnings"]
    if result["quality"]:
        yield table(result["quality"])


def warnings(config: EvaluateConfig, result: dict[str, Any]) -> Iterator[str]:
    """Yield a warning for each bound whose error is too large, with a remedy."""
    bound, flow = result["bits_per_dim"], result["flow"]
    if bound is None:
        yield (
            f"NOTE: {result['dataset']} is continuous-valued: bits per dimension are defined for "
            "grey levels, so only samples were compared"
        )
        return
    uniform = result["baselines"]["uniform"]
    for name, reason in result["missing_baselines"].items():
        yield f"NOTE: no baseline {name}: {reason}"
    images = "the data have no more test images" if config.n is None else "use more test images"
    terms = images if config.strata is None else "use more --strata, or omit it"
    if config.strata is not None and config.n is not None:
        terms += ", and more test images"
    if bound["standard_error"] is None:
        yield f"NOTE: a single image has no standard error: {images}"
    errors = [[("standard error of the bound", bound["standard_error"], terms)]]
    if flow:
        errors.append(  # only the first large one is reported: it may cause those after it
            [
                ("step error of the flow", abs(flow["step_error"]), "use a larger --flow"),
                ("probe error of the flow", flow["probe_error"], images),
                ("standard error of the flow's bound", flow["standard_error"], images),
            ]
        )
    for each in errors:
        large = [
            (name, error, remedy)
            for name, error, remedy in each
            if error is not None and error > LARGE_ERROR * uniform
        ]
        for name, error, remedy in large[:1]:
            yield (
                f"NOTE: the {name} is {error:.3f} bits/dim, more than {LARGE_ERROR:.0%} of the "
                f"{uniform:.3f} of a uniform model: {remedy}"
            )


def check(config: EvaluateConfig, trained: Trained, dataset: Dataset) -> None:
    """Refuse runs, data and options that cannot be evaluated, before any computation."""
    trained.variance(config.variance)
    trained.check_clip(config.clip)
    check_flow(config, trained)
    name, T = dataset.name, trained.schedule.T
    if dataset.images.is_floating_point():
        reason = f"{name} is continuous-valued, so it has no bits per dimension"
        refuse_unused(config, ("n", "strata", "flow"), reason)
        if not config.samples:
            raise ValueError(
                f"--samples 0, but {reason}, and nothing is left to evaluate; omit --samples, or "
                "store uint8 images and their number of `levels`"
            )
    else:
        check_decoded(dataset)
    if dataset.shape != trained.picture_shape or dataset.grey_levels != trained.grey_levels:
        raise ValueError(
            f"{config.run} was trained on images of shape {trained.picture_shape} with "
            f"{trained.grey_levels} grey levels, but {name} now has {dataset.shape} with "
            f"{dataset.grey_levels}"
        )
    if config.n is not None and config.n > len(dataset.test):
        available = len(dataset.test)
        raise ValueError(
            f"--n = {config.n}, but {name} has {available} test images; use {available} or fewer"
        )
    if config.strata is not None and config.strata > T:
        raise ValueError(
            f"--strata = {config.strata}, but {config.run} has T = {T} timesteps; use {T} or fewer"
        )
    conditional = trained.config.conditional
    if conditional and dataset.labels is None:
        raise ValueError(f"{config.run} is class-conditional, but {name} no longer has labels")
    check_quality(config, trained, dataset)


def _batches(
    config: EvaluateConfig,
    trained: Trained,
    dataset: Dataset,
    test: torch.Tensor,
    folder: Path,
    device: torch.device,
) -> list[BoundSums]:
    """Read each batch from the cache, or compute and cache it."""
    key, batches = bound_key(config, trained, dataset), []
    timesteps = config.strata or trained.schedule.T
    with progress(timesteps * len(test), "bound", "network evaluation") as bar:
        for indices in test.split(config.batch_size):
            path, own_key = cache_file(folder / "bound", key, indices)
            sums = read_cached(path, own_key)
            if sums is None:
                sums = bound_sums(config, trained, dataset, indices, device, bar.update)
                write_bytes(path, sums.to_bytes(own_key))
            else:
                bar.update(len(indices) * timesteps)
            batches.append(sums)
    return batches


def description(config: EvaluateConfig, trained: Trained, dataset: Dataset) -> dict[str, Any]:
    """Return what is evaluated, as JSON values; `summary` adds the bound."""
    return {
        "run": str(config.run),
        "step": trained.step,
        "watermark": trained.watermark,
        "dataset": dataset.name,
        "data": dataset.reading.to_json(),
        "dims": math.prod(dataset.shape),
        "grey_levels": dataset.grey_levels,
        "T": trained.schedule.T,
        "variance": trained.variance(config.variance),
        "clip": trained.clips(config.clip),
        "seed": config.seed,
        "strata": config.strata,
        "bits_per_dim": None,
        "baselines": {},
        "flow": None,
    }


def summary(
    config: EvaluateConfig, trained: Trained, dataset: Dataset, sums: BoundSums
) -> dict[str, Any]:
    """Return the bound and its terms, in bits per dimension, as JSON values."""
    n, dims = len(sums.images), math.prod(dataset.shape)
    unit = dims * math.log(2)
    bits, terms = sums.images / unit, sums.terms / n / unit
    error = float(bits.std(ddof=1) / math.sqrt(n)) if n > 1 else None
    # A stratified estimate has no separate decoder: the first stratum includes it.
    names = ("decoder", "steps") if config.strata is None else ("first_stratum", "other_strata")
    parts = (terms[0], terms[1:-1].sum(), terms[-1])
    breakdown = dict(zip((*names, "prior"), map(float, parts), strict=True))
    if not trained.space.exact:
        breakdown["autoencoder"] = float(sums.autoencoder.mean() / unit)
    means = sums.errors / np.maximum(sums.counts, 1)
    return {
        "images": n,
        "bits_per_dim": {
            "total": float(bits.mean()),
            "standard_error": error,
            "breakdown": breakdown,
        },
        "terms": terms.tolist(),  # from the decoder to the prior; with --strata, of each stratum
        "eps_mse": {
            "mean": float(sums.errors.sum() / sums.counts.sum()),
            "by_decile": [
                float(mean) if count else None
                for mean, count in zip(means, sums.counts, strict=True)
            ],
        },
    }


def row(result: dict[str, Any]) -> str:
    """Return a Markdown table with one row."""
    bound, found = result["bits_per_dim"], {"data": result["dataset"]}
    if bound:
        error = "" if bound["standard_error"] is None else f" ({bound['standard_error']:.3f})"
        found["images"] = f"{result['images']:,}"
        found["bits/dim (standard error)"] = f"{bound['total']:.3f}{error}"
        found["eps-MSE"] = f"{result['eps_mse']['mean']:.4f}"
    for name, bits in result["baselines"].items():
        found[name] = "-" if bits is None else f"{bits:.3f}"
    found |= columns(result["quality"])
    head, cells = found.keys(), found.values()
    rule = "|".join(["---"] * len(head))
    return f"| {' | '.join(head)} |\n|{rule}|\n| {' | '.join(cells)} |"
