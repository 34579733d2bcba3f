"""Datasets: five sources, a fixed split, and a stateless order of training batches."""

import difflib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from numpy.typing import NDArray
from torch import Tensor

from ddpm_core.data.idx import read_idx_folder
from ddpm_core.data.image_folder import read_image_folder, square_images
from ddpm_core.data.npz import read_npz
from ddpm_core.data.photographs import photograph_patches
from ddpm_core.losses import check_grey_levels
from ddpm_core.randomness import keyed_generator

FORMS = ("digits", "idx:DIR", "npz:FILE", "folder:DIR", "patches:SIZE")


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images with grey levels, class names and a fixed train/validation/test split."""

    name: str  # the dataset spec as given
    images: Shaped[Tensor, " n *event"]  # uint8 grey levels, or float32 in [-1, 1]
    labels: Int64[Tensor, " n"] | None  # indices into class_names
    class_names: tuple[str, ...]  # () without classes
    grey_levels: int  # 17 for digits, 256 for 8-bit data
    train: Int64[Tensor, " train"]
    validation: Int64[Tensor, " validation"]
    test: Int64[Tensor, " test"]

    def __post_init__(self) -> None:
        if self.images.dtype not in (torch.uint8, torch.float32):
            raise TypeError(
                f"images have dtype {self.images.dtype}; must be torch.uint8 (grey levels) or "
                "torch.float32 (in [-1, 1])"
            )
        split, _ = torch.cat([self.train, self.validation, self.test]).sort()
        if not torch.equal(split, torch.arange(len(self.images))):
            raise ValueError(
                f"train, validation and test contain {len(split)} indices of {len(self.images)} "
                "images; each image must be in exactly one of them"
            )

    @classmethod
    def of(cls, x_0: Float32[Tensor, " n *event"]) -> "Dataset":
        """Return a dataset whose samples are all for training."""
        none = torch.arange(0)
        return cls("tensor", x_0, None, (), 0, torch.arange(len(x_0)), none, none)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(channels, height, width)."""
        _, channels, height, width = self.images.shape
        return channels, height, width

    def take(self, indices: Int64[Tensor, " batch"]) -> Float32[Tensor, " batch *event"]:
        """Return images in [-1, 1]: grey level k of L as 2 k / (L - 1) - 1. Eq. images.range."""
        n = len(self.images)
        if len(indices) and not 0 <= int(indices.min()) <= int(indices.max()) < n:
            raise ValueError(
                f"indices span {int(indices.min())}..{int(indices.max())}, outside 0..{n - 1}. "
                "Use indices from train, validation or test"
            )
        images = self.images[indices]
        if images.is_floating_point():
            return images
        return 2 * images.float() / (self.grey_levels - 1) - 1

    def digest(self) -> str:
        """Return the SHA-256 of images, labels, grey levels and split; the name does not enter."""
        sha = hashlib.sha256(b"levels %d" % self.grey_levels)
        for field in ("images", "labels", "train", "validation", "test"):
            value = getattr(self, field)
            if value is not None:
                sha.update(f"; {field} {value.dtype} {tuple(value.shape)} ".encode())
                sha.update(value.contiguous().numpy())
        return sha.hexdigest()


def check_decoded(dataset: Dataset) -> None:
    """Refuse grey levels so fine that a float32 decoder cannot distinguish neighbouring ones."""
    try:
        check_grey_levels(dataset.grey_levels, torch.float32)
    except ValueError as error:
        reason = str(error).split(";")[0]
        raise ValueError(
            f"--dataset {dataset.name}: {reason}, which the bound requires. Store fewer `levels`"
        ) from None


