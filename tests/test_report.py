"""The pictures and the page of a run say what the numbers say."""

import io
import itertools
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import find_objects

from ddpm_core.training.canvas import ALARM, GAP, NOT_FINITE, STRIP
from ddpm_core.training.curves import loss_figure
from ddpm_core.training.pictures import (
    MAX_FRAMES,
    DenoisingRecord,
    chain_gif,
    denoising_gif,
    denoising_sheet,
    evenly,
    sample_grid,
)
from ddpm_core.training.report import write_report

TIMES = (1000, 700, 300, 50, 0)


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
    step: int = 500, times: tuple[int, ...] = TIMES, event: tuple[int, ...] = (1, 8, 8), n: int = 3
) -> DenoisingRecord:
    draw = np.random.default_rng(step).standard_normal
    many = [draw((len(times), n, *event)).astype(np.float32) for _ in range(4)]
    heldout = draw((n, *event)).astype(np.float32)
    return DenoisingRecord(
        step, times, many[0], many[1], heldout, many[2], many[3], draw(len(times)) ** 2
    )


def with_values(record: DenoisingRecord, **arrays: NDArray[np.generic]) -> DenoisingRecord:
    return DenoisingRecord(**(vars(record) | arrays))


def boxes(picture: NDArray[np.uint8]) -> dict[tuple[int, ...], tuple[int, int, int, int]]:
    """Colour to left, top, width and height, for each colour that fills one solid rectangle."""
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


def test_every_grey_level_becomes_itself() -> None:
    levels = np.arange(256)
    images = (levels / 127.5 - 1).astype(np.float32).reshape(1, 1, 16, 16)
    cell = decode(sample_grid(images))[GAP:-GAP, GAP:-GAP]
    scale = len(cell) // 16
    want = levels.reshape(16, 16).repeat(scale, 0).repeat(scale, 1)
    assert (cell == want[..., None]).all()


def test_values_outside_the_range_are_clipped_and_those_not_finite_are_magenta() -> None:
    values = np.array([[-9, -1, 0, 1, 9, np.nan, np.inf, -np.inf]], np.float32)
    row = decode(sample_grid(values.reshape(1, 1, 1, 8)))[GAP, GAP:-GAP]
    scale = len(row) // 8
    want = [(0,) * 3, (0,) * 3, (128,) * 3, (255,) * 3, (255,) * 3] + [NOT_FINITE] * 3
    assert (row.reshape(8, scale, 3) == np.array(want)[:, None]).all()


def test_a_colour_keeps_its_channels_in_order() -> None:
    image = np.array([1, -1, 0], np.float32).reshape(1, 3, 1, 1)
    assert decode(sample_grid(image))[GAP, GAP].tolist() == [255, 0, 128]


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (2, 1), (10, 3), (36, 6), (64, 8)])
def test_samples_stand_row_by_row_in_a_near_square_of_enlarged_cells(n: int, columns: int) -> None:
    levels = np.arange(n) + 3  # none is the colour of the gaps
    images = np.ones((n, 1, 8, 8), np.float32) * (levels / 127.5 - 1).reshape(n, 1, 1, 1)
    picture = decode(sample_grid(images.astype(np.float32)))
    found = boxes(picture)
    cells = [found[(level,) * 3] for level in levels.tolist()]
    side = cells[0][2]
    assert side % 8 == 0, "a pixel is a whole number of pixels wide"
    assert side >= 6 * 8, "a person can see it"
    for i, box in enumerate(cells):
        row, column = divmod(i, columns)
        assert box == (GAP + column * (side + GAP), GAP + row * (side + GAP), side, side)


