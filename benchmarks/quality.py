"""Measure sample quality against the number of network evaluations, for every sampler.

Run as: python -m benchmarks.quality RUN [--n 1000] [--out quality-digits]

RUN is a trained class-conditional or unconditional run on a data set with classes. Quality is the
unbiased kernel distance (Binkowski et al. 2018, arXiv:1801.01401) to the test images, in the
features of a small classifier trained on the training images. All samplers start from the same
noise.
"""

import argparse
import json
from collections import deque
from itertools import product
from pathlib import Path

import matplotlib
import torch
from matplotlib import pyplot as plt
from torch import Tensor
from tqdm import tqdm

from ddpm_core import TIMESTEP_SPACINGS, generate
from ddpm_core.data.split import spread
from ddpm_core.evaluation.classifier import AT_A_TIME, trained_classifier
from ddpm_core.evaluation.distances import difference, kernel_distance
from ddpm_core.evaluation.sample_quality import REFERENCE
from ddpm_core.samplers.names import SAMPLERS, build_sampler
from ddpm_core.training.same_data import data_of
from ddpm_core.training.trained import Trained, load_trained

matplotlib.use("Agg")
EVALUATIONS = (10, 15, 20, 30, 50, 100)
CLAIMS = (("dpm++", 15), ("ddim", 50))  # samplers that should match all T ancestral steps
COLOURS = {"ancestral": "#7a7a7a", "ddim": "#2a6fbb", "dpm++": "#d1732a", "heun": "#3c8d40"}


def draw(trained: Trained, name: str, steps: int, n: int) -> Tensor:
    """Draw n samples with this sampler and number of steps, from the noise of seed 0."""
    schedule = trained.schedule
    spacing = TIMESTEP_SPACINGS["trailing"](schedule, steps)
    denoiser = trained.denoiser(clip=True)
    parts = []
    for indices in tqdm(torch.arange(n).split(AT_A_TIME), f"{name}, {steps} steps", disable=None):
        sampler = build_sampler(name, schedule, spacing)
        chain = generate(sampler, denoiser, trained.image_shape, indices=indices.tolist())
        parts.append(trained.space.decode(deque(chain, maxlen=1)[0].x_t))
    return torch.cat(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--evaluations", type=int, nargs="+", default=EVALUATIONS)
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.svg")
    options = parser.parse_args()
    trained = load_trained(options.run, torch.device("cpu"))
    dataset = data_of(trained)
    classifier = trained_classifier(dataset)
    print(f"the classifier has {float(classifier.accuracy):.1%} accuracy on the test images")

    def features(images: Tensor) -> Tensor:
        return classifier.features_and_classes(images)[0]

    reference = features(dataset.take(spread(dataset.test, REFERENCE)))

    def distance(images: Tensor) -> float:
        return kernel_distance(features(images), reference)

    real = distance(dataset.take(spread(dataset.train, options.n)))
    generator = torch.Generator().manual_seed(0)
    noise = distance(torch.randn(options.n, *trained.image_shape, generator=generator).clamp(-1, 1))
    print(f"real images {real:.4f}, noise {noise:.4f}")

    complete = draw(trained, "ancestral", trained.schedule.T, options.n)
    rows = [("ancestral", trained.schedule.T, distance(complete), 0.0, 0.0)]
    for name, wanted in product(SAMPLERS, options.evaluations):
        nfe = SAMPLERS[name].nfe
        steps = -(-wanted // nfe)
        evaluations = nfe * steps - (nfe - 1)  # heun's last step needs only one
        images = draw(trained, name, steps, options.n)
        farther, error = difference(features(images), features(complete), reference)
        rows.append((name, evaluations, distance(images), farther, error))
        allowed = max(0.1 * (noise - real), 2 * error)
        mark = "" if (name, evaluations) not in CLAIMS else f", allowed {allowed:.4f}"
        print(
            f"{name:9s} {evaluations:4d} evaluations: {rows[-1][2]:8.4f}, "
            f"{farther:+.4f} (standard error {error:.4f}) from all T steps{mark}"
        )
    print(f"ancestral {trained.schedule.T} evaluations: {rows[0][2]:8.4f}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        result = {"run": trained.config.dataset, "real": real, "noise": noise, "rows": rows}
        options.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
        plot(rows, real, options.out.with_suffix(".svg"))


def plot(rows: list[tuple[str, int, float, float, float]], real: float, path: Path) -> None:
    """Plot the distance against the number of network evaluations.

    Error bars are standard errors of the difference from all T ancestral steps.
    """
    plt.rcParams.update({"svg.hashsalt": "ddpm-core", "font.size": 9})
    figure, axes = plt.subplots(figsize=(6, 3.4), layout="constrained")
    for name, colour in COLOURS.items():
        mine = sorted((n, far, error) for sampler, n, far, _, error in rows if sampler == name)
        numbers, distances, errors = zip(*mine, strict=True)
        axes.errorbar(numbers, distances, errors, fmt="o-", ms=3, lw=1.2, color=colour, label=name)
    axes.axhline(real, color="black", lw=0.8, ls=":", label="real images")
    ticks = sorted(row[1] for row in rows if row[0] == "ancestral")
    axes.set(xscale="log", xlabel="network evaluations", ylabel="kernel distance")
    axes.set_xticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
