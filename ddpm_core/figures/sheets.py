"""Pictures of a run, as the bytes of PNG and GIF files: samples, denoising sheets, losses."""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from ddpm_core.data.pixels import NOT_FINITE, to_pixels
from ddpm_core.figures.canvas import (
    ACCENT,
    FAINT,
    GAP,
    INK,
    RULE,
    WHITE,
    Color,
    Page,
    enlarge,
    gif,
    grid,
    paste,
    png,
    write,
)
from ddpm_core.figures.record import DenoisingRecord

Item = TypeVar("Item")
Columns = Float[np.ndarray, "times images _ height width"]

GUTTER, MARGIN, PAIR_GAP = 76, 28, 14  # row labels; page edge; between two images' pairs of rows
MAX_FRAMES = 60
MAX_FRAME_PIXELS = 5_000_000  # event pixels in one animation: noise takes a byte each in a GIF


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` >= 2 of the items, evenly spread, the first and the last among them."""
    if len(items) <= count:
        return list(items)
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, count)]


def frame_limit(shape: tuple[int, ...]) -> int:
    """Frames of an animation that shows two arrays of this shape, so that its size is bounded."""
    frame = 2 * math.prod(shape[:-3]) * shape[-2] * shape[-1]
    return min(MAX_FRAMES, max(8, MAX_FRAME_PIXELS // frame))


def sample_grid(
    images: Float[np.ndarray, "n channels height width"] | Float[Tensor, "n channels height width"],
    columns: int | None = None,
    *,
    watermark: str | None = None,
) -> bytes:
    """PNG of images in [-1, 1], row by row; by default nearly a square."""
    return png(grid(enlarge(to_pixels(images), 72), columns), watermark)


def reconstruction_grid(
    images: Float[Tensor, "n channels height width"],
    decoded: Float[Tensor, "n channels height width"],
    *,
    watermark: str | None = None,
) -> bytes:
    """PNG of pairs: an image above, what an autoencoder gives back of it below."""
    pairs = np.concatenate([to_pixels(images), to_pixels(decoded)], axis=-3)
    return png(grid(enlarge(pairs, 144)), watermark)


def denoising_sheet(
    record: DenoisingRecord,
    title: str | None = None,
    *,
    note: str = "",
    watermark: str | None = None,
) -> bytes:
    """PNG whose columns are the fixed times from T to 0: x_t above, x0_hat below.

    First the chains from noise, then the held-out images noised to t and guessed in one shot, with
    the mean squared error under each column. note: what its colours mean.
    """
    size = _cell_size(record, 1280)
    free = _Block(record.free_x_t, record.free_x0_hat, size)
    heldout = _Block(record.heldout_x_t, record.heldout_x0_hat, size)
    free_top = 132
    heldout_top = free_top + free.height + 86
    bars = heldout_top + heldout.height + 40  # the line on which the bars stand
    page = Page(max(640, free.right + MARGIN), bars + 72)

    page.words(MARGIN, 46, _shorten(title or f"step {record.step:,}", page.width), 26)
    free.label(page, free_top, record.times, "Free run, from the same noise at every visit")
    heldout.label(page, heldout_top, record.times, "Held-out images, noised to t; one-shot guess")
    page.words(GUTTER - 16, bars + 20, "MSE", 14, FAINT, "rs")
    page.words(MARGIN, bars + 54, note, 14, FAINT)
    known = np.isfinite(record.one_shot_mse)
    for x, mse, fine in zip(free.lefts, record.one_shot_mse, known, strict=True):
        middle = x + free.wide / 2
        page.words(middle, bars + 20, _number(mse), 14, INK if fine else NOT_FINITE, "ms")

    canvas = page.pixels()
    free.paste(canvas, free_top)
    heldout.paste(canvas, heldout_top)
    largest = max(record.one_shot_mse[known], default=0) or 1
    for x, mse, fine in zip(free.lefts, record.one_shot_mse, known, strict=True):
        high = round(28 * mse / largest) if fine else 28
        color = ACCENT if fine else NOT_FINITE
        canvas[bars - high : bars + 1, x : x + free.wide] = color
    return png(canvas, watermark)


def denoising_gif(records: Sequence[DenoisingRecord], *, watermark: str | None = None) -> bytes:
    """GIF of structure emerging across training: the free run, one frame a visit, last one held.

    Visits whose times or image sizes differ from the last one's are left out.
    """
    last = records[-1]
    like_last = (last.times, last.free_x_t.shape)
    records = [r for r in records if (r.times, r.free_x_t.shape) == like_last]
    frames, paper, top = [], None, 128
    for record in evenly(records, frame_limit(last.free_x_t.shape)):
        block = _Block(record.free_x_t, record.free_x0_hat, _cell_size(last, 800))
        if paper is None:
            page = Page(max(460, block.right + MARGIN), top + block.height + MARGIN)
            block.label(page, top, last.times, "Free run, from the same noise at every visit")
            paper = page.pixels()
        canvas = paper.copy()
        canvas[:64] = write(paper[:64], (MARGIN, 46, f"step {record.step:,}", 26, INK, "ls"))
        block.paste(canvas, top, INK)
        _progress(canvas, record.step / max(1, last.step))
        frames.append(canvas)
    return gif(frames, min(700, max(120, 6000 // len(frames))), watermark)


def chain_gif(
    chain: Sequence[
        tuple[
            int,
            Float[np.ndarray, "n _ height width"],
            Float[np.ndarray, "n _ height width"],
        ]
    ],
    *,
    images: int = 16,
    columns: int | None = None,
    watermark: str | None = None,
) -> bytes:
    """GIF of one sampling run from (t, x_t, x0_hat), t from T to 0: x_t left, x0_hat right."""
    T, first, _ = chain[0]
    frames, paper, top = [], None, 92
    for t, x_t, x0_hat in evenly(chain, frame_limit(first[:images].shape)):
        left, right = (grid(enlarge(to_pixels(x[:images]), 72), columns) for x in (x_t, x0_hat))
        tall, wide = left.shape[:2]
        if paper is None:
            page = Page(max(300, 2 * wide + 3 * MARGIN), top + tall + MARGIN)
            page.formula(MARGIN + wide / 2, top - 12, "$x_t$", 20, ha="center")
            page.formula(2 * MARGIN + wide * 1.5, top - 12, r"$\hat{x}_0$", 20, ha="center")
            paper = page.pixels()
        canvas = paper.copy()
        canvas[:64] = write(paper[:64], (MARGIN, 44, f"t = {t:,}", 24, INK, "ls"))
        paste(canvas, left, MARGIN, top)
        paste(canvas, right, 2 * MARGIN + wide, top)
        _progress(canvas, 1 - t / max(1, T))
        frames.append(canvas)
    return gif(frames, min(200, max(80, 6000 // len(frames))), watermark)


class _Block:
    """Pairs of rows, one pair an image: x_t above, x0_hat below; columns are times."""

    def __init__(self, x_t: Columns, x0_hat: Columns, size: int) -> None:
        self.rows = [enlarge(to_pixels(x), size) for x in (x_t, x0_hat)]
        times, images, self.tall, self.wide, _ = self.rows[0].shape
        self.lefts = [GUTTER + i * (self.wide + GAP) for i in range(times)]
        self.right = self.lefts[-1] + self.wide
        pair = 2 * self.tall + GAP
        self.tops = [i * (pair + PAIR_GAP) for i in range(images)]
        self.height = self.tops[-1] + pair

    def label(self, page: Page, top: int, times: tuple[int, ...], head: str) -> None:
        """Heading, times and row labels; `top` is where the first row begins."""
        page.words(MARGIN, top - 38, head, 17)
        page.formula(GUTTER - 16, top - 10, "$t$", 17, FAINT, ha="right")
        for x, t in zip(self.lefts, times, strict=True):
            page.words(x + self.wide / 2, top - 10, str(t), 14, FAINT, "ms")
        for y in self.tops:
            for middle, name in (
                (self.tall / 2, "$x_t$"),
                (self.tall * 1.5 + GAP, r"$\hat{x}_0$"),
            ):
                page.formula(GUTTER - 16, top + y + middle, name, 20, ha="right", va="center")

    def paste(
        self, canvas: UInt8[np.ndarray, "tall wide 3"], top: int, accent: Color = ACCENT
    ) -> None:
        """The cells on grey, with a bar at the left of each row: strong beside x0_hat."""
        for image, y in enumerate(self.tops):
            for rows, color in zip(self.rows, (WHITE, accent), strict=True):
                across = slice(top + y, top + y + self.tall)
                canvas[across, GUTTER - GAP : self.right + GAP] = RULE
                canvas[across, GUTTER - 10 : GUTTER - GAP] = color
                for x, cell in zip(self.lefts, rows[:, image], strict=True):
                    paste(canvas, cell, x, top + y)
                y += self.tall + GAP


def _cell_size(record: DenoisingRecord, width: int) -> int:
    """Longer side of a cell, so that all columns come to about `width`."""
    return min(128, width // len(record.times) - GAP)


def _progress(canvas: UInt8[np.ndarray, "tall wide 3"], done: float) -> None:
    """A line along the top that fills up from the left."""
    canvas[:5] = RULE
    canvas[:5, : round(done * canvas.shape[1])] = INK


def _number(value: float) -> str:
    """At most six characters, for a number from 1e-9 to 1e9."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    if 1e-4 <= value < 100:
        return f"{value:.3f}" if value >= 0.01 else f"{value:.4f}"
    return f"{value:.0e}"


def _shorten(text: str, width: int) -> str:
    """`text` with its middle left out where it would not fit, at 15 pixels a letter."""
    fits = (width - 2 * MARGIN) // 15
    if len(text) <= fits:
        return text
    return f"{text[: fits // 3]} … {text[fits // 3 + 3 - fits :]}"
