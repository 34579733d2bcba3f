"""Image grids and animations of a run, as PNG and GIF: samples, reconstructions, denoising."""

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
Columns = Float[np.ndarray, "timesteps images _ height width"]

GUTTER, MARGIN, PAIR_GAP = 76, 28, 14  # row labels; page edge; between the images' pairs of rows
SAMPLED_TITLE = "Sampling trajectories; every preview starts from the same noise"
HELDOUT_TITLE = "Held-out images noised to t; one-step prediction"
MAX_FRAMES = 60
MAX_FRAME_PIXELS = 5_000_000  # per animation, before enlarging: noise takes a byte each in a GIF


def evenly(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most `count` >= 2 evenly spaced items, including the first and the last."""
    if len(items) <= count:
        return list(items)
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, count)]


def frame_limit(shape: tuple[int, ...]) -> int:
    """Return the maximum number of frames that show two arrays of this shape, to bound the size."""
    frame = 2 * math.prod(shape[:-3]) * shape[-2] * shape[-1]
    return min(MAX_FRAMES, max(8, MAX_FRAME_PIXELS // frame))


def sample_grid(
    images: Float[np.ndarray, "n channels height width"] | Float[Tensor, "n channels height width"],
    columns: int | None = None,
    *,
    watermark: str | None = None,
) -> bytes:
    """Draw images in [-1, 1] as a PNG, in rows; by default nearly square."""
    return png(grid(enlarge(to_pixels(images), 72), columns), watermark)


def reconstruction_grid(
    images: Float[Tensor, "n channels height width"],
    decoded: Float[Tensor, "n channels height width"],
    *,
    watermark: str | None = None,
) -> bytes:
    """Draw pairs as a PNG: the image above, its reconstruction below."""
    pairs = np.concatenate([to_pixels(images), to_pixels(decoded)], axis=-3)
    return png(grid(enlarge(pairs, 144)), watermark)


def denoising_grid(
    record: DenoisingRecord,
    title: str | None = None,
    *,
    note: str = "",
    watermark: str | None = None,
) -> bytes:
    """Draw a PNG whose columns are the fixed timesteps from T to 0: x_t above, x0_hat below.

    Top: sampling trajectories from noise. Bottom: held-out images noised to t and their one-step
    predictions, with the mean squared error below each column. note: meaning of the colours.
    """
    size = _cell_size(record, 1280)
    sampled = _Block(record.sampled_x_t, record.sampled_x0_hat, size)
    heldout = _Block(record.heldout_x_t, record.heldout_x0_hat, size)
    sampled_top = 132
    heldout_top = sampled_top + sampled.height + 86
    bars = heldout_top + heldout.height + 40  # baseline of the bars
    page = Page(max(640, sampled.right + MARGIN), bars + 72)

    page.text(MARGIN, 46, _shorten(title or f"step {record.step:,}", page.width), 26)
    sampled.label(page, sampled_top, record.timesteps, SAMPLED_TITLE)
    heldout.label(page, heldout_top, record.timesteps, HELDOUT_TITLE)
    page.text(GUTTER - 16, bars + 20, "MSE", 14, FAINT, "rs")
    page.text(MARGIN, bars + 54, note, 14, FAINT)
    finite = np.isfinite(record.one_step_mse)
    for x, mse, is_finite in zip(sampled.lefts, record.one_step_mse, finite, strict=True):
        middle = x + sampled.wide / 2
        page.text(middle, bars + 20, _number(mse), 14, INK if is_finite else NOT_FINITE, "ms")

    canvas = page.pixels()
    sampled.paste(canvas, sampled_top)
    heldout.paste(canvas, heldout_top)
    largest = max(record.one_step_mse[finite], default=0) or 1
    for x, mse, is_finite in zip(sampled.lefts, record.one_step_mse, finite, strict=True):
        high = round(28 * mse / largest) if is_finite else 28
        color = ACCENT if is_finite else NOT_FINITE
        canvas[bars - high : bars + 1, x : x + sampled.wide] = color
    return png(canvas, watermark)


def denoising_gif(records: Sequence[DenoisingRecord], *, watermark: str | None = None) -> bytes:
    """Draw sampling trajectories across training as a GIF, one frame per preview.

    Previews whose timesteps or image sizes differ from the last one's are omitted.
    """
    last = records[-1]
    like_last = (last.timesteps, last.sampled_x_t.shape)
    records = [r for r in records if (r.timesteps, r.sampled_x_t.shape) == like_last]
    frames, background, top = [], None, 128
    for record in evenly(records, frame_limit(last.sampled_x_t.shape)):
        block = _Block(record.sampled_x_t, record.sampled_x0_hat, _cell_size(last, 800))
        if background is None:
            page = Page(max(460, block.right + MARGIN), top + block.height + MARGIN)
            block.label(page, top, last.timesteps, SAMPLED_TITLE)
            background = page.pixels()
        canvas = background.copy()
        canvas[:64] = write(background[:64], (MARGIN, 46, f"step {record.step:,}", 26, INK, "ls"))
        block.paste(canvas, top, INK)
        _progress(canvas, record.step / max(1, last.step))
        frames.append(canvas)
    return gif(frames, min(700, max(120, 6000 // len(frames))), watermark)


def trajectory_gif(
    trajectory: Sequence[
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
    """Draw a sampling trajectory of (t, x_t, x0_hat), T to 0, as a GIF: x_t left, x0_hat right."""
    T, first, _ = trajectory[0]
    frames, background, top = [], None, 92
    for t, x_t, x0_hat in evenly(trajectory, frame_limit(first[:images].shape)):
        left, right = (grid(enlarge(to_pixels(x[:images]), 72), columns) for x in (x_t, x0_hat))
        tall, wide = left.shape[:2]
        if background is None:
            page = Page(max(300, 2 * wide + 3 * MARGIN), top + tall + MARGIN)
            page.formula(MARGIN + wide / 2, top - 12, "$x_t$", 20, ha="center")
            page.formula(2 * MARGIN + wide * 1.5, top - 12, r"$\hat{x}_0$", 20, ha="center")
            background = page.pixels()
        canvas = background.copy()
        canvas[:64] = write(background[:64], (MARGIN, 44, f"t = {t:,}", 24, INK, "ls"))
        paste(canvas, left, MARGIN, top)
        paste(canvas, right, 2 * MARGIN + wide, top)
        _progress(canvas, 1 - t / max(1, T))
        frames.append(canvas)
    return gif(frames, min(200, max(80, 6000 // len(frames))), watermark)


class _Block:
    """Pairs of rows, one pair per image: x_t above, x0_hat below; columns are timesteps."""

    def __init__(self, x_t: Columns, x0_hat: Columns, size: int) -> None:
        self.rows = [enlarge(to_pixels(x), size) for x in (x_t, x0_hat)]
        timesteps, images, self.tall, self.wide, _ = self.rows[0].shape
        self.lefts = [GUTTER + i * (self.wide + GAP) for i in range(timesteps)]
        self.right = self.lefts[-1] + self.wide
        pair = 2 * self.tall + GAP
        self.tops = [i * (pair + PAIR_GAP) for i in range(images)]
        self.height = self.tops[-1] + pair

    def label(self, page: Page, top: int, timesteps: tuple[int, ...], title: str) -> None:
        """Add title, timesteps and row labels; `top` is the y of the first row."""
        page.text(MARGIN, top - 38, title, 17)
        page.formula(GUTTER - 16, top - 10, "$t$", 17, FAINT, ha="right")
        for x, t in zip(self.lefts, timesteps, strict=True):
            page.text(x + self.wide / 2, top - 10, str(t), 14, FAINT, "ms")
        for y in self.tops:
            for middle, name in (
                (self.tall / 2, "$x_t$"),
                (self.tall * 1.5 + GAP, r"$\hat{x}_0$"),
            ):
                page.formula(GUTTER - 16, top + y + middle, name, 20, ha="right", va="center")

    def paste(
        self, canvas: UInt8[np.ndarray, "tall wide 3"], top: int, accent: Color = ACCENT
    ) -> None:
        """Paste the cells on grey, with a bar left of each row; the bar of x0_hat is coloured."""
        for image, y in enumerate(self.tops):
            for rows, color in zip(self.rows, (WHITE, accent), strict=True):
                across = slice(top + y, top + y + self.tall)
                canvas[across, GUTTER - GAP : self.right + GAP] = RULE
                canvas[across, GUTTER - 10 : GUTTER - GAP] = color
                for x, cell in zip(self.lefts, rows[:, image], strict=True):
                    paste(canvas, cell, x, top + y)
                y += self.tall + GAP


def _cell_size(record: DenoisingRecord, width: int) -> int:
    """Return the longer side of a cell such that all columns are about `width` wide."""
    return min(128, width // len(record.timesteps) - GAP)


def _progress(canvas: UInt8[np.ndarray, "tall wide 3"], done: float) -> None:
    """Draw a progress bar along the top."""
    canvas[:5] = RULE
    canvas[:5, : round(done * canvas.shape[1])] = INK


def _number(value: float) -> str:
    """Format a number in 1e-9..1e9 with at most six characters."""
    if value == 0 or not np.isfinite(value):
        return f"{value:g}"
    if 1e-4 <= value < 100:
        return f"{value:.3f}" if value >= 0.01 else f"{value:.4f}"
    return f"{value:.0e}"


def _shorten(text: str, width: int) -> str:
    """Omit the middle of `text` if it does not fit, at 15 pixels per character."""
    fits = (width - 2 * MARGIN) // 15
    if len(text) <= fits:
        return text
    return f"{text[: fits // 3]} … {text[fits // 3 + 3 - fits :]}"
