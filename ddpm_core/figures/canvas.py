"""Canvas for the images of a run: exact pixels with text around them, and PNG and GIF encoding.

A cell shows its image at an integer scale by nearest neighbour: [-1, 1] becomes 0..255, values
outside are clipped, non-finite pixels are magenta. matplotlib typesets only formulas, without
pyplot, so no display and no global state is touched.
"""

import functools
import io
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

if TYPE_CHECKING:
    from PIL import ImageFont

Color = tuple[int, int, int]

WHITE, INK, FAINT, RULE = (
    (255,) * 3,
    (24,) * 3,
    (112,) * 3,
    (204,) * 3,
)  # all grey: a GIF of grey images stays grey
ACCENT, ALARM = (37, 99, 235), (185, 28, 28)
GAP = 4
DPI = 64  # a power of two, so width / DPI * DPI == width exactly
STRIP = 28  # height of the watermark


@functools.cache
def load_matplotlib() -> None:
    """Import matplotlib even if MPLBACKEND names a backend that is not installed here.

    A notebook sets it for the programs that it starts. Figures are drawn without a backend.
    """
    named = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib
    finally:
        if named is not None:
            os.environ["MPLBACKEND"] = named
    if named is not None:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = named


def enlarge(
    pixels: UInt8[np.ndarray, "*leading height width 3"], size: int
) -> UInt8[np.ndarray, "*leading tall wide 3"]:
    """Enlarge by the integer factor that brings the longer side closest to `size`."""
    scale = max(1, round(size / max(pixels.shape[-3:-1])))
    return pixels.repeat(scale, -3).repeat(scale, -2)


def grid(
    cells: UInt8[np.ndarray, "n height width 3"], columns: int | None = None
) -> UInt8[np.ndarray, "tall wide 3"]:
    """Arrange cells in rows with thin gaps; by default the grid is nearly square."""
    n, height, width, _ = cells.shape
    columns = columns or min(n, max(1, round((n * height / width) ** 0.5)))
    rows = -(-n // columns)
    canvas = blank(GAP + columns * (width + GAP), GAP + rows * (height + GAP), RULE)
    for i, cell in enumerate(cells):
        row, column = divmod(i, columns)
        paste(canvas, cell, GAP + column * (width + GAP), GAP + row * (height + GAP))
    return canvas


def blank(width: int, height: int, color: Color) -> UInt8[np.ndarray, "tall wide 3"]:
    """Return a canvas of one colour."""
    return np.full((height, width, 3), color, np.uint8)


def paste(
    canvas: UInt8[np.ndarray, "tall wide 3"],
    cell: UInt8[np.ndarray, "height width 3"],
    x: int,
    y: int,
) -> None:
    """Copy `cell` onto `canvas` with its top left corner at (x, y)."""
    canvas[y : y + cell.shape[0], x : x + cell.shape[1]] = cell


class Page:
    """White page for text: plain text by Pillow, formulas by matplotlib."""

    def __init__(self, width: int, height: int) -> None:
        load_matplotlib()
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        self.width, self.height = width, height
        self._formulas = FigureCanvasAgg(Figure(figsize=(width / DPI, height / DPI), dpi=DPI))
        self._text: list[tuple[float, float, str, int, Color, str]] = []

    def text(
        self, x: float, y: float, text: str, size: int, color: Color = INK, anchor: str = "ls"
    ) -> None:
        """Add plain text, `size` pixels high; `anchor` as in Pillow ("ls": left, baseline)."""
        self._text.append((x, y, text, size, color, anchor))

    def formula(
        self, x: float, y: float, formula: str, size: int, color: Color = INK, **style: Any
    ) -> None:
        """Add a formula in $...$, `size` pixels high; `style` goes to matplotlib."""
        self._formulas.figure.text(
            x / self.width,
            1 - y / self.height,
            formula,
            fontsize=size * 72 / DPI,
            color=[channel / 255 for channel in color],
            math_fontfamily="cm",
            **style,
        )

    def pixels(self) -> UInt8[np.ndarray, "tall wide 3"]:
        """Return the page as pixels."""
        self._formulas.draw()
        canvas = np.asarray(self._formulas.buffer_rgba())[..., :3]
        return write(canvas, *self._text)


def write(
    canvas: UInt8[np.ndarray, "tall wide 3"], *texts: tuple[float, float, str, int, Color, str]
) -> UInt8[np.ndarray, "tall wide 3"]:
    """Return a copy of `canvas` with texts: (x, y, text, size, color, anchor as in Pillow)."""
    from PIL import Image, ImageDraw

    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    for x, y, text, size, color, anchor in texts:
        draw.text((x, y), text, fill=color, font=_font(size), anchor=anchor)
    return np.array(image)


@functools.cache
def _font(size: int) -> "ImageFont.FreeTypeFont":
    """Load DejaVu Sans, which is bundled with matplotlib."""
    load_matplotlib()
    import matplotlib
    from PIL import ImageFont

    return ImageFont.truetype(f"{matplotlib.get_data_path()}/fonts/ttf/DejaVuSans.ttf", size)


def png(canvas: UInt8[np.ndarray, "tall wide 3"], watermark: str | None = None) -> bytes:
    """Encode as PNG; a watermark is on a red strip above the image."""
    from PIL import Image

    content = io.BytesIO()
    Image.fromarray(_with_watermark(canvas, watermark)).save(content, "png", compress_level=4)
    return content.getvalue()


def _with_watermark(
    canvas: UInt8[np.ndarray, "tall wide 3"], watermark: str | None
) -> UInt8[np.ndarray, "taller wide 3"]:
    if watermark is None:
        return canvas
    strip = blank(canvas.shape[1], STRIP, ALARM)
    size = max(7, min(16, round(canvas.shape[1] / (0.75 * len(watermark) + 1))))
    text = (canvas.shape[1] / 2, STRIP / 2, watermark, size, WHITE, "mm")
    return np.concatenate([write(strip, text), canvas])


def gif(
    frames: Sequence[UInt8[np.ndarray, "tall wide 3"]],
    milliseconds: int,
    watermark: str | None = None,
) -> bytes:
    """Encode as a looping GIF whose last frame lasts 2.5 seconds; a watermark is on every frame.

    Grey frames are reduced to 64 grey levels, which a GIF compresses well. Each colour frame has
    its own palette of 256 colours.
    """
    from PIL import Image

    frames = [_with_watermark(frame, watermark) for frame in frames]
    if all((frame == frame[..., :1]).all() for frame in frames):
        images = [Image.fromarray(frame[..., 0] >> 2) for frame in frames]
        for image in images:
            image.putpalette(bytes(grey * 255 // 63 for grey in range(64) for _ in range(3)))
    else:
        octree, no_dither = Image.Quantize.FASTOCTREE, Image.Dither.NONE
        images = [
            Image.fromarray(frame).quantize(256, octree, dither=no_dither) for frame in frames
        ]
    content = io.BytesIO()
    durations = [milliseconds] * (len(images) - 1) + [2500]
    images[0].save(
        content, "gif", save_all=True, append_images=images[1:], duration=durations, loop=0
    )
    return content.getvalue()
