"""Square patches of the two photographs that scikit-learn bundles."""

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
    """Squares cut from the two photographs that scikit-learn bundles, an eighth of a side apart.

    The right fifth of each photograph is for test, the tenth beside it for validation (at least a
    square of each), the rest for training, so that no pixel is in two of them. Returns images,
    labels (of which photograph), class names, and the places of test and validation.
    """
    from sklearn.datasets import load_sample_images  # a second that --help need not wait for

    photographs = load_sample_images()
    images, labels, parts = [], [], []
    for label, whole in enumerate(photographs.images):
        height, width, _ = whole.shape
        last = width - max(size, width // 5)
        middle = last - max(size, width // 10)
        if not 8 <= size <= min(height, middle):
            raise ValueError(
                f"patches:{size}: the photographs have {width} x {height} pixels, and training, "
                "validation and test need a square each, side by side; give 8 to 213"
            )
        ends = (0, middle, last, width)
        for part in range(3):
            for top in range(0, height - size + 1, max(2, size // 8)):
                for left in range(ends[part], ends[part + 1] - size + 1, max(2, size // 8)):
                    square = whole[top : top + size, left : left + size]
                    images.append(square.transpose(2, 0, 1))
                    labels.append(label)
                    parts.append(part)
    names = tuple(Path(each).stem for each in photographs.filenames)
    validation, test = (np.flatnonzero(np.array(parts) == part) for part in (1, 2))
    return np.stack(images), np.array(labels), names, test, validation
