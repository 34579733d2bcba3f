"""Small classifier of a dataset; its features are used to compare samples with images."""

import hashlib
from pathlib import Path

import torch
from jaxtyping import Float, Float64, Int64
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from ddpm_core.cli.progress import progress
from ddpm_core.data.dataset import Dataset, batch_indices
from ddpm_core.data.split import spread
from ddpm_core.evaluation.cache import weights_digest
from ddpm_core.storage.files import write_bytes
from ddpm_core.training.build import seeded

FEATURES = 64
STEPS, BATCH = 600, 128
RECIPE = f"form 1, {STEPS} steps of {BATCH} images"  # a saved classifier of another is retrained
AT_A_TIME = 250
MEASURED = 5000  # maximum number of training images for mean and scale of the features


class Classifier(nn.Module):
    """Two convolutions and a hidden layer; the activations of the hidden layer are the features."""

    mean: Tensor
    unit: Tensor
    accuracy: Tensor

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        small = -(-height // 4) * -(-width // 4)
        self.body = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True),
            nn.Flatten(), nn.Linear(64 * small, FEATURES), nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(FEATURES, classes)
        self.register_buffer("mean", torch.zeros(FEATURES, dtype=torch.float64))
        self.register_buffer("unit", torch.ones((), dtype=torch.float64))
        self.register_buffer("accuracy", torch.zeros((), dtype=torch.float64))

    def forward(
        self, images: Float[Tensor, "n channels height width"]
    ) -> Float[Tensor, " n classes"]:
        """Return the logits."""
        logits: Tensor = self.head(self.body(images))
        return logits

    @torch.no_grad()
    def features_and_classes(
        self, images: Float[Tensor, "n channels height width"]
    ) -> tuple[Float64[Tensor, " n features"], Int64[Tensor, " n"]]:
        """Return standardized features and predicted classes.

        The mean over training images is subtracted. All features are divided by one number: the
        root mean square of their standard deviations over training images.
        """
        found = torch.cat([self.body(part) for part in images.split(AT_A_TIME)])
        return (found.double() - self.mean) / self.unit, self.head(found).argmax(1)


def trained_classifier(dataset: Dataset) -> Classifier:
    """Train a classifier, deterministically, and measure its accuracy on test images.

    Raises ValueError if there are fewer than two classes.
    """
    labels = dataset.labels
    if labels is None or len(dataset.class_names) < 2:
        raise ValueError(f"{dataset.name} has fewer than two classes; a classifier needs two")
    network = _untrained(dataset)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for step in progress(range(STEPS), "classifier", "step"):
        indices = batch_indices(dataset.train, 0, step, BATCH)
        loss = nn.functional.cross_entropy(network(dataset.take(indices)), labels[indices])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features, _ = network.features_and_classes(dataset.take(spread(dataset.train, MEASURED)))
    _, predicted = network.features_and_classes(dataset.take(dataset.test))
    network.mean.copy_(features.mean(0))
    network.unit.copy_(features.var(0).mean().sqrt())
    network.accuracy.copy_((predicted == labels[dataset.test]).double().mean())
    return network


def saved_classifier(path: Path, dataset: Dataset) -> Classifier:
    """Load the classifier of this dataset, or train and save it if that fails."""
    network = _untrained(dataset)
    try:
        found = load(path.read_bytes())
        digest = found.pop("digest").tolist()
        network.load_state_dict(found)
        if digest == _digest(network, dataset).tolist():
            return network
    except (
        OSError,
        SafetensorError,
        KeyError,
        RuntimeError,
    ):  # missing, truncated, or of another dataset
        pass
    network = trained_classifier(dataset)
    write_bytes(path, save({**network.state_dict(), "digest": _digest(network, dataset)}))
    return network


def _untrained(dataset: Dataset) -> Classifier:
    with seeded(0):
        return Classifier(dataset.shape, len(dataset.class_names))


def _digest(network: Classifier, dataset: Dataset) -> Tensor:
    """Return the digest of the weights and of everything that they depend on."""
    made_from = f"{RECIPE}, {dataset.digest()}".encode()
    return torch.tensor(list(hashlib.sha256(made_from + weights_digest(network)).digest()))
