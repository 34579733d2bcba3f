"""Figure of every sampler at several numbers of steps, all from the same noise."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ddpm_core._types import Denoiser
from ddpm_core.data.pixels import to_pixels
from ddpm_core.figures.canvas import FAINT, Page, enlarge, grid, paste, png
from ddpm_core.samplers.base import generate
from ddpm_core.samplers.names import SAMPLERS, SamplerName, build_sampler, can_start
from ddpm_core.samplers.timestep_spacing import TIMESTEP_SPACINGS, TimestepSpacing
from ddpm_core.schedules import Schedule

STEPS = (5, 10, 20, 50, 100)
LEFT, TOP, MARGIN, SPACE = (
    210,
    96,
    28,
    16,
)  # width of the row labels; space above the cells; edges; gaps
CELL = 72  # longer side of an image, in pixels, approximately

Cell = tuple[str, int, Float[Tensor, "n channels height width"]]


def comparison_cells(
    denoiser: Denoiser,
    schedule: Schedule,
    shape: tuple[int, int, int],
    timestep_spacing: TimestepSpacing = "trailing",
    *,
    n: int = 4,
    seed: int = 0,
    cond: Int[Tensor, " n"] | None = None,
    device: torch.device | str = "cpu",
) -> Iterator[Cell]:
    """Yield (row, steps, n images) of each cell; the last row is ancestral sampling in T steps.

    A sampler that cannot start at the schedule's last timestep has no row.
    """
    columns = [steps for steps in STEPS if steps <= schedule.T] or [schedule.T]
    rows: list[tuple[SamplerName, str, list[int]]] = [
        *((name, name, columns) for name in SAMPLERS),
        ("ancestral", "ancestral, all timesteps", [schedule.T]),
    ]
    for name, row, all_steps in rows:
        for steps in all_steps:
            times = TIMESTEP_SPACINGS[timestep_spacing](schedule, steps)
            if not can_start(name, schedule, times):
                break
            sampler = build_sampler(name, schedule, times)
            *_, last = generate(
                sampler, denoiser, shape, indices=range(n), seed=seed, cond=cond, device=device
            )
            yield row, steps, last.x_t


def comparison_grid(
    cells: Sequence[Cell], *, title: str = "", watermark: str | None = None
) -> bytes:
    """Draw the cells as a PNG: one row per sampler, one column per number of steps."""
    rows = list(dict.fromkeys(row for row, _, _ in cells))
    columns = list(dict.fromkeys(steps for row, steps, _ in cells if row != rows[-1]))
    blocks = [(row, steps, grid(enlarge(to_pixels(x), CELL))) for row, steps, x in cells]
    tall, wide = np.max([block.shape[:2] for _, _, block in blocks], axis=0)
    lefts = [LEFT + i * (wide + SPACE) for i in range(len(columns))]
    tops = [TOP + i * (tall + SPACE) for i in range(len(rows))]
    page = Page(int(lefts[-1] + wide + MARGIN), int(tops[-1] + tall + MARGIN))
    page.text(MARGIN, 40, "The same noise, by sampler and number of steps", 20)
    page.text(MARGIN, 62, title, 13, FAINT)
    for left, steps in zip(lefts, columns, strict=True):
        page.text(left + wide / 2, TOP - 12, f"{steps} steps", 14, FAINT, "ms")
    notes = {
        str(name): f"{each.nfe} NFE per step" for name, each in SAMPLERS.items() if each.nfe > 1
    }
    for top, row in zip(tops, rows, strict=True):
        page.text(MARGIN, top + tall / 2, row, 15)
        page.text(MARGIN, top + tall / 2 + 20, notes.get(row, ""), 13, FAINT)
    last_steps = cells[-1][1]
    page.text(MARGIN, tops[-1] + tall / 2 + 20, f"{last_steps:,} steps", 13, FAINT)
    canvas = page.pixels()
    for row, steps, block in blocks:
        column = columns.index(steps) if row != rows[-1] else 0
        paste(canvas, block, int(lefts[column]), int(tops[rows.index(row)]))
    return png(canvas, watermark)
