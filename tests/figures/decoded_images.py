"""Decoding of images to arrays, and records to draw, for the tests of figures."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ddpm_core.figures.record import DenoisingRecord

TIMESTEPS = (1000, 700, 300, 50, 0)


def decode(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def frames(gif: bytes) -> list[tuple[NDArray[np.uint8], int]]:
    image = Image.open(io.BytesIO(gif))
    found = []
    for i in range(image.n_frames):
        image.seek(i)
        found.append((np.asarray(image.convert("RGB")), image.info["duration"]))
    return found


def make_record(
    step: int = 500,
    timesteps: tuple[int, ...] = TIMESTEPS,
    event: tuple[int, ...] = (1, 8, 8),
    n: int = 3,
) -> DenoisingRecord:
    draw = np.random.default_rng(step).standard_normal
    many = [draw((len(timesteps), n, *event)).astype(np.float32) for _ in range(4)]
    heldout = draw((n, *event)).astype(np.float32)
    return DenoisingRecord(
        step, timesteps, many[0], many[1], heldout, many[2], many[3], draw(len(timesteps)) ** 2
    )


def with_values(record: DenoisingRecord, **arrays: NDArray[np.generic]) -> DenoisingRecord:
    return DenoisingRecord(**(vars(record) | arrays))
