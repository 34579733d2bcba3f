"""Datasets: five sources, a fixed split, and a stateless order of training batches."""

import hashlib
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

from ddpm_core.data.reading import Reading
from ddpm_core.data.sources import Options, read_source
from ddpm_core.data.split import split_images
from ddpm_core.losses import check_grey_levels
from ddpm_core.randomness import keyed_generator


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
    reading: Reading = field(default_factory=Reading)  # what was left out; not in the digest

    def __post_init__(self) -> None:
        if self.images.dtype not in (torch.uint8, torch.float32):
            raise TypeError(
                f"images have dtype {self.images.dtype}; must be torch.uint8 (grey levels) or "
                "torch.float32 (in [-1, 1])"
            )
        split, _ = torch.cat([self.train, self.validation, self.test]).sort()
        if not torch.equal(split, torch.arange(len(self.images), device="cpu")):
            raise ValueError(
                f"train, validation and test contain {len(split)} indices of {len(self.images)} "
                "images; each image must be in exactly one of them"
            )

    @classmethod
    def of(cls, x_0: Float32[Tensor, " n *event"]) -> "Dataset":
        """Return a dataset whose samples are all for training."""
        none = torch.arange(0, device="cpu")
        return cls("tensor", x_0, None, (), 0, torch.arange(len(x_0), device="cpu"), none, none)

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
        for name in ("images", "labels", "train", "validation", "test"):
            value = getattr(self, name)
            if value is not None:
                sha.update(f"; {name} {value.dtype} {tuple(value.shape)} ".encode())
                sha.update(value.contiguous().numpy())
        return sha.hexdigest()


def split_of(dataset: Dataset) -> tuple[Tensor, Tensor, Tensor]:
    """Return the indices of the images for training, validation and test."""
    return dataset.train, dataset.validation, dataset.test


def with_warning(dataset: Dataset, warning: str) -> Dataset:
    """Return the dataset with a warning that every picture made from it shows."""
    reading = dataset.reading
    return replace(dataset, reading=replace(reading, warnings=(*reading.warnings, warning)))


def check_decoded(dataset: Dataset) -> None:
    """Refuse grey levels so fine that a float32 decoder cannot distinguish neighbouring ones."""
    try:
        check_grey_levels(dataset.grey_levels, torch.float32)
    except ValueError as error:
        reason = str(error).split(";")[0]
        raise ValueError(
            f"--dataset {dataset.name}: {reason}, which the bound requires. Store fewer `levels`"
        ) from None


def load_dataset(
    spec: str,
    image_size: int | None = None,
    *,
    background: str | None = None,
    skip_unreadable: bool = False,
    grey_levels: int | None = None,
    split_by_class: bool = True,
) -> Dataset:
    """Load the dataset `spec`; ~ is expanded, and nothing is unpickled.

    - digits: the 1,797 handwritten digits bundled with scikit-learn, 8 x 8, 17 grey levels. Test:
      the 500 images floor(k 1797 / 500). Validation: 97 of the rest, evenly spaced. Train: the
      other 1,200.
    - idx:DIR: MNIST files, gzipped or not, labels optional. Test: the t10k files, or 10 % of the
      images without them. Validation: 5 % of the train file, at most 5,000.
    - npz:FILE: `images` (n, channels, height, width) or (n, height, width), uint8 below `levels`
      (default: 256) or floats in [-1, 1]; optional `labels` (n,) and `class_names`.
    - folder:DIR: PNG, JPEG, WebP, BMP and TIFF files, sorted by path: in the folder itself, in one
      folder per class, or in folders train, val and test that are either. If one image is in
      colour, all become RGB. EXIF orientation is applied, a palette counts as colour. The files
      that were left out are in `reading`.
    - patches:SIZE: squares of SIZE pixels from the two photographs bundled with scikit-learn. Test:
      the right 20 % of each photograph. Validation: the 10 % to the left of that.

    npz and folder use 10 % for test and 5 % for validation, at least one image each, and by class
    where an even split would leave a class without a training image.

    image_size: crop 8-bit images to their central square and resize it (Lanczos) to that many
    pixels. background: colour behind transparent pixels of a folder, or "none" to ignore
    transparency. skip_unreadable: leave out more than 1 % of a folder's images. grey_levels: the
    number of grey levels, if the source does not say it. split_by_class: False for an even split
    whatever the classes, as in earlier versions. Raises ValueError, or FileNotFoundError for a
    missing path.
    """
    found = read_source(spec, Options(image_size, background, skip_unreadable, grey_levels))
    n, grey = len(found.images), found.grey_levels or 256
    labels = None if found.labels is None else found.labels.astype(np.int64)
    classes = labels if split_by_class else None
    split, note = split_images(n, classes, found.test, found.validation)
    if not len(split[0]):
        raise ValueError(
            f"dataset {spec!r} has {n - len(split[2])} image besides its test images; train and "
            "validation each need at least one. Add more"
        )
    train, validation, test = map(torch.from_numpy, split)
    reading = found.reading or Reading(used=n)
    return Dataset(
        spec,
        torch.from_numpy(found.images),
        None if labels is None else torch.from_numpy(labels),
        found.class_names,
        grey,
        train,
        validation,
        test,
        reading if note is None else replace(reading, notes=(*reading.notes, note)),
    )


def epoch_order(indices: Int64[Tensor, " n"], seed: int, epoch: int) -> Int64[Tensor, " n"]:
    """Return `indices` in the order of `epoch` = 0, 1, ..., keyed by (seed, epoch)."""
    generator = keyed_generator(seed, "epoch order", epoch)
    return indices[torch.randperm(len(indices), generator=generator, device="cpu")]


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
