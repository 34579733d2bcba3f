"""How good samples are against the number of network evaluations, for every sampler.

Run as: python -m benchmarks.quality RUN [--n 1000] [--out quality-digits]

RUN is a trained run on data with classes. Quality is the unbiased kernel distance (Binkowski et al.
2018, arXiv:1801.01401) to the test images, in the features of a small classifier that is trained
here on the training images. All samplers start from the same noise.
"""

import argparse
import json
from collections import deque
from itertools import product
from pathlib import Path

import matplotlib
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn
from tqdm import tqdm

from ddpm_core import LADDERS, ClipX0, NetworkDenoiser, generate
from ddpm_core.samplers.names import CALLS, named
from ddpm_core.training.data import Dataset, batch_indices, load_dataset
from ddpm_core.training.heldout import spread
from ddpm_core.training.restore import Trained, load_trained
from ddpm_core.training.setup import seeded

matplotlib.use("Agg")
AT_A_TIME = 250
REFERENCE = 5000  # test images at most
EVALUATIONS = (10, 15, 20, 30, 50, 100)
FEATURES = 64
CLAIMS = (("dpm++", 15), ("ddim", 50))  # to be as good as the whole chain
COLOURS = {"ancestral": "#7a7a7a", "ddim": "#2a6fbb", "dpm++": "#d1732a", "heun": "#3c8d40"}


def classifier(dataset: Dataset, steps: int = 600) -> nn.Sequential:
    """A small convolutional network, without its last layer, and its test accuracy in print."""
    channels, height, width = dataset.shape
    small = (height // 4) * (width // 4)
    with seeded(0):
        body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.Linear(64 * small, FEATURES), nn.ReLU(),
        )  # fmt: skip
        head = nn.Linear(FEATURES, len(dataset.class_names))
    optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=2e-3)
    for step in tqdm(range(steps), "classifier", disable=None):
        indices = batch_indices(dataset.train, 0, step, 128)
        logits = head(body(dataset.take(indices)))
        loss = nn.functional.cross_entropy(logits, dataset.labels[indices])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        guess = head(features(body, dataset.take(dataset.test)).float()).argmax(1)
    right = (guess == dataset.labels[dataset.test]).double().mean()
    print(f"the classifier knows {right:.1%} of the test images")
    return body


@torch.no_grad()
def features(body: nn.Module, images: Tensor) -> Tensor:
    return torch.cat([body(part) for part in images.split(AT_A_TIME)]).double()


class Scale:
    """Features less their mean over training images, in units of their mean deviation there."""

    def __init__(self, body: nn.Module, dataset: Dataset) -> None:
        found = features(body, dataset.take(spread(dataset.train, REFERENCE)))
        self.body, self.mean, self.unit = body, found.mean(0), found.var(0).mean().sqrt()

    def __call__(self, images: Tensor) -> Tensor:
        return (features(self.body, images) - self.mean) / self.unit


def kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** 3


def left_out(x: Tensor, reference: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The distance but for the reference's own term; without each sample; without each reference.

    The unbiased mean over pairs of x, less twice the mean over pairs of x and the reference.
    """
    n, m = len(x), len(reference)
    own, across = kernel(x, x), kernel(x, reference)
    own.fill_diagonal_(0)
    inside, between = own.sum(), across.sum()
    whole = inside / (n * (n - 1)) - 2 * between / (n * m)
    without = (inside - 2 * own.sum(1)) / ((n - 1) * (n - 2))
    of_samples = without - 2 * (between - across.sum(1)) / ((n - 1) * m)
    of_reference = inside / (n * (n - 1)) - 2 * (between - across.sum(0)) / (n * (m - 1))
    return whole, of_samples, of_reference


def reference_term(reference: Tensor) -> float:
    m = len(reference)
    own = kernel(reference, reference)
    return float((own.sum() - own.trace()) / (m * (m - 1)))


def difference(x: Tensor, y: Tensor, reference: Tensor) -> tuple[float, float]:
    """How much farther x is than y, and its standard error by the jackknife.

    Sample i of x and of y come from the same noise and are left out together.
    """
    (a, *without_a), (b, *without_b) = left_out(x, reference), left_out(y, reference)
    var = 0.0
    for one, other in zip(without_a, without_b, strict=True):
        values = one - other
        var += float((len(values) - 1) / len(values) * (values - values.mean()).square().sum())
    return float(a - b), var**0.5


def drawn(trained: Trained, name: str, steps: int, n: int) -> Tensor:
    """n samples by this sampler with this many steps, from the noise of seed 0."""
    schedule = trained.schedule
    ladder = LADDERS["trailing"](schedule, steps)
    denoiser = ClipX0(NetworkDenoiser(schedule, trained.network, trained.parameterization))
    parts = []
    for indices in tqdm(torch.arange(n).split(AT_A_TIME), f"{name}, {steps} steps", disable=None):
        sampler = named(name, schedule, ladder)
        chain = generate(sampler, denoiser, trained.image_shape, indices=indices.tolist())
        parts.append(deque(chain, maxlen=1)[0].x_t)
    return torch.cat(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--n", type=int, default=1000)
    parser.add_argument("--evaluations", type=int, nargs="+", default=EVALUATIONS)
    parser.add_argument("--out", type=Path, help="write OUT.json and OUT.svg")
    options = parser.parse_args()
    trained = load_trained(options.run, torch.device("cpu"))
    dataset = load_dataset(trained.config.dataset, trained.config.image_size)
    scaled = Scale(classifier(dataset), dataset)
    reference = scaled(dataset.take(spread(dataset.test, REFERENCE)))
    term = reference_term(reference)

    def distance(images: Tensor) -> float:
        return float(left_out(scaled(images), reference)[0]) + term

    real = distance(dataset.take(spread(dataset.train, options.n)))
    generator = torch.Generator().manual_seed(0)
    noise = distance(torch.randn(options.n, *trained.image_shape, generator=generator).clamp(-1, 1))
    print(f"real images {real:.4f}, noise {noise:.4f}")

    whole = drawn(trained, "ancestral", trained.schedule.T, options.n)
    rows = [("ancestral", trained.schedule.T, distance(whole), 0.0, 0.0)]
    for name, wanted in product(CALLS, options.evaluations):
        steps = -(-wanted // CALLS[name])
        evaluations = CALLS[name] * steps - (CALLS[name] - 1)  # heun asks once in its last step
        images = drawn(trained, name, steps, options.n)
        farther, error = difference(scaled(images), scaled(whole), reference)
        rows.append((name, evaluations, distance(images), farther, error))
        allowed = max(0.1 * (noise - real), 2 * error)
        mark = "" if (name, evaluations) not in CLAIMS else f", allowed {allowed:.4f}"
        print(
            f"{name:9s} {evaluations:4d} evaluations: {rows[-1][2]:8.4f}, "
            f"{farther:+.4f} (standard error {error:.4f}) from the whole chain{mark}"
        )
    print(f"ancestral {trained.schedule.T} evaluations: {rows[0][2]:8.4f}")
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        result = {"run": trained.config.dataset, "real": real, "noise": noise, "rows": rows}
        options.out.with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")
        picture(rows, real, options.out.with_suffix(".svg"))


def picture(rows: list[tuple[str, int, float, float, float]], real: float, path: Path) -> None:
    """Distance against the number of network evaluations; bars are standard errors of the
    difference from the whole chain."""
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
