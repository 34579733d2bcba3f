"""Folders of image files, and central cropping with resizing."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from jaxtyping import Int64, UInt8

from ddpm_core.data.folder_listing import Listing, list_folder
from ddpm_core.data.reading import (
    IN_AN_ERROR,
    LOST,
    LOST_AT_MOST,
    OTHER_SIZE,
    UNREADABLE,
    Reading,
    listed,
)

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "DIB", "TIFF")
EIGHT_BIT = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr")
IGNORED = "none"  # the background that ignores transparency

Pixels = UInt8[np.ndarray, "channels height width"]


class ImageFolder(NamedTuple):
    """Content of a folder of images."""

    images: UInt8[np.ndarray, " n channels height width"]
    labels: Int64[np.ndarray, " n"] | None
    class_names: tuple[str, ...]
    parts: Int64[np.ndarray, " n"] | None  # TRAIN, VALIDATION or TEST, of split folders
    reading: Reading


class _Unusable(ValueError):
    """A file that is not read, with the reason."""


class _Transparent(ValueError):
    """An image with transparent pixels, without a background."""


def read_image_folder(
    folder: Path,
    image_size: int | None,
    background: str | None = None,
    skip_unreadable: bool = False,
) -> ImageFolder:
    """Return the images of a folder, sorted by path, and what was left out.

    background: colour behind transparent pixels, or "none" to ignore transparency.
    skip_unreadable: leave out more than 1 % of the images. Raises ValueError as `list_folder` does,
    and for transparency without a background, for too many unusable files, and for unequal sizes.
    """
    _color(background)
    listing = list_folder(folder)
    reasons, transparent = dict[Path, str](), list[Path]()
    images = dict[Path, Pixels]()
    for file in listing.files:
        try:
            images[file] = _read(file, image_size, background)
        except _Transparent:
            transparent.append(file)
        except _Unusable as error:
            reasons[file] = str(error)
            listing.skipped[UNREADABLE].append(file)
    if transparent:
        names = [str(each.relative_to(folder)) for each in transparent]
        raise ValueError(
            f"{len(names):,} of {len(listing.files):,} images in {folder} have transparent pixels: "
            f"{listed(names, 3)}. Pass --background white, or another colour, to put behind them, "
            "or --background none to ignore transparency"
        )
    sizes = Counter(image.shape[1:] for image in images.values())
    size = sizes.most_common(1)[0][0] if sizes else (0, 0)
    others = [file for file, image in images.items() if image.shape[1:] != size]
    if others:
        listing.skipped[OTHER_SIZE] += others
    if not skip_unreadable:
        _check_lost(folder, listing, images, reasons)
    used = [file for file, image in images.items() if image.shape[1:] == size]
    if not used:
        raise ValueError(f"{folder}: {_described(folder, listing, reasons)}. Replace them")
    return _stacked(folder, listing, images, used)


def _stacked(
    folder: Path, listing: Listing, images: dict[Path, Pixels], used: list[Path]
) -> ImageFolder:
    """Return the used images in one array, with their labels and parts."""
    first = images[used[0]]
    channels = max(len(images[file]) for file in used)
    out = np.empty((len(used), channels, *first.shape[1:]), np.uint8)
    for target, file in zip(out, used, strict=True):
        target[:] = images[file]  # broadcasts a grey image among colour ones to three channels
    chosen = set(used)
    rows = np.array([file in chosen for file in listing.files])
    labels = None if listing.labels is None else listing.labels[rows]
    parts = None if listing.parts is None else listing.parts[rows]
    skipped = {
        reason: tuple(str(each.relative_to(folder)) for each in sorted(files))
        for reason, files in listing.skipped.items()
    }
    reading = Reading(f"folder:{folder}", len(used), skipped, tuple(listing.notes))
    return ImageFolder(out, labels, listing.class_names, parts, reading)


def _check_lost(
    folder: Path, listing: Listing, images: dict[Path, Pixels], reasons: dict[Path, str]
) -> None:
    """Refuse to leave out more than LOST_AT_MOST of the images unasked."""
    lost = sum(len(listing.skipped.get(reason, ())) for reason in LOST)
    others = listing.skipped.get(OTHER_SIZE, [])
    total = len(images) - len(others) + lost
    if lost <= LOST_AT_MOST * total:
        return
    if lost == len(others):
        files = list(images)
        first = images[files[0]].shape[1:]
        other = next(file for file in files if images[file].shape[1:] != first)
        raise ValueError(
            f"{files[0]} is {first[1]} x {first[0]} and {other} is {images[other].shape[2]} x "
            f"{images[other].shape[1]} pixels; all images must have the same size. Pass "
            "--image-size N to crop and resize them to N x N, or --skip-unreadable to leave out "
            f"the {len(others):,} of another size than most"
        )
    raise ValueError(
        f"{lost:,} of {total:,} images in {folder} cannot be used: "
        f"{_described(folder, listing, reasons)}. Replace or remove them, or pass "
        "--skip-unreadable to leave them out"
    )


def _described(folder: Path, listing: Listing, reasons: dict[Path, str]) -> str:
    """Return the files that are lost by reason, and why the first one was unreadable."""
    parts = []
    for reason in LOST:
        files = sorted(listing.skipped.get(reason, ()))
        if files:
            names = listed([str(each.relative_to(folder)) for each in files], IN_AN_ERROR)
            why = next((f", the first: {reasons[each]}" for each in files if each in reasons), "")
            parts.append(f"{len(files):,} {reason} ({names}{why})")
    return "; ".join(parts)


def square_images(
    images: UInt8[np.ndarray, " n channels height width"], image_size: int
) -> UInt8[np.ndarray, " n channels image_size image_size"]:
    """Crop 8-bit images to their central square and resize it to image_size pixels."""
    from PIL import Image

    n, channels, height, width = images.shape
    if height == width == image_size:
        return images
    out = np.empty((n * channels, image_size, image_size), np.uint8)
    for target, plane in zip(out, images.reshape(-1, height, width), strict=True):
        target[:] = np.asarray(_square(Image.fromarray(plane), image_size))
    return out.reshape(n, channels, image_size, image_size)


def _read(file: Path, image_size: int | None, background: str | None) -> Pixels:
    """Read one file as one grey or three colour channels."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file, formats=FORMATS) as opened:
            deep = ";16" in str(opened.tile)  # Pillow would keep only the upper 8 of 16 bits
            deep = deep or opened.mode not in EIGHT_BIT
            # A JPEG may hold a preview as a second image.
            frames = 1 if opened.format in ("JPEG", "MPO") else getattr(opened, "n_frames", 1)
            image = ImageOps.exif_transpose(opened)
    except Exception as error:  # Pillow's decoders raise many types
        raise _Unusable(f"cannot be decoded: {error}") from None
    if deep:
        raise _Unusable(
            "has 16 bits per channel; must be 8. Convert it, or store float images as npz:FILE"
        )
    if frames > 1:
        raise _Unusable(f"holds {frames} images; must hold one")
    image = _flattened(image, background)
    array = np.asarray(image if image_size is None else _square(image, image_size))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _flattened(image: "Image.Image", background: str | None) -> "Image.Image":
    """Return a grey or RGB image, with the background behind transparent pixels."""
    from PIL import Image

    grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("LA", "La", "RGBA", "RGBa", "PA") or "transparency" in image.info:
        rgba = image.convert("RGBA")
        color = _color(background)
        if (np.asarray(rgba)[..., 3] < 255).any():
            if background is None:
                raise _Transparent
            if color is not None:
                rgba = Image.alpha_composite(Image.new("RGBA", image.size, color), rgba)
                grey = grey and color[0] == color[1] == color[2]
        image = rgba.convert("RGB")
    return image.convert("L" if grey else "RGB")


def _color(background: str | None) -> tuple[int, int, int] | None:
    """Return a colour as (red, green, blue); None for none."""
    from PIL import ImageColor

    if background is None or background == IGNORED:
        return None
    try:
        red, green, blue, *_ = ImageColor.getrgb(background)
    except ValueError:
        raise ValueError(
            f"--background {background} is not a colour; pass a name such as white, or one such as "
            "#ff8000, or none to ignore transparency"
        ) from None
    return red, green, blue


def _square(image: "Image.Image", size: int) -> "Image.Image":
    """Crop to the central square (odd margins: up and left) and resize with Lanczos."""
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cropped = image.crop((left, top, left + side, top + side))
    return cropped.resize((size, size), Image.Resampling.LANCZOS)