def test_a_tensor_gives_the_picture_of_its_array() -> None:
    images = torch.linspace(-1, 1, 4 * 3 * 5 * 7, requires_grad=True).reshape(4, 3, 5, 7)
    assert sample_grid(images) == sample_grid(images.detach().numpy())


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("shape", [(4, 2, 8, 8), (8, 8), (0, 1, 8, 8)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=re.escape(f"images have shape {shape}")):
        sample_grid(np.zeros(shape, np.float32))


def test_a_watermark_stands_above_an_unchanged_picture() -> None:
    images, record = np.zeros((9, 1, 8, 8), np.float32), make_record()
    for plain, marked in (
        (sample_grid(images), sample_grid(images, watermark="UNVERIFIED")),
        (denoising_sheet(record), denoising_sheet(record, watermark="UNVERIFIED")),
    ):
        strip, rest = np.split(decode(marked), [STRIP])
        assert (rest == decode(plain)).all()
        assert (strip[0] == ALARM).all()
        assert (strip == 255).all(-1).any(), "words stand on the strip"


# --- the denoising sheet -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "event", "n"),
    [
        (TIMES, (1, 8, 8), 3),
        ((0,), (1, 9, 13), 2),
        (tuple(range(19, -1, -1)), (3, 5, 4), 1),
        ((100, 0), (3, 64, 64), 1),
    ],
)
def test_columns_run_from_T_to_0_and_each_x_t_stands_over_its_x0_hat(
    times: tuple[int, ...], event: tuple[int, ...], n: int
) -> None:
    names = ("free_x_t", "free_x0_hat", "heldout_x_t", "heldout_x0_hat")
    shape = (len(names), len(times), n)
    levels = 31 + np.arange(np.prod(shape)).reshape(shape)  # one level a cell
    images = np.broadcast_to(levels[..., None, None, None] / 127.5 - 1, (*shape, *event))
    record = make_record(times=times, event=event, n=n)
    many = dict(zip(names, images.astype(np.float32), strict=True))
    black = {name: np.full_like(many[name], -1) for name in names}
    picture, blank = (
        decode(denoising_sheet(with_values(record, **each))).copy() for each in (many, black)
    )
    picture[(picture == blank).all(-1)] = 0  # only the cells are left
    found = boxes(picture)

    scale = found[(31,) * 3][2] // event[2]
    tops = []
    for block, k, which in itertools.product((0, 2), range(n), (0, 1)):
        row = [found[(level,) * 3] for level in levels[block + which, :, k].tolist()]
        lefts, ys, widths, heights = zip(*row, strict=True)
        assert set(widths) == {scale * event[2]}
        assert set(heights) == {scale * event[1]}
        assert list(lefts) == sorted(set(lefts)), "the first time stands leftmost"
        assert lefts == tuple(found[(level,) * 3][0] for level in levels[0, :, 0].tolist())
        assert len(set(ys)) == 1
        tops.append(ys[0])
    assert tops == sorted(set(tops)), "x_t over x0_hat, image after image, free run first"


def test_bars_under_the_columns_are_as_high_as_the_errors() -> None:
    record = with_values(make_record(), one_shot_mse=np.array([0.8, 0.4, 0.2, 0.1, 0.0]))
    picture = decode(denoising_sheet(record))
    blue = (picture[-150:] == (37, 99, 235)).all(-1)
    blue[: np.nonzero(~blue.any(1))[0][0] + 1] = False  # the mark beside the last row of cells
    runs = np.flatnonzero(np.diff(blue.any(0).astype(int)) == 1) + 1
    heights = blue[:, runs].sum(0)
    assert heights.tolist() == [29, 15, 8, 5, 1]


