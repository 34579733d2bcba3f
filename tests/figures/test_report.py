"""The loss figure and the report of a run."""

import json
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from ddpm_core.figures.curves import loss_figure
from ddpm_core.figures.grids import denoising_grid, sample_grid
from ddpm_core.figures.report import write_report
from tests.figures.decoded_images import decode, frames, make_record

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
def test_loss_figure_accepts_missing_values(rows: list[dict[str, object]]) -> None:
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


def test_drawing_does_not_import_pyplot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it raises
    loss_figure([])
    denoising_grid(make_record(timesteps=(7, 0), n=1))


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
    image = sample_grid(np.zeros((4, 1, 8, 8), np.float32))
    for step in steps:
        make_record(step, timesteps=(9, 0), n=1).save(run / "denoising" / f"step-{step:06d}.npz")
        for folder in ("denoising", "samples"):
            (run / folder).mkdir(exist_ok=True)
            (run / folder / f"step-{step:06d}.png").write_bytes(image)
    rows: list[dict[str, object]] = []
    for step in steps:
        rows.append({"step": step, "loss": 0.123456 + step})
        rows.append({"step": step, "validation_loss": 0.25})
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    timing = [{"step": 5, "images_per_second": 2345.6}, {"step": 5, "preview_seconds": 1.0}]
    (run / "timing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in timing))
    status = {"state": "done", "step": 1500, "max_steps": 3000, "message": "all is well"}
    (run / "status.json").write_text(json.dumps(status))
    (run / "config.json").write_text(json.dumps({"dataset": "digits", "image_size": None}))
    (run / "test.json").write_text(json.dumps({"step": 1500, "eps_mse": 0.0734}))


def test_report_has_images_and_newest_results_of_the_run(tmp_path: Path) -> None:
    fill(tmp_path)
    page = read_page(tmp_path)
    words = " ".join(page.words.split())
    for said in (
        "done all is well",
        "1,500 of 3,000",
        "training loss1,500 at step 1,500",
        "held-out loss0.25 at step 1,500",
        "-MSE0.0734 at step 1,500",
        "images per second2,346 at step 5",
        "Denoising at step 1,500",
        "datasetdigits",
        "image_sizenull",
    ):
        assert said in words
    # the newest denoising grid, two earlier folded ones, animation, samples, losses
    assert page.tags.count("img") == 6
    assert page.tags.count("details") == 2
    for name in ("loss.png", "denoising.gif"):
        assert (tmp_path / name).stat().st_size > 1000
    assert len(frames((tmp_path / "denoising.gif").read_bytes())) == 4


def test_report_needs_no_network_and_no_script(tmp_path: Path) -> None:
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


def test_report_is_written_for_an_empty_run_and_for_any_single_file(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert "no status yet" in read_page(tmp_path / "empty").words
    fill(tmp_path / "complete", (500,))
    for i, path in enumerate(p for p in (tmp_path / "complete").rglob("*") if p.is_file()):
        alone = tmp_path / str(i) / path.relative_to(tmp_path / "complete")
        alone.parent.mkdir(parents=True)
        alone.write_bytes(path.read_bytes())
        assert "cannot be read" not in read_page(tmp_path / str(i)).words


def test_unreadable_files_are_named_in_the_report(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "denoising" / "step-000500.npz").write_bytes(b"PK torn")
    sorted((tmp_path / "denoising").glob("*.png"))[-1].write_bytes(b"torn, too")
    (tmp_path / "config.json").write_text("{")
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('[1]\n{"loss": 2.0}\n{"step": 1, "lo')
    words = read_page(tmp_path).words
    assert "denoising/step-000500.npz cannot be read" in words
    assert "png cannot be read: cannot identify image file" in words
    assert "config.json cannot be read" in words
    assert [f"line {n}" in words for n in (8, 9, 10, 11, 12)] == [False, True, True, True, False]
    assert len(frames((tmp_path / "denoising.gif").read_bytes())) == 3


def test_markup_in_the_files_of_a_run_is_escaped(tmp_path: Path) -> None:
    evil = "<script>alert('1')</script><img src=http://x>&\""
    run = tmp_path / "a<b>&'c"
    run.mkdir()
    for name in ("config.json", "env.json"):
        (run / name).write_text(json.dumps({evil: evil, "list": [evil]}))
    status = {"state": evil, "step": evil, "max_steps": evil, "message": evil}
    (run / "status.json").write_text(json.dumps(status))
    (run / "test.json").write_text(json.dumps({"step": 3, "eps_mse": evil}))
    row = {"step": 3, "validation_loss": 0.5}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    page = read_page(run, watermark=evil)
    assert "script" not in page.tags
    assert page.tags.count("b") == 1, "the banner's own"
    assert page.links == [link for link in page.links if link.startswith("data:")]
    assert page.words.count(evil) >= 10
    assert page.words.count("a<b>&'c") == 2, "title and heading"


def test_newest_preview_has_the_largest_step(tmp_path: Path) -> None:
    fill(tmp_path, (999_000, 1_000_000))
    assert "Samples at step 1,000,000" in read_page(tmp_path).words


def test_data_that_were_left_out_are_listed(tmp_path: Path) -> None:
    skipped = {"unreadable": {"files": 3, "first": ["<a>.png", "b.png"]}}
    about = {"dataset": "folder:x", "train": 1200, "skipped": skipped, "notes": ["the split is"]}
    about["warnings"] = ["DATA CHANGED"]
    (tmp_path / "data.json").write_text(json.dumps(about))
    page = write_report(tmp_path).read_text(encoding="utf-8")
    for cells in (
        "<th>dataset</th><td>folder:x</td>",
        "<th>train</th><td>1,200</td>",
        "<th>skipped, unreadable: 3</th><td>&lt;a&gt;.png, b.png, ...</td>",
        "<th>note 1</th><td>the split is</td>",
        "<th>warning 1</th><td>DATA CHANGED</td>",
    ):
        assert cells in page
