"""Square patches of the two photographs bundled with scikit-learn."""

from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8


def photograph_patches(
    size: int,
) -> tuple[
    UInt8[np.ndarray, " n 3 size size"],
    Int64[np.ndarray, " n"],
    tuple[str, ...],
    Int64[np.ndarray, " test"],
    Int64[np.ndarray, " validation"],
]:
    """Cut squares, 1/8 of a side apart, from the two photographs bundled with scikit-learn.

    The right 20 % of each photograph is for test, the 10 % to its left for validation (each at
    least one square wide) and the rest for training, so no pixel is in two of them. Returns images,
    labels (which photograph), class names, and the indices of test and validation.
    """
    from sklearn.datasets import load_sample_images  # slow import (1 s), needed only here

    photographs = load_sample_images()
    images, labels, parts = [], [], []
    for label, photograph in enumerate(photographs.images):
        height, width, _ = photograph.shape
        last = width - max(size, width // 5)
        middle = last - max(size, width // 10)
        if not 8 <= size <= min(height, middle):
            raise ValueError(
                f"patches:{size}: the photographs have {width} x {height} pixels, and training, "
                "validation and test need one square each, side by side; pass 8 to 213"
            )
        ends = (0, middle, last, width)
        for part in range(3):
            for top in range(0, height - size + 1, max(2, size // 8)):
                for left in range(ends[part], ends[part + 1] - size + 1, max(2, size // 8)):
                    square = photograph[top : top + size, left : left + size]
                    images.append(square.transpose(2, 0, 1))
                    labels.append(label)
                    parts.append(part)
    names = tuple(Path(each).stem for each in photographs.filenames)
    validation, test = (np.flatnonzero(np.array(parts) == part) for part in (1, 2))
    return np.stack(images), np.array(labels), names, test, validation