def test_a_nan_shows_in_magenta_where_it_is() -> None:
    record = make_record()
    hat, mse = record.free_x0_hat.copy(), record.one_shot_mse.copy()
    clean = decode(denoising_sheet(record))
    hat[1, 2, 0, 3, 4] = np.nan
    mse[3] = np.nan
    picture = decode(denoising_sheet(with_values(record, free_x0_hat=hat, one_shot_mse=mse)))
    assert not (clean == NOT_FINITE).all(-1).any()
    magenta = (picture == NOT_FINITE).all(-1)
    cells, below = magenta[: len(magenta) // 2], magenta[len(magenta) // 2 :]
    assert cells.sum() == 16**2, "one pixel at scale 16"
    assert below.sum() > 1000, "the bar of an error that is not finite"


def test_a_title_is_never_read_as_a_formula_and_always_fits() -> None:
    record = make_record(times=(7, 0))
    short, long = (decode(denoising_sheet(record, text)) for text in ("$x", r"$\frac{$ é 数 " * 40))
    assert short.shape == long.shape
    assert (long[:60, -8:] == 255).all()


# --- records -----------------------------------------------------------------------------------


@pytest.mark.parametrize("event", [(1, 8, 8), (3, 5, 4)])
def test_a_record_comes_back_bit_for_bit(tmp_path: Path, event: tuple[int, ...]) -> None:
    record = make_record(event=event)
    record.save(tmp_path / "new" / "a.npz")
    record.save(tmp_path / "b.npz")
    back = DenoisingRecord.load(tmp_path / "new" / "a.npz")
    for name, value in vars(record).items():
        got = vars(back)[name]
        assert type(got) is type(value)
        assert np.array_equal(got, value)
        assert np.asarray(got).dtype == np.asarray(value).dtype
    assert (tmp_path / "new" / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_a_record_that_holds_a_pickle_is_not_loaded(tmp_path: Path) -> None:
    arrays = vars(make_record()) | {"free_x_t": np.array([{}], object)}
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ValueError, match="allow_pickle"):
        DenoisingRecord.load(tmp_path / "a.npz")


@pytest.mark.usefixtures("unchecked")
def test_a_record_out_of_order_or_of_unequal_lengths_is_refused() -> None:
    for times in ((0, 50, 300, 700, 1000), (1000, 700, 700, 50, 0), ()):
        with pytest.raises(ValueError, match=re.escape(f"times = {times} must decrease")):
            with_values(make_record(), times=times)
    with pytest.raises(ValueError, match="one_shot_mse has 4 entries"):
        with_values(make_record(), one_shot_mse=np.zeros(4))


# --- animations --------------------------------------------------------------------------------


def test_the_animation_has_one_frame_a_visit_and_holds_the_last() -> None:
    records = [make_record(step) for step in (0, 500, 1000, 1500)]
    seen = frames(denoising_gif(records))
    assert len(seen) == 4
    assert [milliseconds for _, milliseconds in seen] == [700, 700, 700, 2500]
    alone, _ = frames(denoising_gif(records[-1:]))[0]
    assert (seen[-1][0] == alone).all(), "the last frame is the last visit"


def test_a_long_run_is_thinned_evenly_between_its_first_and_last_visit() -> None:
    records = [make_record(step, times=(9, 0), event=(1, 4, 4), n=1) for step in range(90)]
    assert len(frames(denoising_gif(records))) == MAX_FRAMES
    kept = evenly(records, MAX_FRAMES)
    assert (kept[0], kept[-1]) == (records[0], records[-1])
    assert max(b.step - a.step for a, b in itertools.pairwise(kept)) == 2


def test_visits_of_another_shape_are_left_out_of_the_animation() -> None:
    records = [make_record(0, n=2), make_record(500), make_record(1000, times=(9, 4, 3, 2, 0))]
    assert len(frames(denoising_gif([records[1], *records]))) == 1
    assert len(frames(denoising_gif([*records[:2], make_record(1500)]))) == 2


def test_the_chain_shows_x_t_on_the_left_and_x0_hat_on_the_right_from_T_to_0() -> None:
    def flat(level: int) -> NDArray[np.float32]:
        return np.full((2, 1, 8, 8), level / 127.5 - 1, np.float32)

    # Levels that 64 greys keep apart, and that neither the words nor the gaps have.
    chain = [(t, flat(60 + 4 * i), flat(140 + 4 * i)) for i, t in enumerate((2, 1, 0))]
    seen = frames(chain_gif(chain))
    assert len(seen) == 3
    for i, (picture, _) in enumerate(seen):
        gray = picture[..., 0]
        x_t = np.argwhere(gray == (60 + 4 * i) // 4 * 255 // 63)
        x0_hat = np.argwhere(gray == (140 + 4 * i) // 4 * 255 // 63)
        assert min(len(x_t), len(x0_hat)) >= 2 * 72**2
        assert np.median(x_t[:, 1]) < np.median(x0_hat[:, 1])


def test_a_nan_in_an_animation_is_magenta() -> None:
    hat = make_record().free_x0_hat.copy()
    hat[0, 0] = np.nan
    picture, _ = frames(denoising_gif([with_values(make_record(), free_x0_hat=hat)]))[0]
    red, green, blue = np.moveaxis(picture.astype(int), -1, 0)
    assert ((red > 240) & (green < 15) & (blue > 240)).sum() >= 64


# --- losses ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{"step": s, "loss": 0.0} for s in range(3)],
        [{"step": s, "loss": None if s % 3 else 1.0} for s in range(30)],
        [{"step": 0, "validation_loss": 1.0, "validation_loss_by_decile": [0.1] * 9 + [None]}],
    ],
)
def test_losses_are_drawn_whatever_is_missing(rows: list[dict[str, object]]) -> None:
    assert decode(loss_figure(rows)).shape == (500, 1400, 3)


def test_each_loss_has_its_own_line() -> None:
    def colors(rows: list[dict[str, object]]) -> set[int]:
        return set(np.unique(decode(loss_figure(rows)).astype(np.int64) @ (65536, 256, 1)).tolist())

    train: list[dict[str, object]] = [{"step": s, "loss": 1 / (s + 1)} for s in range(40)]
    heldout = [
        {"step": s, "validation_loss": 0.5, "validation_loss_by_decile": [1 / (s + 1)] * 10}
        for s in range(5)
    ]
    alone, all_of_them = colors(train), colors([*train, *heldout])
    assert 0x2563EB in alone
    assert 0xC2410C not in alone
    assert {0x2563EB, 0xC2410C, 0xF3B58A, 0xDD6B20, 0x7C2D12} <= all_of_them


def test_drawing_leaves_pyplot_and_its_displays_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it raises
    loss_figure([])
    denoising_sheet(make_record(times=(7, 0), n=1))


# --- the page ----------------------------------------------------------------------------------


class Page(HTMLParser):
    """Tags, attributes and words of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data: str) -> None:
        self.words += data


def read_page(run: Path, **options: str) -> Page:
    path = write_report(run, **options)
    assert path == run / "report.html"
    return Page(path.read_text(encoding="utf-8"))


def fill(run: Path, steps: tuple[int, ...] = (0, 500, 1000, 1500)) -> None:
    picture = sample_grid(np.zeros((4, 1, 8, 8), np.float32))
    for step in steps:
        make_record(step, times=(9, 0), n=1).save(run / "denoising" / f"step-{step:06d}.npz")
        for folder in ("denoising", "samples"):
            (run / folder).mkdir(exist_ok=True)
            (run / folder / f"step-{step:06d}.png").write_bytes(picture)
    rows: list[dict[str, object]] = []
    for step in steps:
        rows.append({"step": step, "loss": 0.123456 + step})
        rows.append({"step": step, "validation_loss": 0.25})
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    timing = [{"step": 5, "images_per_second": 2345.6}, {"step": 5, "visit_seconds": 1.0}]
    (run / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in timing))
    status = {"state": "done", "step": 1500, "max_steps": 3000, "message": "all is well"}
    (run / "status.json").write_text(json.dumps(status))
    (run / "config.json").write_text(json.dumps({"dataset": "digits", "image_size": None}))


def test_the_page_of_a_run_holds_its_pictures_and_last_figures(tmp_path: Path) -> None:
    fill(tmp_path)
    page = read_page(tmp_path)
    words = " ".join(page.words.split())
    for said in (
        "done all is well",
        "1,500 of 3,000",
        "training loss1,500 at step 1,500",
        "held-out loss0.25 at step 1,500",
        "images a second2,346 at step 5",
        "Denoising at step 1,500",
        "datasetdigits",
        "image_sizenull",
    ):
        assert said in words
    # the last sheet, two earlier ones folded in, animation, samples, losses
    assert page.tags.count("img") == 6
    assert page.tags.count("details") == 2
    for name in ("loss.png", "denoising.gif"):
        assert (tmp_path / name).stat().st_size > 1000
    assert len(frames((tmp_path / "denoising.gif").read_bytes())) == 4


def test_the_page_needs_no_network_and_no_script(tmp_path: Path) -> None:
    fill(tmp_path, (500,))
    page = read_page(tmp_path)
    assert page.links
    assert all(
        link.startswith(("data:image/png;base64,", "data:image/gif;")) for link in page.links
    )
    assert not {"script", "link", "iframe"} & set(page.tags)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text


def test_an_empty_run_has_a_page_and_so_has_one_with_any_single_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no status yet" in read_page(tmp_path / "empty").words
    fill(tmp_path / "whole", (500,))
    for i, path in enumerate(p for p in (tmp_path / "whole").rglob("*") if p.is_file()):
        alone = tmp_path / str(i) / path.relative_to(tmp_path / "whole")
        alone.parent.mkdir(parents=True)
        alone.write_bytes(path.read_bytes())
        assert "cannot be read" not in read_page(tmp_path / str(i)).words


def test_what_cannot_be_read_is_named_on_the_page(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "denoising" / "step-000500.npz").write_bytes(b"PK torn")
    (tmp_path / "config.json").write_text("{")
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('[1]\n{"loss": 2.0}\n{"step": 1, "lo')
    words = read_page(tmp_path).words
    assert "denoising/step-000500.npz cannot be read" in words
    assert "config.json cannot be read" in words
    assert [f"line {n}" in words for n in (8, 9, 10, 11, 12)] == [False, True, True, True, False]
    assert len(frames((tmp_path / "denoising.gif").read_bytes())) == 3


def test_nothing_that_a_run_says_becomes_markup(tmp_path: Path) -> None:
    evil = "<script>alert('1')</script><img src=http://x>&\""
    run = tmp_path / "a<b>&'c"
    run.mkdir()
    for name in ("config.json", "env.json"):
        (run / name).write_text(json.dumps({evil: evil, "list": [evil]}))
    status = {"state": evil, "step": evil, "max_steps": evil, "message": evil}
    (run / "status.json").write_text(json.dumps(status))
    row = {"step": 3, "validation_loss": 0.5, "test_eps_mse": evil}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    page = read_page(run, watermark=evil)
    assert "script" not in page.tags
    assert "b" in page.tags
    assert page.links == [link for link in page.links if link.startswith("data:")]
    assert page.words.count(evil) >= 10
    assert "a<b>&'c" in page.words


def test_the_latest_visit_is_the_one_of_the_largest_step(tmp_path: Path) -> None:
    fill(tmp_path, (999_000, 1_000_000))
    assert "Samples at step 1,000,000" in read_page(tmp_path).words
