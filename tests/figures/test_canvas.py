"""The canvas keeps pixels exact, and encodes them as PNG and GIF with text around them."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from ddpm_core.figures.canvas import (
    ALARM,
    GAP,
    INK,
    RULE,
    STRIP,
    WHITE,
    Page,
    blank,
    enlarge,
    gif,
    grid,
    paste,
    png,
    write,
)
from tests.figures.decoded_images import decode, frames

RNG = np.random.default_rng(0)


def colours(*shape: int) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, (*shape, 3), np.uint8)


def greys(*shape: int) -> NDArray[np.uint8]:
    return RNG.integers(0, 256, (*shape, 1), np.uint8).repeat(3, -1)


@pytest.mark.parametrize(
    ("height", "width", "size", "scale"),
    [(8, 8, 72, 9), (3, 5, 20, 4), (5, 3, 20, 4), (7, 7, 10, 1), (7, 7, 11, 2), (90, 9, 20, 1)],
)
def test_enlarging_repeats_each_pixel_an_integer_number_of_times(height, width, size, scale):
    """The scale brings the longer side closest to the size, and never shrinks."""
    pixels = colours(2, height, width)
    large = enlarge(pixels, size)
    assert large.shape == (2, height * scale, width * scale, 3)
    for i in range(scale):
        for j in range(scale):
            assert np.array_equal(large[:, i::scale, j::scale], pixels)


@pytest.mark.parametrize(("columns", "want"), [(None, 2), (3, 3), (1, 1)])
def test_grid_has_its_cells_row_by_row_and_gaps_around_them(columns, want):
    """Cells twice as wide as high: two columns of three are nearly square."""
    cells = colours(5, 4, 8)
    picture = grid(cells, columns)
    rows = -(-5 // want)
    assert picture.shape == (GAP + rows * (4 + GAP), GAP + want * (8 + GAP), 3)
    for i, cell in enumerate(cells):
        top, left = GAP + i // want * (4 + GAP), GAP + i % want * (8 + GAP)
        assert np.array_equal(picture[top : top + 4, left : left + 8], cell)
        picture[top : top + 4, left : left + 8] = RULE
    assert (picture == RULE).all()


def test_paste_changes_only_the_cell():
    canvas, cell = blank(6, 5, WHITE), colours(2, 3)
    paste(canvas, cell, 1, 2)
    assert canvas.shape == (5, 6, 3)
    assert np.array_equal(canvas[2:4, 1:4], cell)
    canvas[2:4, 1:4] = WHITE
    assert (canvas == WHITE).all()


def test_text_is_written_on_a_copy_at_its_anchor():
    canvas = blank(80, 40, WHITE)
    written = write(canvas, (40, 20, "T", 16, INK, "mm"), (0, 0, "T", 8, ALARM, "lt"))
    assert (canvas == WHITE).all()
    dark = np.argwhere(written[..., 0] < 100)
    red = np.argwhere((written[..., 0] > 150) & (written[..., 1] < 100))
    assert np.abs((dark.min(0) + dark.max(0)) / 2 - (20, 40)).max() <= 2
    assert np.ptp(dark[:, 0]) in (10, 11, 12), "capitals are 0.73 times as high as the font"
    assert red.max() <= 8, "the second text is in the corner, at half the size"


def test_page_has_text_and_formulas_at_their_places():
    page = Page(192, 64)
    page.text(8, 20, "abc", 12)
    page.formula(120, 40, r"$\bar\alpha_t$", 16, ALARM)
    picture = page.pixels()
    assert picture.shape == (64, 192, 3)
    dark = np.argwhere(picture[..., 0] < 60)
    red = np.argwhere((picture[..., 0] > 150) & (picture[..., 1] < 100))
    assert 8 <= dark[:, 1].min() <= 10, "text begins at its x"
    assert dark[:, 0].min() >= 8
    assert dark[:, 0].max() <= 21, "text ends at its baseline"
    assert 120 <= red[:, 1].min() <= 123
    assert 40 <= red[:, 0].max() <= 42


def test_pyplot_is_not_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it raises
    page = Page(64, 64)
    page.formula(8, 40, "$x$", 16)
    assert (page.pixels() != 255).any()


def test_png_is_lossless():
    picture = colours(20, 30)
    assert np.array_equal(decode(png(picture)), picture)


@pytest.mark.parametrize("width", [16, 400])
def test_watermark_is_on_a_strip_above_the_unchanged_picture(width):
    picture = colours(5, width)
    strip, below = np.split(decode(png(picture, "UNVERIFIED")), [STRIP])
    assert np.array_equal(below, picture)
    assert (strip[0] == ALARM).all()
    assert (strip != ALARM).any(), "text"


def test_grey_animation_has_64_grey_levels_and_remains_grey():
    pictures = [greys(6, 9) for _ in range(3)]
    seen = frames(gif(pictures, 80))
    assert [milliseconds for _, milliseconds in seen] == [80, 80, 2500]
    for picture, (shown, _) in zip(pictures, seen, strict=True):
        assert np.array_equal(shown, picture.astype(int) // 4 * 255 // 63)


def test_colour_animation_has_a_palette_per_frame():
    """256 colours a frame; two frames of flat colours are shown as they are."""
    pictures = [np.full((6, 9, 3), colour, np.uint8) for colour in ((200, 30, 60), (20, 90, 250))]
    for picture, (shown, _) in zip(pictures, frames(gif(pictures, 80)), strict=True):
        assert np.abs(shown.astype(int) - picture).max() <= 16


def test_animation_repeats_forever_and_has_the_watermark_on_every_frame():
    content = gif([greys(6, 40) for _ in range(2)], 80, "UNVERIFIED")
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in content, "0 repetitions: without end"
    for shown, _ in frames(content):
        assert shown.shape == (6 + STRIP, 40, 3)
        assert np.abs(shown[0].astype(int) - ALARM).max() <= 16


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nowhere"])
def test_backend_of_a_notebook_changes_no_figure(backend):
    """A backend that is not installed is not loaded, and stays in the environment."""
    program = (
        "import os\n"
        "from ddpm_core.figures.canvas import Page\n"
        "Page(40, 20).text(1, 12, 'x', 10)\n"
        "assert 'MPLBACKEND' in os.environ"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MPLBACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
