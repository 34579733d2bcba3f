"""Read MNIST's IDX files, and no more bytes than their headers declare."""

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

UNSIGNED_BYTE = 0x08  # the only element type in MNIST's files
CHUNK = 1 << 20  # bytes per read: memory grows with the file, not with what its header declares
AXES = {"train-images": 3, "train-labels": 1, "t10k-images": 3, "t10k-labels": 1}


def read_idx(path: Path, axes: int) -> UInt8[np.ndarray, "..."]:
    """Return the uint8 array with `axes` axes of an IDX file, gzipped or not.

    At most one byte more than the header declares is decompressed. Raises ValueError with the
    position of the error if the file is corrupt, truncated or too long.
    """
    data, header = bytearray(), 4 + 4 * axes
    with path.open("rb") as file:
        zipped = file.peek(2)[:2] == b"\x1f\x8b"
        stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if zipped else file
        try:
            _extend(data, stream, header)
            shape = _shape(path, data, axes)
            end = header + math.prod(shape)
            _extend(data, stream, end + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{path} is corrupt or truncated: its gzip stream breaks off after {len(data)} "
                f"decompressed bytes ({error}). Download it again"
            ) from None
    if len(data) == end:
        return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
    unit = "decompressed byte" if zipped else "byte"
    extra = "at least one byte" if zipped else f"{path.stat().st_size - end} bytes"
    fault = (
        f"ends at {unit} {len(data)}"
        if len(data) < end
        else f"has {extra} too many from {unit} {end}"
    )
    raise ValueError(
        f"{path}: {_times(shape)} = {end - header} bytes must follow its {header}-byte header, but "
        f"the file {fault}. Download it again"
    )


def read_idx_folder(
    folder: Path,
) -> tuple[UInt8[np.ndarray, " n height width"], UInt8[np.ndarray, " n"] | None, int]:
    """Return the images, their labels if there are label files, and the number for training.

    The optional t10k images follow the training images. If a file exists in two spellings, the
    first of `spellings` is read.
    """
    files = {name: path for name in AXES if (path := _find(folder, name)) is not None}
    parts = [part for part in ("train", "t10k") if f"{part}-images" in files]
    labelled = [part for part in parts if f"{part}-labels" in files]
    if "train-images" not in files:
        raise _missing("train-images", f"{folder} has no images to train on", "Add one of them")
    if "t10k-images" not in files and "t10k-labels" in files:
        what = f"{folder} has {files['t10k-labels'].name} but no t10k images"
        raise _missing("t10k-images", what, "Add them, or remove the labels")
    if labelled not in ([], parts):
        (lacking,) = {*parts} - {*labelled}
        what = f"{folder} has labels for {labelled[0]} but none for {lacking}"
        raise _missing(f"{lacking}-labels", what, "Add them, or remove the other labels")
    arrays = {name: read_idx(path, AXES[name]) for name, path in files.items()}
    images = [arrays[f"{part}-images"] for part in parts]
    labels = [arrays[f"{part}-labels"] for part in labelled]
    for part in labelled:
        n, n_labels = len(arrays[f"{part}-images"]), len(arrays[f"{part}-labels"])
        if n_labels != n:
            raise ValueError(
                f"{files[f'{part}-labels']} has {n_labels} labels, but "
                f"{files[f'{part}-images'].name} has {n} images; there must be one label for "
                "each. Take both files from the same data set"
            )
    if images[-1].shape[1:] != images[0].shape[1:]:
        raise ValueError(
            f"{folder}: t10k images are {_times(images[-1].shape[1:])}, train images "
            f"{_times(images[0].shape[1:])}; all must have the same size. Take the t10k files of "
            "the same data set, or remove them"
        )
    return np.concatenate(images), np.concatenate(labels) if labels else None, len(images[0])


def spellings(name: str) -> list[str]:
    """Return the file names that are tried for a name in `AXES`, in order."""
    return [f"{name}{dot}idx{AXES[name]}-ubyte{end}" for dot in "-." for end in ("", ".gz")]


def _find(folder: Path, name: str) -> Path | None:
    return next((folder / s for s in spellings(name) if (folder / s).is_file()), None)


def _missing(name: str, what: str, remedy: str) -> FileNotFoundError:
    return FileNotFoundError(f"{what}: looked for {', '.join(spellings(name))}. {remedy}")


def _extend(data: bytearray, stream: io.BufferedIOBase, size: int) -> None:
    """Read from `stream` until `data` has `size` bytes or the stream ends."""
    # Not `read`: when a gzip stream breaks, `read` discards what it has decompressed.
    while len(data) < size and (more := stream.read1(min(CHUNK, size - len(data)))):
        data += more


def _shape(path: Path, data: bytearray, axes: int) -> tuple[int, ...]:
    """Return the shape in an IDX header."""
    header = 4 + 4 * axes
    expected = f"00 00 {UNSIGNED_BYTE:02x} {axes:02x}"
    if len(data) < header:
        raise ValueError(
            f"{path} ends at byte {len(data)}, inside its {header}-byte header. Download it again"
        )
    if data[:2] != b"\0\0":
        raise ValueError(
            f"{path} starts with the bytes {data[:4].hex(' ')}, so it is not an IDX file; one with "
            f"{axes} axes starts with {expected}. Download it again, or store your data as npz:FILE"
        )
    if data[2] != UNSIGNED_BYTE:
        raise ValueError(
            f"{path}: byte 2, the element type, is 0x{data[2]:02x}; it must be 0x08 (unsigned "
            "byte). Store other data as npz:FILE"
        )
    if data[3] != axes:
        raise ValueError(
            f"{path}: byte 3 declares {data[3]} axes; it must be {axes}, so the file starts with "
            f"{expected}. Are images and labels swapped?"
        )
    shape = tuple(np.frombuffer(data, ">u4", axes, offset=4).tolist())
    if 0 in shape:
        at = 4 + 4 * shape.index(0)
        raise ValueError(
            f"{path}: bytes {at} to {at + 3} declare a size of 0 (the header says "
            f"{_times(shape)}). Download it again"
        )
    return shape


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))
