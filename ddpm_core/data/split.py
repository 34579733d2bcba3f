"""The fixed split into training, validation and test images."""

import numpy as np
import torch
from jaxtyping import Int64
from numpy.typing import NDArray
from torch import Tensor

Split = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def spread(indices: Int64[Tensor, " many"], count: int) -> Int64[Tensor, " few"]:
    """Return `count` evenly spaced entries of `indices`, or all if there are fewer."""
    few = min(count, len(indices))
    return indices[torch.arange(few, device="cpu") * len(indices) // few]


def split_images(
    n: int,
    labels: NDArray[np.int64] | None,
    test: NDArray[np.int64] | None = None,
    validation: NDArray[np.int64] | int | None = None,
) -> tuple[Split, str | None]:
    """Return the indices (train, validation, test) of n images, and a note about the split.

    test, validation: the indices where the source has them; otherwise evenly spaced images, 10 %
    for test and 5 % (or the given number) for validation. Where that would leave a class without a
    training image, they are evenly spaced in the order of the classes, without the first image of
    each class.
    """
    split = _evenly(np.arange(n), test, validation, n)
    if labels is None or not without_training(labels, split[0]):
        return split, None
    order = np.argsort(labels, kind="stable")
    if test is not None:
        order = order[~np.isin(order, test)]
    if isinstance(validation, np.ndarray):
        order = order[~np.isin(order, validation)]
    _, first = np.unique(labels[order], return_index=True)
    stratified = _evenly(np.delete(order, first), test, validation, n)
    if not len(stratified[1]) or not len(stratified[2]):
        return split, None
    train = np.setdiff1d(np.arange(n), np.concatenate(stratified[1:]))
    if len(without_training(labels, train)) >= len(without_training(labels, split[0])):
        return split, None
    note = "the split is by class, because an even one would leave a class without training images"
    return (train, *stratified[1:]), note


def without_training(labels: NDArray[np.int64], train: NDArray[np.int64]) -> list[int]:
    """Return the classes that have images, but none for training."""
    return [int(each) for each in np.setdiff1d(labels, labels[train])]


def _evenly(
    order: NDArray[np.int64],
    test: NDArray[np.int64] | None,
    validation: NDArray[np.int64] | int | None,
    n: int,
) -> Split:
    """Return (train, validation, test), of which the last two are evenly spaced in `order`."""
    if test is None:
        test = np.sort(spread(torch.from_numpy(order), max(1, n // 10)).numpy())
    rest = order[~np.isin(order, test)]
    if not isinstance(validation, np.ndarray):
        count = validation or max(1, n // 20)
        validation = np.sort(spread(torch.from_numpy(rest), count).numpy())
    return rest[~np.isin(rest, validation)], validation, test
