"""Sources of images: five forms of a dataset spec, read and checked."""

import difflib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ddpm_core.data.folder_listing import TEST, VALIDATION
from ddpm_core.data.idx import read_idx_folder
from ddpm_core.data.image_folder import read_image_folder, square_images
from ddpm_core.data.npz import read_npz
from ddpm_core.data.photographs import photograph_patches
from ddpm_core.data.reading import Reading
from ddpm_core.data.split import spread
from ddpm_core.data.value_checks import check_values

FORMS = ("digits", "idx:DIR", "npz:FILE", "folder:DIR", "patches:SIZE")


class Options(NamedTuple):
    """How a source is read; see `load_dataset`."""

    image_size: int | None = None
    background: str | None = None
    skip_unreadable: bool = False
    grey_levels: int | None = None


class Source(NamedTuple):
    """Content of a source before the split."""

    images: NDArray[Any]  # (n, channels, height, width)
    labels: NDArray[Any] | None = None
    class_names: tuple[str, ...] = ()
    grey_levels: int | None = None  # None: the source does not say, so 256
    test: NDArray[np.int64] | None = None  # None: 10 %, evenly spaced
    validation: NDArray[np.int64] | int | None = None  # int: a number, evenly spaced; None: 5 %
    reading: Reading | None = None  # of a folder


def read_source(spec: str, options: Options) -> Source:
    """Read the source `spec`. Raises ValueError, or FileNotFoundError for a missing path."""
    _check_options(spec, options)
    found = _read(spec, options)
    n = len(found.images)
    if n < 3:
        raise ValueError(
            f"dataset {spec!r} has {n} image{'s' * (n != 1)}; train, validation and test each need "
            "at least one. Add more"
        )
    found = found._replace(grey_levels=_grey_levels(found, options.grey_levels, spec))
    check_values(found.images, found.grey_levels, spec)
    if options.image_size is not None:
        found = found._replace(images=_resized(found, options.image_size, spec))
    if found.images.shape[1] not in (1, 3):
        raise ValueError(
            f"images of {spec} have {found.images.shape[1]} channels; must be 1 (grey) or 3 (RGB). "
            "Select channels first"
        )
    return found


def _read(spec: str, options: Options) -> Source:
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
        test = spread(torch.arange(len(images), device="cpu"), 500).numpy()
        return Source(images, digits.target, tuple("0123456789"), 17, test, 97)
    if source == "patches":
        if not (name.isascii() and name.isdigit()):
            raise ValueError(f"dataset {spec!r} has no size; write patches:64 for 64 x 64 pixels")
        squares, which, names, test, validation = photograph_patches(int(name))
        return Source(squares, which, names, 256, test, validation)
    if not name:
        raise ValueError(f"dataset {spec!r} has no path; write {form[source]}")
    path = Path(name).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"{source}:{path}: {path} does not exist. Check the path")
    if path.is_dir() == (source == "npz"):
        have, want = ("folder", "file") if source == "npz" else ("file", "folder that contains it")
        raise ValueError(f"{source}:{path} is a {have}; pass the {want}")
    if source == "npz":
        return Source(*read_npz(path))
    if source == "folder":
        folder = read_image_folder(
            path, options.image_size, options.background, options.skip_unreadable
        )
        return Source(
            images=folder.images,
            labels=folder.labels,
            class_names=folder.class_names,
            test=_part(folder.parts, TEST),
            validation=_part(folder.parts, VALIDATION),
            reading=folder.reading,
        )
    images, labels, trained = read_idx_folder(path)
    return Source(
        images=images[:, None],
        labels=labels,
        class_names=() if labels is None else tuple(map(str, range(int(labels.max()) + 1))),
        test=np.arange(trained, len(images)) if trained < len(images) else None,
        validation=min(5000, max(1, trained // 20)),
    )


def _part(parts: NDArray[np.int64] | None, part: int) -> NDArray[np.int64] | None:
    """Return the indices of a part of the split; None if the source does not have it."""
    if parts is None or part not in parts:
        return None
    return np.flatnonzero(parts == part)


def _check_options(spec: str, options: Options) -> None:
    """Refuse options that the source does not have, or that contradict each other."""
    is_folder = spec.startswith("folder:")
    if options.image_size is not None and options.image_size < 1:
        raise ValueError(f"image_size = {options.image_size} is below 1; pass a number of pixels")
    for name in ("background", "skip_unreadable"):
        if getattr(options, name) and not is_folder:
            raise ValueError(f"--{name.replace('_', '-')} is for folder:DIR, not {spec}; omit it")
    if is_folder and options.image_size is not None and options.grey_levels not in (None, 256):
        raise ValueError(
            f"--grey-levels {options.grey_levels} does not hold after --image-size, which "
            "interpolates; resize the images first, and omit --image-size"
        )


def _grey_levels(found: Source, stated: int | None, spec: str) -> int | None:
    """Return the number of grey levels that the source or the user says; None if neither does."""
    if stated is None:
        return found.grey_levels
    if found.images.dtype != np.uint8:
        raise ValueError(f"--grey-levels {stated}, but {spec} has floats; omit it")
    if found.grey_levels not in (None, stated):
        raise ValueError(
            f"--grey-levels {stated}, but {spec} says that it has {found.grey_levels}; omit it"
        )
    highest = int(found.images.max())
    if not highest < stated <= 256:
        raise ValueError(
            f"--grey-levels {stated}, but {spec} has the grey level {highest}; pass "
            f"{max(2, highest + 1)} to 256"
        )
    return stated


def _resized(found: Source, image_size: int, spec: str) -> NDArray[Any]:
    height, width = found.images.shape[2:]
    if height == width == image_size:
        return found.images
    if found.images.dtype != np.uint8 or found.grey_levels not in (None, 256):
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
