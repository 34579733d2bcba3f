"""Write report.html: a run on one page that needs no network, from the files in its directory."""

import base64
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ddpm_core.figures.curves import autoencoder_figure, loss_figure
from ddpm_core.figures.grids import denoising_gif, evenly, frame_limit
from ddpm_core.figures.record import DenoisingRecord
from ddpm_core.storage.files import write_bytes

STATES = ("running", "done", "interrupted", "failed")  # each has its colour in style.css

Row = Mapping[str, Any]


class Picture(NamedTuple):
    """An image on the page, or the reason why it cannot be shown."""

    title: str
    source: str = ""  # data: URL
    width: int = 0
    height: int = 0
    fault: str = ""


def write_report(run: Path, *, watermark: str | None = None) -> Path:
    """Draw loss.png and denoising.gif of `run`, write its report.html, and return that path.

    Missing files are left out. A file that cannot be read is named on the page. Raises OSError if
    nothing can be written.
    """
    faults: list[str] = []
    status = _object(run / "status.json", faults)
    metrics = _rows(run / "metrics.jsonl", faults)
    timing = _rows(run / "timing.jsonl", faults)
    faults += map(str, status.get("warnings", ()))
    test = _object(run / "test.json", faults)
    config = _object(run / "config.json", faults)
    if metrics:
        encodes = any("reconstruction" in row for row in metrics)
        figure = autoencoder_figure if encodes else loss_figure
        write_bytes(run / "loss.png", figure(metrics))
    _write_gif(run, faults, watermark)

    denoising = _previews(run / "denoising", "Denoising at step")
    samples = _previews(run / "samples", "Samples at step")
    reconstructions = _previews(run / "reconstructions", "Images and reconstructions at step")
    state = str(status.get("state", "no status yet"))
    page = _template().render(
        name=run.resolve().name,
        watermark=watermark,
        state=state,
        kind=state if state in STATES else "unknown",
        message=status.get("message") or "",
        figures=_headline(status, metrics, timing, [test] if "step" in test else []),
        latent=config.get("latent"),
        denoising=_picture(*denoising[-1]) if denoising else None,
        earlier_denoising=_earlier(denoising),
        animation=_picture(run / "denoising.gif", "Structure emerging across training"),
        samples=_picture(*samples[-1]) if samples else None,
        reconstructions=_picture(*reconstructions[-1]) if reconstructions else None,
        earlier_reconstructions=_earlier(reconstructions),
        latents=_picture(run / "latents.png", "Latents of validation images by channel"),
        loss=_picture(run / "loss.png", "Loss"),
        data=_data(_object(run / "data.json", faults)),
        config=_plain(config),
        environment=_plain(_object(run / "env.json", faults)),
        faults=faults,
        now=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )
    write_bytes(run / "report.html", page.encode())
    return run / "report.html"


def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # takes 0.1 s

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader,
        autoescape=True,  # a run's name, message and configuration are text, never markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html")


# --- files of the run ----------------------------------------------------------------------------


