"""Refuse images that cannot be what was meant: all alike, or grey levels at one end."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FEW = 64  # grey levels: a quarter of the 256 of 8-bit images


def check_values(images: NDArray[Any], grey_levels: int | None, spec: str) -> None:
    """Refuse images that are all the same, or 8-bit images within a quarter of their range.

    images: uint8 or floats. grey_levels: what the data or a user say; None if neither does. Masks
    of 0 and 1 would be trained as 256 grey levels that are nearly black.
    """
    if len(images) > 1 and all(np.array_equal(images[0], each) for each in images[1:]):
        raise ValueError(
            f"dataset {spec!r}: all {len(images):,} images are the same. Check the files; if the "
            "shapes are in the transparency, pass another --background"
        )
    if images.dtype != np.uint8 or grey_levels is not None:
        return
    low, high = int(images.min()), int(images.max())
    if high < FEW:
        remedy = f"--grey-levels {high + 1} if there are no others (npz: `levels={high + 1}`)"
    elif low >= 256 - FEW:
        remedy = "npz:FILE with values from 0 if these are all that there are"
    else:
        return
    raise ValueError(
        f"dataset {spec!r} uses only the grey levels {low} to {high} of 256, so its images look "
        f"{'black' if high < FEW else 'white'}. Pass {remedy}, stretch them to 0..255, or pass "
        "--grey-levels 256 if they are meant so"
    )