def load_dataset(spec: str, image_size: int | None = None) -> Dataset:
    """Load the dataset `spec`; ~ is expanded, and nothing is unpickled.

    - digits: the 1,797 handwritten digits bundled with scikit-learn, 8 x 8, 17 grey levels. Test:
      the 500 images floor(k 1797 / 500). Validation: 97 of the rest, evenly spaced. Train: the
      other 1,200.
    - idx:DIR: MNIST files, gzipped or not, labels optional. Test: the t10k files, or 10 % of the
      images without them. Validation: 5 % of the train file, at most 5,000.
    - npz:FILE: `images` (n, channels, height, width) or (n, height, width), uint8 below `levels`
      (default: 256) or floats in [-1, 1]; optional `labels` (n,) and `class_names`.
    - folder:DIR: PNG and JPEG files, in one folder per class or in the folder itself, sorted by
      name. Hidden and other files are skipped. If one image is in colour, all become RGB. Alpha is
      dropped, EXIF orientation is applied, a palette counts as colour.
    - patches:SIZE: squares of SIZE pixels from the two photographs bundled with scikit-learn. Test:
      the right 20 % of each photograph. Validation: the 10 % to the left of that.

    npz and folder use 10 % for test and 5 % for validation, at least one image each. image_size
    crops 8-bit images to their central square and resizes it (Lanczos) to that many pixels. Raises
    ValueError, or FileNotFoundError for a missing path.
    """
    if image_size is not None and image_size < 1:
        raise ValueError(f"image_size = {image_size} is below 1; pass a number of pixels")
    found = _read(spec, image_size)
    n = len(found.images)
    if n < 3:
        raise ValueError(
            f"dataset {spec!r} has {n} image{'s' * (n != 1)}; train, validation and test each need "
            "at least one. Add more"
        )
    images = found.images if image_size is None else _resized(found, image_size, spec)
    if images.shape[1] not in (1, 3):
        raise ValueError(
            f"images of {spec} have {images.shape[1]} channels; must be 1 (grey) or 3 (RGB). "
            "Select channels first"
        )
    test = spread(torch.arange(n), max(1, n // 10)).numpy() if found.test is None else found.test
    rest = np.setdiff1d(np.arange(n), test)
    validation = found.validation
    if not isinstance(validation, np.ndarray):
        validation = spread(torch.from_numpy(rest), validation or max(1, n // 20)).numpy()
    train = np.setdiff1d(rest, validation)
    if not len(train):
        raise ValueError(
            f"dataset {spec!r} has {len(rest)} image besides its test images; train and validation "
            "each need at least one. Add more"
        )
    labels = None if found.labels is None else torch.from_numpy(found.labels.astype(np.int64))
    split = map(torch.from_numpy, (train, validation, test))
    names, grey_levels = found.class_names, found.grey_levels
    return Dataset(spec, torch.from_numpy(images), labels, names, grey_levels, *split)


def spread(indices: Int64[Tensor, " many"], count: int) -> Int64[Tensor, " few"]:
    """Return `count` evenly spaced entries of `indices`, or all if there are fewer."""
    few = min(count, len(indices))
    return indices[torch.arange(few) * len(indices) // few]


def epoch_order(indices: Int64[Tensor, " n"], seed: int, epoch: int) -> Int64[Tensor, " n"]:
    """Return `indices` in the order of `epoch` = 0, 1, ..., keyed by (seed, epoch)."""
    generator = keyed_generator(seed, "epoch order", epoch)
    return indices[torch.randperm(len(indices), generator=generator)]


def batch_indices(
    indices: Int64[Tensor, " n"], seed: int, step: int, batch_size: int
) -> Int64[Tensor, " batch"]:
    """Return the batch of training step `step` = 0, 1, ...: its slice of the concatenated epochs.

    The batch depends on the arguments alone, so a resumed run draws the same batches as an unbroken
    one. A batch may span two or more epochs.
    """
    n = len(indices)
    if n < 1 or step < 0 or batch_size < 1:
        raise ValueError(
            f"{n} indices, step = {step}, batch_size = {batch_size}: needs an index, step >= 0 "
            "and batch_size >= 1"
        )
    first = step * batch_size // n
    last = ((step + 1) * batch_size - 1) // n
    epochs = torch.cat([epoch_order(indices, seed, e) for e in range(first, last + 1)])
    start = step * batch_size - first * n
    return epochs[start : start + batch_size]


class _Source(NamedTuple):
    """Content of a source before the split."""

    images: NDArray[Any]  # (n, channels, height, width)
    labels: NDArray[Any] | None = None
    class_names: tuple[str, ...] = ()
    grey_levels: int = 256
    test: NDArray[np.int64] | None = None  # None: 10 %, evenly spaced
    validation: NDArray[np.int64] | int | None = None  # int: a number, evenly spaced; None: 5 %


def _read(spec: str, image_size: int | None) -> _Source:
    source, _, name = spec.partition(":")
    form = {form.partition(":")[0]: form for form in FORMS}
    if source not in form:
        near = difflib.get_close_matches(source, form, 1)
        hint = f" Did you mean {form[near[0]]}?" if near else ""
        raise ValueError(
            f"dataset {spec!r} is unknown; it must be one of {', '.join(FORMS)}.{hint}"
        )
    if source == "digits":
        from sklearn.datasets import load_digits  # slow import (1 s), needed only here

        if spec != source:
            raise ValueError(f"dataset {spec!r} must be `digits`: it is bundled and takes no path")
        digits = load_digits()
        images = digits.images.astype(np.uint8)[:, None]
        test = spread(torch.arange(len(images)), 500).numpy()
        return _Source(images, digits.target, tuple("0123456789"), 17, test, 97)
    if source == "patches":
        if not (name.isascii() and name.isdigit()):
            raise ValueError(f"dataset {spec!r} has no size; write patches:64 for 64 x 64 pixels")
        squares, which, names, test, validation = photograph_patches(int(name))
        return _Source(squares, which, names, 256, test, validation)
    if not name:
        raise ValueError(f"dataset {spec!r} has no path; write {form[source]}")
    path = Path(name).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{source}:{path}: {path} does not exist. Check the path")
    if path.is_dir() == (source == "npz"):
        have, want = ("folder", "file") if source == "npz" else ("file", "folder that contains it")
        raise ValueError(f"{source}:{path} is a {have}; pass the {want}")
    if source == "npz":
        return _Source(*read_npz(path))
    if source == "folder":
        return _Source(*read_image_folder(path, image_size))
    images, labels, trained = read_idx_folder(path)
    return _Source(
        images=images[:, None],
        labels=labels,
        class_names=() if labels is None else tuple(map(str, range(int(labels.max()) + 1))),
        test=np.arange(trained, len(images)) if trained < len(images) else None,
        validation=min(5000, max(1, trained // 20)),
    )


def _resized(found: _Source, image_size: int, spec: str) -> NDArray[Any]:
    height, width = found.images.shape[2:]
    if height == width == image_size:
        return found.images
    if found.images.dtype != np.uint8 or found.grey_levels != 256:
        kind = (
            f"{found.grey_levels} grey levels" if found.images.dtype == np.uint8 else "float images"
        )
        raise ValueError(
            f"image_size = {image_size}, but dataset {spec!r} has {kind} of {height} x {width} "
            "pixels; only 8-bit images are resized, because interpolation leaves the grey levels "
            "of others. Omit --image-size"
        )
    images: NDArray[Any] = square_images(found.images, image_size)
    return images