def _object(path: Path, faults: list[str]) -> Row:
    """Return the JSON object in a file; empty if there is none."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        faults.append(f"{path.name} cannot be read: {error}")
        return {}
    if not isinstance(found, dict):
        faults.append(f"{path.name} is not a JSON object")
        return {}
    return found


def _rows(path: Path, faults: list[str]) -> list[Row]:
    """Return the rows of a file of JSON lines; a line without a step is a fault."""
    rows = []
    lines = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for number, line in enumerate(lines.splitlines(), 1):
        try:
            row = json.loads(line)
            row["step"] + 0
        except (ValueError, TypeError, LookupError):
            faults.append(f"{path.name}, line {number}, is not a row with a step")
        else:
            rows.append(row)
    return rows


def _by_step(folder: Path, ending: str) -> dict[int, Path]:
    """Return step: file, in the order of the steps."""
    found = {}
    for path in folder.glob(f"step-*.{ending}"):
        if named := re.fullmatch(r"step-(\d+)", path.stem):
            found[int(named[1])] = path
    return dict(sorted(found.items()))


def _write_gif(run: Path, faults: list[str], watermark: str | None) -> None:
    """Draw denoising.gif from evenly spaced records, as many as its size allows."""
    paths = list(_by_step(run / "denoising", "npz").values())
    last = _record(paths[-1], []) if paths else None
    shown = evenly(paths, frame_limit(last.sampled_x_t.shape)) if last else paths
    records = [record for path in shown if (record := _record(path, faults))]
    if records:
        write_bytes(run / "denoising.gif", denoising_gif(records, watermark=watermark))


def _record(path: Path, faults: list[str]) -> DenoisingRecord | None:
    try:
        return DenoisingRecord.load(path)
    except (ValueError, TypeError, LookupError, EOFError, zipfile.BadZipFile) as error:
        faults.append(f"{path.parent.name}/{path.name} cannot be read: {error}")
        return None


# --- parts of the page ---------------------------------------------------------------------------


def _previews(folder: Path, title: str) -> list[tuple[Path, str]]:
    """Return (file, title) of every preview in a folder, in the order of the steps."""
    return [(path, f"{title} {step:,}") for step, path in _by_step(folder, "png").items()]


def _earlier(previews: Sequence[tuple[Path, str]]) -> list[Picture]:
    """Return the first preview and the one halfway, without the last."""
    pictures: Iterable[Picture | None] = (_picture(*each) for each in evenly(previews, 3)[:-1])
    return [each for each in pictures if each is not None]


def _picture(path: Path, title: str) -> Picture | None:
    """Return the picture in a file; None if there is no file."""
    from PIL import Image

    if not path.exists():
        return None
    try:
        with Image.open(path) as image:
            width, height = image.size
    except (OSError, ValueError) as error:
        fault = f"{path.parent.name}/{path.name} cannot be read: {error}"
        return Picture(title, fault=fault)
    content = base64.b64encode(path.read_bytes()).decode()
    return Picture(title, f"data:image/{path.suffix[1:]};base64,{content}", width, height)


def _headline(
    status: Row, metrics: Sequence[Row], timing: Sequence[Row], tests: Sequence[Row]
) -> list[tuple[str, str, str]]:
    """Return (name, value, remark) of the latest figures; missing ones are left out."""
    step, end = status.get("step"), status.get("max_steps")
    figures = [
        (
            "step",
            None if step is None else _value(step),
            "" if end is None else f"of {_value(end)}",
        ),
        ("training loss", *_last(metrics, "loss")),
        ("held-out loss", *_last(metrics, "validation_loss")),
        ("test \N{GREEK SMALL LETTER EPSILON}-MSE", *_last(tests, "eps_mse")),
        ("held-out squared error", *_last(metrics, "validation_reconstruction")),
        ("test squared error", *_last(tests, "reconstruction")),
        ("images per second", *_last(timing, "images_per_second")),
    ]
    return [(name, value, remark) for name, value, remark in figures if value is not None]


def _last(rows: Sequence[Row], name: str) -> tuple[str | None, str]:
    """Return the latest value of that name, and its step."""
    for row in reversed(rows):
        if row.get(name) is not None:
            return _value(row[name]), f"at step {_value(row['step'])}"
    return None, ""


def _value(value: Any) -> str:
    """Format a float with four significant digits, a large number with thousands separators."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _data(about: Row) -> dict[str, str]:
    """Return what was used and left out of the data as rows of a table."""
    rows = {
        name: _value(about[name])
        for name in ("dataset", "digest", "train", "validation", "test", "used")
        if name in about
    }
    for reason, files in about.get("skipped", {}).items():
        more = ", ..." if files["files"] > len(files["first"]) else ""
        rows[f"skipped, {reason}: {files['files']:,}"] = ", ".join(files["first"]) + more
    rows |= {f"warning {i}": each for i, each in enumerate(about.get("warnings", []), 1)}
    rows |= {f"note {i}": note for i, note in enumerate(about.get("notes", []), 1)}
    return rows


def _plain(values: Row) -> dict[str, str]:
    """Return every value as text: JSON, except that a string has no quotes."""
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }
