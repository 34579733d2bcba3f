"""Join data to a network by the names of its classes, not by their numbers."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Int64
from torch import Tensor

from ddpm_core.data.dataset import Dataset


def join_classes(dataset: Dataset, class_names: Sequence[str]) -> tuple[Dataset, list[str]]:
    """Return the images of these classes, numbered by them, and the classes that were left out.

    class_names: those of the network. Raises ValueError for data without labels, and where no test
    image is left.
    """
    if dataset.labels is None:
        raise ValueError(f"{dataset.name} has no labels; give data with class folders or labels")
    index = {name: i for i, name in enumerate(class_names)}
    numbers = torch.tensor([index.get(name, -1) for name in dataset.class_names], device="cpu")
    labels = numbers[dataset.labels]
    known = labels >= 0
    place = known.cumsum(0) - 1  # of each image that stays, among those that stay

    def still(part: Int64[Tensor, " many"]) -> Int64[Tensor, " few"]:
        return place[part[known[part]]]

    joined = replace(
        dataset,
        images=dataset.images[known],
        labels=labels[known],
        class_names=tuple(class_names),
        train=still(dataset.train),
        validation=still(dataset.validation),
        test=still(dataset.test),
    )
    if not len(joined.test) or not len(joined.train):
        raise ValueError(
            f"{dataset.name} has the classes {', '.join(dataset.class_names)}, but no training or "
            f"test image of the classes of the run: {', '.join(class_names)}"
        )
    return joined, [name for name in dataset.class_names if name not in index]
