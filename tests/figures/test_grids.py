"""Image grids, the denoising grid and animations show the numbers that they are drawn from."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from ddpm_core.data.pixels import NOT_FINITE
from ddpm_core.figures.canvas import ALARM, GAP, STRIP
from ddpm_core.figures.grids import (
    MAX_FRAMES,
    denoising_gif,
    denoising_grid,
    evenly,
    sample_grid,
    trajectory_gif,
)
from ddpm_core.figures.record import DenoisingRecord
from tests.figures.decoded_images import TIMESTEPS, decode, frames, make_record, with_values


def boxes(picture: NDArray[np.uint8]) -> dict[tuple[int, ...], tuple[int, int, int, int]]:
    """Map each colour that fills one solid rectangle to (left, top, width, height)."""
    code = picture.astype(np.int64) @ (65536, 256, 1)
    colors, label = np.unique(code, return_inverse=True)
    counts = np.bincount(label.ravel())
    found = {}
    for i, (y, x) in enumerate(find_objects(label.reshape(code.shape) + 1)):
        width, height = x.stop - x.start, y.stop - y.start
        if counts[i] == width * height:
            rgb = tuple(int(colors[i]) >> shift & 255 for shift in (16, 8, 0))
            found[rgb] = (x.start, y.start, width, height)
    return found


# --- sample grids ------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 1), (10, 3), (36, 6), (64, 8)])
def test_samples_fill_a_near_square_grid_row_by_row(n: int, columns: int) -> None:
    grey = np.arange(n) + 3  # none is the colour of the gaps
    images = np.ones((n, 1, 8, 8), np.float32) * (grey / 127.5 - 1).reshape(n, 1, 1, 1)
    picture = decode(sample_grid(images.astype(np.float32)))
    found = boxes(picture)
    cells = [found[(each,) * 3] for each in grey.tolist()]
    side = cells[0][2]
    assert side % 8 == 0, "the scale is an integer"
    assert side >= 6 * 8, "large enough to see"
    for i, box in enumerate(cells):
        row, column = divmod(i, columns)
        assert box == (GAP + column * (side + GAP), GAP + row * (side + GAP), side, side)


def test_watermark_is_above_the_unchanged_image() -> None:
    images, record = np.zeros((9, 1, 8, 8), np.float32), make_record()
    for plain, marked in (
        (sample_grid(images), sample_grid(images, watermark="UNVERIFIED")),
        (denoising_grid(record), denoising_grid(record, watermark="UNVERIFIED")),
    ):
        strip, rest = np.split(decode(marked), [STRIP])
        assert (rest == decode(plain)).all()
        assert (strip[0] == ALARM).all()
        assert (strip == 255).all(-1).any(), "text on the strip"


# --- the denoising grid ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("timesteps", "event", "n"),
    [
        (TIMESTEPS, (1, 8, 8), 3),
        ((0,), (1, 9, 13), 2),
        (tuple(range(19, -1, -1)), (3, 5, 4), 1),
        ((100, 0), (3, 64, 64), 1),
    ],
)
def test_columns_run_from_T_to_0_with_x_t_above_x0_hat(
    timesteps: tuple[int, ...], event: tuple[int, ...], n: int
) -> None:
    names = ("sampled_x_t", "sampled_x0_hat", "heldout_x_t", "heldout_x0_hat")
    shape = (len(names), len(timesteps), n)
    grey = 31 + np.arange(np.prod(shape)).reshape(shape)  # one grey level per cell
    images = np.broadcast_to(grey[..., None, None, None] / 127.5 - 1, (*shape, *event))
    record = make_record(timesteps=timesteps, event=event, n=n)
    many = dict(zip(names, images.astype(np.float32), strict=True))
    black = {name: np.full_like(many[name], -1) for name in names}
    picture, blank = (
        decode(denoising_grid(with_values(record, **each))).copy() for each in (many, black)
    )
    picture[(picture == blank).all(-1)] = 0  # only the cells remain
    found = boxes(picture)

    scale = found[(31,) * 3][2] // event[2]
    tops = []
    for block, k, which in itertools.product((0, 2), range(n), (0, 1)):
        row = [found[(each,) * 3] for each in grey[block + which, :, k].tolist()]
        lefts, ys, widths, heights = zip(*row, strict=True)
        assert set(widths) == {scale * event[2]}
        assert set(heights) == {scale * event[1]}
        assert list(lefts) == sorted(set(lefts)), "the first timestep is leftmost"
        assert lefts == tuple(found[(each,) * 3][0] for each in grey[0, :, 0].tolist())
        assert len(set(ys)) == 1
        tops.append(ys[0])
    assert tops == sorted(set(tops)), "x_t above x0_hat, image by image, trajectories first"


def test_height_of_the_bars_is_proportional_to_the_error() -> None:
    record = with_values(make_record(), one_step_mse=np.array([0.8, 0.4, 0.2, 0.1, 0.0]))
    picture = decode(denoising_grid(record))
    blue = (picture[-150:] == (37, 99, 235)).all(-1)
    blue[: np.nonzero(~blue.any(1))[0][0] + 1] = False  # the row bar next to the last row of cells
    runs = np.flatnonzero(np.diff(blue.any(0).astype(int)) == 1) + 1
    heights = blue[:, runs].sum(0)
    assert heights.tolist() == [29, 15, 8, 5, 1]


def test_note_is_at_the_bottom() -> None:
    plain, noted = (decode(denoising_grid(make_record(), note=note)) for note in ("", "a note"))
    differs = (plain != noted).any((1, 2))
    assert differs[-30:].any()
    assert not differs[:-30].any()


def test_nan_is_magenta_in_its_cell_and_bar() -> None:
    record = make_record()
    hat, mse = record.sampled_x0_hat.copy(), record.one_step_mse.copy()
    clean = decode(denoising_grid(record))
    hat[1, 2, 0, 3, 4] = np.nan
    mse[3] = np.nan
    picture = decode(denoising_grid(with_values(record, sampled_x0_hat=hat, one_step_mse=mse)))
    assert not (clean == NOT_FINITE).all(-1).any()
    magenta = (picture == NOT_FINITE).all(-1)
    cells, below = magenta[: len(magenta) // 2], magenta[len(magenta) // 2 :]
    assert cells.sum() == 16**2, "one pixel at scale 16"
    assert below.sum() > 1000, "the bar of a non-finite error"


def test_title_is_not_parsed_as_a_formula_and_is_shortened() -> None:
    record = make_record(timesteps=(7, 0))
    short, long = (decode(denoising_grid(record, text)) for text in ("$x", r"$\frac{$ é 数 " * 40))
    assert short.shape == long.shape
    assert (long[:60, -8:] == 255).all()


# --- animations --------------------------------------------------------------------------------


def test_animation_has_one_frame_per_preview_and_holds_the_last() -> None:
    records = [make_record(step) for step in (0, 500, 1000, 1500)]
    seen = frames(denoising_gif(records))
    assert len(seen) == 4
    assert [milliseconds for _, milliseconds in seen] == [700, 700, 700, 2500]
    alone, _ = frames(denoising_gif(records[-1:]))[0]
    assert (seen[-1][0] == alone).all(), "the last frame is the last preview"


def test_long_run_is_subsampled_evenly_with_both_ends() -> None:
    records = [make_record(step, timesteps=(9, 0), event=(1, 4, 4), n=1) for step in range(90)]
    assert len(frames(denoising_gif(records))) == MAX_FRAMES
    shown = evenly(records, MAX_FRAMES)
    assert (shown[0], shown[-1]) == (records[0], records[-1])
    assert max(b.step - a.step for a, b in itertools.pairwise(shown)) == 2


def test_previews_of_another_shape_are_omitted_from_the_animation() -> None:
    records = [make_record(0, n=2), make_record(500), make_record(1000, timesteps=(9, 4, 3, 2, 0))]
    assert len(frames(denoising_gif([records[1], *records]))) == 1
    assert len(frames(denoising_gif([*records[:2], make_record(1500)]))) == 2


def test_trajectory_shows_x_t_left_and_x0_hat_right_from_T_to_0() -> None:
    def flat(grey: int) -> NDArray[np.float32]:
        return np.full((2, 1, 8, 8), grey / 127.5 - 1, np.float32)

    # Grey levels that are distinct among 64, and that neither text nor gaps have.
    trajectory = [(t, flat(60 + 4 * i), flat(140 + 4 * i)) for i, t in enumerate((2, 1, 0))]
    seen = frames(trajectory_gif(trajectory))
    assert len(seen) == 3
    for i, (picture, _) in enumerate(seen):
        gray = picture[..., 0]
        x_t = np.argwhere(gray == (60 + 4 * i) // 4 * 255 // 63)
        x0_hat = np.argwhere(gray == (140 + 4 * i) // 4 * 255 // 63)
        assert min(len(x_t), len(x0_hat)) >= 2 * 72**2
        assert np.median(x_t[:, 1]) < np.median(x0_hat[:, 1])


def test_each_frame_shows_its_preview_with_x_t_above_x0_hat() -> None:
    def preview(i: int) -> DenoisingRecord:
        record = make_record(500 * i, timesteps=(9, 4, 0), n=1)
        # distinct among the 64 grey levels of the GIF
        grey = 60 + 40 * i + 4 * np.arange(6).reshape(2, 3, 1, 1, 1, 1)
        x_t, x0_hat = np.broadcast_to(grey / 127.5 - 1, (2, 3, 1, 1, 8, 8)).astype(np.float32)
        return with_values(record, sampled_x_t=x_t, sampled_x0_hat=x0_hat)

    for i, (picture, _) in enumerate(frames(denoising_gif([preview(0), preview(1)]))):
        cells = picture[128:, 76:, 0]  # no text
        seen = [np.argwhere(cells == (60 + 40 * i + 4 * k) // 4 * 255 // 63) for k in range(6)]
        assert all(len(cell) == 128**2 for cell in seen)
        order = sorted(range(6), key=lambda k: tuple(seen[k][0]))
        assert order == list(range(6)), "from T to 0, x0_hat below"


def test_nan_in_an_animation_is_magenta() -> None:
    hat = make_record().sampled_x0_hat.copy()
    hat[0, 0] = np.nan
    picture, _ = frames(denoising_gif([with_values(make_record(), sampled_x0_hat=hat)]))[0]
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    assert ((red > 240) & (green < 15) & (blue > 240)).sum() >= 64
