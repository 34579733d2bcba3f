"""Small datasets written to disk, for the tests of data."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ddpm_core.data.dataset import load_dataset

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (40, 6, 5), np.uint8)
LABELS = (np.arange(40) * 7 % 4).astype(np.uint8)


def idx_bytes(array: np.ndarray) -> bytes:
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx(folder: Path, **arrays: np.ndarray) -> Path:
    """Write files such as train-images-idx3-ubyte from train_images=..."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        path = folder / f"{name.replace('_', '-')}-idx{array.ndim}-ubyte"
        path.write_bytes(idx_bytes(array))
    return folder


def write_png(path: Path, array: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)
    return path


def write_npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def refusal(spec: str, image_size: int | None = None) -> str:
    with pytest.raises((ValueError, FileNotFoundError)) as caught:
        load_dataset(spec, image_size)
    message = str(caught.value)
    assert len(message) < 500, message
    return message


def floor_spread(n: int, count: int) -> list[int]:
    return [k * n // count for k in range(count)]
