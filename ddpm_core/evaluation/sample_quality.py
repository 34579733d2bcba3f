"""Sample quality: distances of samples, real images and noise to test images."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from ddpm_core.cli.progress import progress
from ddpm_core.data.dataset import Dataset
from ddpm_core.data.space import Space
from ddpm_core.data.split import spread
from ddpm_core.evaluation.cache import cache_file, cache_key, pack, unpack
from ddpm_core.evaluation.classifier import AT_A_TIME, FEATURES, Classifier, saved_classifier
from ddpm_core.evaluation.config import EvaluateConfig
from ddpm_core.evaluation.distances import (
    copy_rate,
    frechet,
    histogram_distance,
    kernel_distance,
    nearest,
)
from ddpm_core.evaluation.inception import check_inception, inception_features
from ddpm_core.randomness import keyed_noise
from ddpm_core.samplers.base import Sampler, generate
from ddpm_core.samplers.names import build_sampler
from ddpm_core.samplers.timestep_spacing import TIMESTEP_SPACINGS
from ddpm_core.storage.files import write_bytes
from ddpm_core.training.trained import Trained

STEPS = 30  # default number of sampler steps
REFERENCE = 5000  # maximum number of test images
DIMS = 1024  # maximum number of values per image in pixel distances
TITLES = {
    "feature_frechet": "Fréchet distance of features",
    "feature_kernel": "kernel distance of features",
    "pixel_frechet": "Fréchet distance of pixels",
    "class_histogram": "distance of class histograms",
    "copy_rate": "copy rate",
    "inception_frechet": "Fréchet distance of Inception features (FID)",
}
NEED_CLASSES = ("feature_frechet", "feature_kernel", "class_histogram")

Images = Float[Tensor, "_ channels height width"]


def check_quality(config: EvaluateConfig, trained: Trained, dataset: Dataset) -> None:
    """Refuse samples that cannot be drawn or compared, before any computation."""
    if not config.samples:
        return
    T, name = trained.schedule.T, dataset.name
    if config.steps is not None and config.steps > T:
        raise ValueError(
            f"--steps = {config.steps}, but {config.run} has T = {T} timesteps; use {T} or fewer, "
            "or --samples 0 for none"
        )
    for have, what in ((len(dataset.train), "training"), (len(dataset.test), "test")):
        if have < 2:
            raise ValueError(
                f"--samples = {config.samples}, but {name} has {have} {what} image and a "
                "covariance needs at least 2; pass --samples 0, or add images"
            )
    try:
        sampler_of(config, trained)
    except ValueError as error:
        raise ValueError(
            f"--sampler {config.sampler} --steps {steps_of(config, trained)}: {error}"
        ) from None
    if config.fid:
        check_inception()


def sample_quality(
    config: EvaluateConfig, trained: Trained, dataset: Dataset, folder: Path, device: torch.device
) -> dict[str, Any] | None:
    """Return the distances of samples, real images and noise to test images; None with 0 samples.

    For a run in latents, also those of the real images after encoding and decoding. Samples and the
    classifier are cached in `folder`.
    """
    if not config.samples:
        return None
    shape, real = dataset.shape, spread(dataset.train, config.samples)
    sets = {
        "samples": samples(config, trained, dataset, folder, device),
        "real": dataset.take(real),
        "noise": keyed_noise(shape, config.seed, "floor", 0, range(config.samples)).clamp(-1, 1),
    }
    if not trained.space.exact:
        sets["decoded"] = reconstructions(trained.space, dataset, real, device)
    reference = dataset.take(spread(dataset.test, REFERENCE))
    figures = by_pixels(sets, reference, dataset)
    feature = None
    if len(dataset.class_names) > 1:
        classifier = saved_classifier(folder / "classifier.safetensors", dataset)
        feature = (
            f"{FEATURES} activations of a small classifier of {dataset.name} with "
            f"{float(classifier.accuracy):.1%} accuracy on test images, not of Inception"
        )
        figures |= by_features(sets, reference, classifier)
    if config.fid:
        known = inception_features(reference, device)
        figures["inception_frechet"] = {
            name: frechet(inception_features(images, device), known)
            for name, images in sets.items()
        }
    reason = f"{dataset.name} has fewer than two classes, so there is no classifier for features"
    return {
        "n": {name: len(images) for name, images in sets.items()} | {"reference": len(reference)},
        "sampler": config.sampler,
        "steps": steps_of(config, trained),
        "feature": feature,
        "pixels": pixel_description(dataset.shape),
        "distances": {name: figures[name] for name in TITLES if name in figures},
        "missing": {name: reason for name in NEED_CLASSES if name not in figures},
    }


def samples(
    config: EvaluateConfig, trained: Trained, dataset: Dataset, folder: Path, device: torch.device
) -> Images:
    """Draw --samples images from noise keyed by --seed, each batch read from the cache or added.

    A class-conditional run is conditioned on classes in the proportions of the training images.
    """
    denoiser = trained.denoiser(config.clip)
    labels = None
    if trained.config.conditional and dataset.labels is not None:
        labels = in_proportion(dataset.labels[dataset.train], config.samples)
    variance, steps = trained.variance(config.variance), steps_of(config, trained)
    options = (config.sampler, steps, variance, trained.clips(config.clip), config.seed)
    classes = None if labels is None else labels.tolist()
    key = cache_key(trained, dataset, ("samples", *options, classes))
    batches = []
    with progress(config.samples, "samples", "image") as bar:
        for indices in torch.arange(config.samples).split(config.batch_size):
            path, own_key = cache_file(folder / "samples", key, indices)
            arrays = unpack(path, own_key, ["images"])
            if arrays is None:
                trajectory = generate(
                    sampler_of(config, trained),
                    denoiser,
                    trained.image_shape,
                    indices=indices.tolist(),
                    seed=config.seed,
                    cond=None if labels is None else labels[indices].to(device),
                    device=device,
                )
                drawn = trained.space.decode(deque(trajectory, maxlen=1)[0].x_t)
                arrays = {"images": drawn.cpu().numpy()}
                write_bytes(path, pack(own_key, **arrays))
            batches.append(torch.from_numpy(arrays["images"]))
            bar.update(len(indices))
    drawn = torch.cat(batches)
    if not drawn.isfinite().all():
        raise ValueError(
            f"{config.run}: samples contain non-finite values, so distances are undefined; see the "
            "report of the run, or pass --samples 0"
        )
    return drawn


def reconstructions(
    space: Space, dataset: Dataset, indices: Int64[Tensor, " n"], device: torch.device
) -> Images:
    """Encode and decode images: a lower limit for the distances of samples in latents."""
    return torch.cat(
        [
            space.decode(space.encode(dataset.take(batch).to(device), batch)).cpu()
            for batch in indices.split(AT_A_TIME)
        ]
    )


def steps_of(config: EvaluateConfig, trained: Trained) -> int:
    """Return --steps, or its default: STEPS, or T if T is smaller."""
    return config.steps or min(STEPS, trained.schedule.T)


def sampler_of(config: EvaluateConfig, trained: Trained) -> Sampler[Any]:
    """Return --sampler with --steps evenly spaced timesteps."""
    times = TIMESTEP_SPACINGS["trailing"](trained.schedule, steps_of(config, trained))
    return build_sampler(
        config.sampler, trained.schedule, times, variance=trained.variance(config.variance)
    )


def in_proportion(labels: Int64[Tensor, " many"], n: int) -> Int64[Tensor, " n"]:
    """Return n labels with the class proportions of `labels`, to within one label per class."""
    return labels.sort().values[torch.arange(n) * len(labels) // n]


def by_features(
    sets: Mapping[str, Images], reference: Images, classifier: Classifier
) -> dict[str, dict[str, float]]:
    """Return distances of features and of predicted classes of each set to the reference."""
    known, known_classes = classifier.features_and_classes(reference)
    found = {name: classifier.features_and_classes(images) for name, images in sets.items()}
    count = classifier.head.out_features
    return {
        "feature_frechet": {
            name: frechet(features, known) for name, (features, _) in found.items()
        },
        "feature_kernel": {
            name: kernel_distance(features, known) for name, (features, _) in found.items()
        },
        "class_histogram": {
            name: histogram_distance(classes, known_classes, count)
            for name, (_, classes) in found.items()
        },
    }


def by_pixels(
    sets: Mapping[str, Images], reference: Images, dataset: Dataset
) -> dict[str, dict[str, float]]:
    """Return pixel distances and copy rates; for the copy rate, "real" are the test images."""
    test = pixels(reference)
    found = {name: pixels(images) for name, images in sets.items()}
    compared = found | {"real": test}
    compared.pop("decoded", None)  # decoded training images are close to themselves
    near = {name: torch.full((len(each),), torch.inf).double() for name, each in compared.items()}
    for batch in dataset.train.split(AT_A_TIME):
        train = pixels(dataset.take(batch))
        for name, each in compared.items():
            near[name] = torch.minimum(near[name], nearest(each, train))
    return {
        "pixel_frechet": {name: frechet(each, test) for name, each in found.items()},
        "copy_rate": {name: copy_rate(each, near["real"]) for name, each in near.items()},
    }


def pixels(images: Images) -> Float64[Tensor, " n dims"]:
    """Return the pixels of each image as a row; large images are averaged down first."""
    small = nn.functional.adaptive_avg_pool2d(images, pixel_size(images.shape[1:]))
    return small.flatten(1).double()


def pixel_size(shape: Sequence[int]) -> tuple[int, int]:
    """Return (height, width), divided by the smallest integer that leaves at most DIMS values."""
    channels, height, width = shape
    sizes = ((max(1, height // by), max(1, width // by)) for by in count(1))
    return next(size for size in sizes if channels * size[0] * size[1] <= DIMS)


def pixel_description(shape: tuple[int, int, int]) -> str:
    """Describe the result of `pixels` for images of this shape."""
    height, width = pixel_size(shape)
    unchanged = (height, width) == shape[1:]
    return f"{height} x {width} pixels{'' if unchanged else ', averaged down'}"


def columns(quality: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the columns for a row: feature distances, with those of real images and noise."""
    distances = {} if quality is None else quality["distances"]
    found = {}
    for name in ("feature_frechet", "feature_kernel"):
        if quality and name in distances:
            title = f"{TITLES[name]} of a small classifier, {quality['n']['samples']:,} samples"
            samples, real, noise = (distances[name][key] for key in ("samples", "real", "noise"))
            found[title] = f"{samples:.4f} (real {real:.4f}, noise {noise:.4f})"
    return found


def table(quality: Mapping[str, Any]) -> str:
    """Return a Markdown table of all distances, and a line about the features."""
    n = quality["n"]
    samples = f"{n['samples']:,} samples ({quality['sampler']}, {quality['steps']} steps)"
    head = f"compared with {n['reference']:,} test images"
    sets = {"samples": samples, "real": f"{n['real']:,} real images", "noise": "noise"}
    if "decoded" in n:
        sets["decoded"] = "real images, encoded and decoded"
    lines = [[head, *sets.values()]]
    for name, found in quality["distances"].items():
        form = ".1%" if name in ("class_histogram", "copy_rate") else ".4f"
        title = TITLES[name].replace("pixels", quality["pixels"])
        cells = (f"{found[each]:{form}}" if each in found else "-" for each in sets)
        lines.append([title, *cells])
    rows = [f"| {' | '.join(line)} |" for line in lines]
    reasons = dict.fromkeys(quality["missing"].values())
    rows.insert(1, f"|{'---|' * len(lines[0])}")
    return "\n".join([*rows, "", f"features: {quality['feature'] or ', '.join(reasons)}"])
