"""How real samples of a run look, beside what real images and noise come to."""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor, nn

from ddpm_core.cli.progress import progress
from ddpm_core.data.dataset import Dataset, spread
from ddpm_core.data.space import Space
from ddpm_core.evaluation.cache import key_for, pack, place, unpack
from ddpm_core.evaluation.classifier import AT_A_TIME, FEATURES, Classifier, kept_classifier
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

STEPS = 30  # where none are asked for
REFERENCE = 5000  # test images at most
DIMS = 1024  # numbers of an image at most, where it is compared pixel by pixel
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
    """Refuse what cannot be drawn or compared, before any of it is worked out."""
    if not config.samples:
        return
    T, name = trained.schedule.T, dataset.name
    if config.steps is not None and config.steps > T:
        raise ValueError(
            f"--steps = {config.steps}, but {config.run} has T = {T} levels; take {T} or fewer, or "
            "--samples 0 for no samples"
        )
    for has, what in ((len(dataset.train), "training"), (len(dataset.test), "test")):
        if has < 2:
            raise ValueError(
                f"--samples = {config.samples}, but {name} has {has} {what} image, and a "
                "covariance takes two: pass --samples 0, or add images"
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
    """Each distance of samples from test images, and of real images and of noise; None of none.
    Of a run in latents also of those real images as they come back from their latents.

    Samples, and the classifier whose features are compared, are kept in `folder`.
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
        classifier = kept_classifier(folder / "classifier.safetensors", dataset)
        feature = (
            f"{FEATURES} activations of a small classifier of {dataset.name} with "
            f"{float(classifier.accuracy):.1%} accuracy on test images; not Inception's"
        )
        figures |= by_features(sets, reference, classifier)
    if config.fid:
        known = inception_features(reference, device)
        figures["inception_frechet"] = {
            name: frechet(inception_features(images, device), known)
            for name, images in sets.items()
        }
    why = f"{dataset.name} has fewer than two classes, and no classifier to take features from"
    return {
        "n": {name: len(images) for name, images in sets.items()} | {"reference": len(reference)},
        "sampler": config.sampler,
        "steps": steps_of(config, trained),
        "feature": feature,
        "pixels": pixels_named(dataset.shape),
        "distances": {name: figures[name] for name in TITLES if name in figures},
        "missing": {name: why for name in NEED_CLASSES if name not in figures},
    }


def samples(
    config: EvaluateConfig, trained: Trained, dataset: Dataset, folder: Path, device: torch.device
) -> Images:
    """--samples images from the noise that --seed keys, each batch from its file or put there.

    A run that is told classes is told them in the proportions that they have in training.
    """
    denoiser = trained.denoiser(config.clip)
    told = None
    if trained.config.conditional and dataset.labels is not None:
        told = in_proportion(dataset.labels[dataset.train], config.samples)
    variance, steps = trained.variance(config.variance), steps_of(config, trained)
    options = (config.sampler, steps, variance, trained.clips(config.clip), config.seed)
    classes = None if told is None else told.tolist()
    key = key_for(trained, dataset, ("samples", *options, classes))
    parts = []
    with progress(config.samples, "samples", "image") as bar:
        for indices in torch.arange(config.samples).split(config.batch_size):
            path, own = place(folder / "samples", key, indices)
            found = unpack(path, own, ["images"])
            if found is None:
                chain = generate(
                    sampler_of(config, trained),
                    denoiser,
                    trained.image_shape,
                    indices=indices.tolist(),
                    seed=config.seed,
                    cond=None if told is None else told[indices].to(device),
                    device=device,
                )
                drawn = trained.space.decode(deque(chain, maxlen=1)[0].x_t)
                found = {"images": drawn.cpu().numpy()}
                write_bytes(path, pack(own, **found))
            parts.append(torch.from_numpy(found["images"]))
            bar.update(len(indices))
    drawn = torch.cat(parts)
    if not drawn.isfinite().all():
        raise ValueError(
            f"{config.run}: samples hold values that are not finite, and have no distance from "
            "images; look at its report, or pass --samples 0"
        )
    return drawn


def reconstructions(
    space: Space, dataset: Dataset, indices: Int64[Tensor, " n"], device: torch.device
) -> Images:
    """Encode and decode images: no sample of latents can be better."""
    return torch.cat(
        [
            space.decode(space.encode(dataset.take(part).to(device), part)).cpu()
            for part in indices.split(AT_A_TIME)
        ]
    )


def steps_of(config: EvaluateConfig, trained: Trained) -> int:
    """--steps, or else STEPS, of which a short clock has fewer."""
    return config.steps or min(STEPS, trained.schedule.T)


def sampler_of(config: EvaluateConfig, trained: Trained) -> Sampler[Any]:
    """--sampler along --steps levels that are even in the level."""
    times = TIMESTEP_SPACINGS["trailing"](trained.schedule, steps_of(config, trained))
    return build_sampler(
        config.sampler, trained.schedule, times, variance=trained.variance(config.variance)
    )


def in_proportion(labels: Int64[Tensor, " many"], n: int) -> Int64[Tensor, " n"]:
    """n labels, each class in the proportion that it has in `labels`, to within one."""
    return labels.sort().values[torch.arange(n) * len(labels) // n]


def by_features(
    sets: Mapping[str, Images], reference: Images, classifier: Classifier
) -> dict[str, dict[str, float]]:
    """What a classifier tells of each set against the reference."""
    features, guesses = classifier.look(reference)
    seen = {name: classifier.look(images) for name, images in sets.items()}
    classes = classifier.head.out_features
    return {
        "feature_frechet": {name: frechet(found, features) for name, (found, _) in seen.items()},
        "feature_kernel": {
            name: kernel_distance(found, features) for name, (found, _) in seen.items()
        },
        "class_histogram": {
            name: histogram_distance(guessed, guesses, classes)
            for name, (_, guessed) in seen.items()
        },
    }


def by_pixels(
    sets: Mapping[str, Images], reference: Images, dataset: Dataset
) -> dict[str, dict[str, float]]:
    """What the pixels of each set tell; for the copy rate, test images are the real ones."""
    test = pixels(reference)
    found = {name: pixels(images) for name, images in sets.items()}
    looked_up = found | {"real": test}
    looked_up.pop("decoded", None)  # which are training images, and near to themselves
    near = {name: torch.full((len(each),), torch.inf).double() for name, each in looked_up.items()}
    for part in dataset.train.split(AT_A_TIME):
        train = pixels(dataset.take(part))
        for name, each in looked_up.items():
            near[name] = torch.minimum(near[name], nearest(each, train))
    return {
        "pixel_frechet": {name: frechet(each, test) for name, each in found.items()},
        "copy_rate": {name: copy_rate(each, near["real"]) for name, each in near.items()},
    }


def pixels(images: Images) -> Float64[Tensor, " n dims"]:
    """The pixels of each image as a row, large images averaged down first."""
    small = nn.functional.adaptive_avg_pool2d(images, pixel_size(images.shape[1:]))
    return small.flatten(1).double()


def pixel_size(shape: Sequence[int]) -> tuple[int, int]:
    """(height, width) over the smallest whole number that leaves no more than DIMS numbers."""
    channels, height, width = shape
    sizes = ((max(1, height // by), max(1, width // by)) for by in count(1))
    return next(size for size in sizes if channels * size[0] * size[1] <= DIMS)


def pixels_named(shape: tuple[int, int, int]) -> str:
    """What `pixels` are of such images, in words."""
    height, width = pixel_size(shape)
    whole = (height, width) == shape[1:]
    return f"{height} x {width} pixels{'' if whole else ', averaged down'}"


def columns(quality: Mapping[str, Any] | None) -> dict[str, str]:
    """What a row of a table says of it, beside its floors: no cell where there are no features."""
    distances = {} if quality is None else quality["distances"]
    found = {}
    for name in ("feature_frechet", "feature_kernel"):
        if quality and name in distances:
            title = f"{TITLES[name]} of a small classifier, {quality['n']['samples']:,} samples"
            samples, real, noise = (distances[name][key] for key in ("samples", "real", "noise"))
            found[title] = f"{samples:.4f} (real {real:.4f}, noise {noise:.4f})"
    return found


def table(quality: Mapping[str, Any]) -> str:
    """Every distance beside its floors, and what the features are."""
    n = quality["n"]
    drawn = f"{n['samples']:,} samples ({quality['sampler']}, {quality['steps']} steps)"
    head = f"against {n['reference']:,} test images"
    sets = {"samples": drawn, "real": f"{n['real']:,} real images", "noise": "noise"}
    if "decoded" in n:
        sets["decoded"] = "those real images, from their latents"
    lines = [[head, *sets.values()]]
    for name, found in quality["distances"].items():
        form = ".1%" if name in ("class_histogram", "copy_rate") else ".4f"
        title = TITLES[name].replace("pixels", quality["pixels"])
        cells = (f"{found[each]:{form}}" if each in found else "-" for each in sets)
        lines.append([title, *cells])
    rows = [f"| {' | '.join(line)} |" for line in lines]
    notes = dict.fromkeys(quality["missing"].values())
    rows.insert(1, f"|{'---|' * len(lines[0])}")
    return "\n".join([*rows, "", f"features: {quality['feature'] or ', '.join(notes)}"])
