"""Folders of PNG and JPEG files, and central cropping with resizing."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64, UInt8

if TYPE_CHECKING:
    from PIL import Image

ENDINGS = (".png", ".jpg", ".jpeg")


def read_image_folder(
    folder: Path, image_size: int | None
) -> tuple[
    UInt8[np.ndarray, " n channels height width"], Int64[np.ndarray, " n"] | None, tuple[str, ...]
]:
    """Return the images, class labels (or None) and class names of a folder, sorted by name.

    Images are in the folder itself, or in one sub-folder per class. Names that start with a dot and
    files with other endings are skipped.
    """
    files, labels, class_names = _files(folder)
    images: list[UInt8[np.ndarray, " channels height width"]] = []
    for file in files:
        images.append(_read(file, image_size))
        if images[-1].shape[1:] != images[0].shape[1:]:
            sizes = (f"{image.shape[2]} x {image.shape[1]}" for image in (images[0], images[-1]))
            raise ValueError(
                f"{files[0]} is {next(sizes)} and {file} is {next(sizes)} pixels; all images must "
                "have the same size. Pass --image-size N to crop and resize them to N x N"
            )
    channels = max(len(image) for image in images)
    out = np.empty((len(images), channels, *images[0].shape[1:]), np.uint8)
    for target, image in zip(out, images, strict=True):
        target[:] = image  # broadcasts a grey image among colour ones to three channels
    return out, labels, class_names


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


def _files(folder: Path) -> tuple[list[Path], Int64[np.ndarray, " n"] | None, tuple[str, ...]]:
    """List the files to read, with labels and class names if they are in sub-folders."""
    files = _listed(folder)
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    members = [_listed(each) for each in classes]
    if files and any(members):
        within = next(each[0] for each in members if each)
        raise ValueError(
            f"{folder} mixes images and class folders, such as {files[0].name} and "
            f"{within.relative_to(folder)}. Move all images into class folders, or none"
        )
    if files:
        return files, None, ()
    if not any(members):
        raise ValueError(
            f"{folder} contains no images: searched it and its sub-folders for "
            f"{', '.join(ENDINGS)}. Put the images there, or pass the folder that contains them"
        )
    if not all(members):
        raise ValueError(
            f"{classes[members.index([])]} is a class folder but contains no "
            f"{', '.join(ENDINGS)}. Add images or remove it"
        )
    labels = np.repeat(np.arange(len(classes)), [len(each) for each in members])
    return [file for each in members for file in each], labels, tuple(p.name for p in classes)


def _listed(folder: Path) -> list[Path]:
    return sorted(
        p
        for p in folder.iterdir()
        if p.suffix.lower() in ENDINGS and not p.name.startswith(".") and p.is_file()
    )


def _read(file: Path, image_size: int | None) -> UInt8[np.ndarray, " channels height width"]:
    """Read one file as one grey or three colour channels; alpha is dropped."""
    from PIL import Image, ImageOps

    try:
        with Image.open(file, formats=("PNG", "JPEG")) as opened:
            deep = ";16" in str(opened.tile)  # Pillow would keep only the upper 8 of 16 bits
            image = ImageOps.exif_transpose(opened)
            if image.mode in ("1", "L", "LA"):
                image = image.convert("L")
            elif image.mode == "P":  # a palette with transparency converts only through RGBA
                image = image.convert("RGBA").convert("RGB")
            else:
                image = image.convert("RGB")
    except Exception as error:  # Pillow's decoders raise many types
        raise ValueError(
            f"{file} cannot be read as PNG or JPEG ({error}). Replace or remove it"
        ) from None
    if deep:
        raise ValueError(
            f"{file} has 16 bits per channel; must be 8. Convert it, or store float images as "
            "npz:FILE"
        )
    array = np.asarray(image if image_size is None else _square(image, image_size))
    return array[None] if array.ndim == 2 else array.transpose(2, 0, 1)


def _square(image: "Image.Image", size: int) -> "Image.Image":
    """Crop to the central square (odd margins: up and left) and resize with Lanczos."""
    from PIL import Image

    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cropped = image.crop((left, top, left + side, top + side))
    return cropped.resize((size, size), Image.Resampling.LANCZOS)
