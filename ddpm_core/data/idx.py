"""MNIST's IDX format, read no further than its header announces."""

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

UNSIGNED_BYTE = 0x08  # the one element type that MNIST's files have
CHUNK = 1 << 20  # bytes asked for at once, so that a header's claim is never allocated unseen


def read_idx(path: Path, axes: int) -> UInt8[np.ndarray, "..."]:
    """The uint8 array with `axes` axes of an IDX file, gzipped (known by its first bytes) or not.

    At most one byte more than the header announces is expanded. Raises ValueError, with the byte
    where it went wrong, for a file that is anything but whole.
    """
    data = bytearray()
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream: io.BufferedIOBase = gzip.GzipFile(fileobj=file) if zipped else file
        try:
            _extend(data, stream, 4 + 4 * axes)
            shape = _shape(path, data, axes)
            end = 4 + 4 * axes + math.prod(shape)
            _extend(data, stream, end + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ValueError(
                f"{path} is corrupt or cut short: its gzip stream breaks off after {len(data)} "
                f"decompressed bytes ({error}). Fetch it again"
            ) from None
    unit = "decompressed byte" if zipped else "byte"
    if len(data) != end:
        what = (
            f"the file ends at {unit} {len(data)}"
            if len(data) < end
            else f"the file has at least one byte too many from {unit} {end}"
            if zipped
            else f"the file has {path.stat().st_size - end} bytes too many from byte {end}"
        )
        raise ValueError(
            f"{path}: {' x '.join(map(str, shape))} = {end - 4 - 4 * axes} bytes must follow its "
            f"{4 + 4 * axes}-byte header, but {what}. Fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * axes).reshape(shape)


def read_idx_folder(
    folder: Path,
) -> tuple[UInt8[np.ndarray, " n height width"], UInt8[np.ndarray, " n"] | None, int]:
    """The images, labels (None without label files) and number of training images of a folder.

    The t10k files are optional; their images stand after those for training. Of two spellings of
    one name the first of `spellings` is read.
    """
    train = _read_pair(folder, "train")
    if train is None:
        raise FileNotFoundError(
            f"{folder} has no images to train on: looked for "
            f"{', '.join(spellings('train-images', 3))}. Put one of them there"
        )
    images, labels = train
    test = _read_pair(folder, "t10k")
    if test is None:
        return images, labels, len(images)
    if test[0].shape[1:] != images.shape[1:]:
        raise ValueError(
            f"{folder}: t10k images are {' x '.join(map(str, test[0].shape[1:]))}, train images "
            f"{' x '.join(map(str, images.shape[1:]))}; they must have one size. Take the t10k "
            "files of the same data set, or none"
        )
    both = np.concatenate([images, test[0]])
    if labels is None and test[1] is None:
        return both, None, len(images)
    if labels is None or test[1] is None:
        have, lack = ("t10k", "train") if labels is None else ("train", "t10k")
        raise FileNotFoundError(
            f"{folder} has labels for {have} but none for {lack}: looked for "
            f"{', '.join(spellings(f'{lack}-labels', 1))}. Add them, or take both label files away"
        )
    return both, np.concatenate([labels, test[1]]), len(images)


def spellings(stem: str, axes: int) -> list[str]:
    """The names that a file may have, in the order in which they are looked for."""
    return [f"{stem}{dot}idx{axes}-ubyte{end}" for dot in "-." for end in ("", ".gz")]


def _extend(data: bytearray, stream: io.BufferedIOBase, size: int) -> None:
    """Grow `data` to `size` bytes or to the end of the stream."""
    # read1, since read loses what it has when a gzip stream breaks, and with it the place.
    while len(data) < size and (more := stream.read1(min(CHUNK, size - len(data)))):
        data += more


def _shape(path: Path, data: bytearray, axes: int) -> tuple[int, ...]:
    """The sizes that an IDX header announces."""
    header = 4 + 4 * axes
    wanted = f"00 00 {UNSIGNED_BYTE:02x} {axes:02x}"
    if len(data) < header:
        raise ValueError(
            f"{path} ends at byte {len(data)}, within its {header}-byte header. Fetch it again"
        )
    if data[:2] != b"\0\0":
        raise ValueError(
            f"{path} starts with the bytes {data[:4].hex(' ')}, so it is no IDX file; one with "
            f"{axes} axes starts with {wanted}. Fetch it again, or store your data as npz:FILE"
        )
    if data[2] != UNSIGNED_BYTE:
        raise ValueError(
            f"{path}: byte 2, the element type, is 0x{data[2]:02x}; it must be 0x08, unsigned "
            "bytes. Store other data as npz:FILE"
        )
    if data[3] != axes:
        raise ValueError(
            f"{path}: byte 3 announces {data[3]} axes; it must be {axes}, so the file starts with "
            f"{wanted}. Are images and labels swapped?"
        )
    shape = tuple(int.from_bytes(data[i : i + 4], "big") for i in range(4, header, 4))
    if 0 in shape:
        raise ValueError(
            f"{path}: bytes {4 + 4 * shape.index(0)} to {7 + 4 * shape.index(0)} announce a size "
            f"of 0 (the header says {' x '.join(map(str, shape))}). Fetch it again"
        )
    return shape


def _read_pair(
    folder: Path, part: str
) -> tuple[UInt8[np.ndarray, " n height width"], UInt8[np.ndarray, " n"] | None] | None:
    """The images of train or t10k with their labels; None where there are no images."""
    images_path = _find(folder, f"{part}-images", 3)
    labels_path = _find(folder, f"{part}-labels", 1)
    if images_path is None:
        if labels_path is not None and part == "t10k":
            raise FileNotFoundError(
                f"{folder} has {labels_path.name} but no t10k images: looked for "
                f"{', '.join(spellings('t10k-images', 3))}. Add them, or take the labels away"
            )
        return None
    images = read_idx(images_path, 3)
    if labels_path is None:
        return images, None
    labels = read_idx(labels_path, 1)
    if len(labels) != len(images):
        raise ValueError(
            f"{labels_path} has {len(labels)} labels, but {images_path.name} has {len(images)} "
            "images; there must be one label for each. Take both files from one data set"
        )
    return images, labels


def _find(folder: Path, stem: str, axes: int) -> Path | None:
    return next((folder / s for s in spellings(stem, axes) if (folder / s).is_file()), None)
