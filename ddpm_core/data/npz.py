"""Images in NumPy .npz archives: one documented layout; nothing is unpickled."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, Shaped
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

NAMES = ("images", "labels", "class_names", "levels")


def read_npz(
    path: Path,
) -> tuple[
    Shaped[np.ndarray, " n channels height width"],
    Int64[np.ndarray, " n"] | None,
    tuple[str, ...],
    int | None,
]:
    """Return images, labels (or None), class names and `levels` (or None) of an archive.

    images: (n, channels, height, width) or (n, height, width); uint8 below `levels`, or float32
    or float64 in [-1, 1], returned as float32. labels: integers 0..classes-1, of shape (n,).
    class_names: strings (default: "0", "1", ...). `levels`: an integer (default: 256).
    """
    with path.open("rb") as file:
        try:
            archive = np.load(file, allow_pickle=False)
        except (ValueError, EOFError, zipfile.BadZipFile):  # NumPy's message advises unpickling
            archive = None
        if not isinstance(archive, NpzFile):
            raise ValueError(
                f"{path} is not an .npz archive, or is truncated. Write it with np.savez(path, "
                "images=...)"
            )
        extra = sorted(set(archive.files) - set(NAMES))
        if extra or "images" not in archive.files:
            what = f"contains unknown {extra[0]!r}" if extra else "contains no 'images'"
            raise ValueError(
                f"{path} {what}; expected images and optionally {', '.join(NAMES[1:])}. Rename or "
                "remove the others"
            )
        arrays = {name: _array(path, archive, name) for name in archive.files}
    grey_levels = _grey_levels(path, arrays.get("levels"))
    images = _images(path, arrays["images"], grey_levels or 256)
    labels, class_names = _classes(
        path, arrays.get("labels"), arrays.get("class_names"), len(images)
    )
    return images, labels, class_names, grey_levels


def _array(path: Path, archive: NpzFile, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] | bytes = archive[name]
    except Exception as error:  # zip, zlib and NumPy raise different types for a damaged member
        if "Object arrays" in str(error):
            raise ValueError(
                f"{path}: {name} is an object array, that is, a pickle, which can execute code "
                "and is never loaded. Save numbers or strings, such as np.stack(images)"
            ) from None
        raise ValueError(f"{path}: {name} cannot be read ({error}). Write it again") from None
    if isinstance(array, bytes):  # NumPy returns bytes for a member that is not a .npy file
        raise ValueError(f"{path}: {name} is not a NumPy array. Write it with np.savez")
    return array


def _grey_levels(path: Path, levels: NDArray[Any] | None) -> int | None:
    if levels is None:
        return None
    if levels.shape != () or levels.dtype.kind not in "iu" or levels < 2:
        raise ValueError(
            f"{path}: `levels` = {levels} ({levels.dtype}, shape {levels.shape}) must be one "
            "integer >= 2. Save the number of grey levels, such as `levels=256`"
        )
    return int(levels)


def _images(path: Path, images: NDArray[Any], grey_levels: int) -> NDArray[Any]:
    if images.ndim not in (3, 4) or 0 in images.shape:
        raise ValueError(
            f"{path}: images have shape {images.shape}; must be (n, channels, height, width) or "
            "(n, height, width), without a size 0. Reshape them"
        )
    *_, channels, height, width = images.shape
    if images.ndim == 4 and width <= 4 < channels and width != height:
        raise ValueError(
            f"{path}: images have shape {images.shape}, which looks like channels last; must be "
            "(n, channels, height, width). Save images.transpose(0, 3, 1, 2)"
        )
    with_channels = images if images.ndim == 4 else images[:, None]
    if images.dtype == np.uint8:
        at = _first(images >= grey_levels)
        if at:
            raise ValueError(
                f"{path}: images[{at}] = {_value(images, at)} is not below `levels` = "
                f"{grey_levels}. Save `levels={int(images.max()) + 1}`, or omit `levels` for 256"
            )
        return with_channels
    if images.dtype.kind != "f" or images.dtype.itemsize not in (4, 8):
        raise ValueError(
            f"{path}: images have dtype {images.dtype}; must be uint8, or float32 or float64 in "
            "[-1, 1]. Save grey levels with .astype(np.uint8), data in [-1, 1] with "
            ".astype(np.float32)"
        )
    at = _first(~(np.abs(images) <= 1))  # negated, so that NaN counts
    if at:
        raise ValueError(
            f"{path}: images[{at}] = {_value(images, at)} is outside [-1, 1]. Save 2 * x - 1 for "
            "data in [0, 1], or grey levels as uint8"
        )
    if images.min() >= 0:
        raise ValueError(
            f"{path}: images has no negative value, so it looks like data in [0, 1]; expected "
            "[-1, 1]. Save 2 * x - 1, or grey levels as uint8"
        )
    return with_channels.astype(np.float32)


def _classes(
    path: Path, labels: NDArray[Any] | None, names: NDArray[Any] | None, n: int
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    if names is not None and (labels is None or names.ndim != 1 or names.dtype.kind != "U"):
        raise ValueError(
            f"{path}: class_names ({names.dtype}, shape {names.shape}) must be a list of strings "
            "and needs labels. Save both, or neither"
        )
    if labels is None:
        return None, ()
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"{path}: labels ({labels.dtype}, shape {labels.shape}) must be integers of shape "
            f"({n},), one per image. Save class numbers, and their names as class_names"
        )
    # Without names, allow at most as many classes as images: a label such as 10**12 is a mistake.
    classes = n if names is None else len(names)
    at = _first((labels < 0) | (labels >= classes))
    if at:
        raise ValueError(
            f"{path}: labels[{at}] = {_value(labels, at)} is outside 0..{classes - 1}, with "
            f"{classes} {'images' if names is None else 'class_names'}. Number the classes from 0, "
            "and list all of them in class_names"
        )
    known = map(str, range(int(labels.max()) + 1) if names is None else names)
    return labels.astype(np.int64), tuple(known)


def _first(bad: NDArray[np.bool_]) -> str:
    """Return the index of the first True as text, such as "3, 0", or "" without one."""
    return ", ".join(map(str, np.argwhere(bad)[0])) if bad.any() else ""


def _value(array: NDArray[Any], at: str) -> str:
    return str(array[tuple(map(int, at.split(", ")))])
