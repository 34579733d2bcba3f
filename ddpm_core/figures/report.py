"""report.html: a run on one page that needs no network, from the files in its directory."""

import base64
import html
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ddpm_core.figures.curves import autoencoder_figure, loss_figure
from ddpm_core.figures.record import DenoisingRecord
from ddpm_core.figures.sheets import denoising_gif, evenly, frame_limit
from ddpm_core.storage.files import write_bytes

Row = Mapping[str, Any]


def write_report(run: Path, *, watermark: str | None = None) -> Path:
    """Draw loss.png and denoising.gif of `run`, write its report.html, and return that path.

    Shows what there is: a file that is missing is left out, and one that cannot be read is named on
    the page. Raises OSError where nothing can be written.
    """
    faults: list[str] = []
    status = _object(run / "status.json", faults)
    metrics = _rows(run / "metrics.jsonl", faults)
    timing = _rows(run / "timing.jsonl", faults)
    test = _object(run / "test.json", faults)
    if metrics:
        encodes = any("reconstruction" in row for row in metrics)
        figure = autoencoder_figure if encodes else loss_figure
        write_bytes(run / "loss.png", figure(metrics))
    _write_gif(run, faults, watermark)

    kinds = ("denoising", "samples", "reconstructions")
    sheets, samples, pairs = (_visits(run / name, "png") for name in kinds)
    config = _object(run / "config.json", faults)
    note = f"{NOTE} {LATENT_NOTE}" if config.get("latent") else NOTE
    earlier, first = (evenly(list(each), 3)[:-1] for each in (sheets, pairs))
    parts = [
        f'<p class="strip">{html.escape(watermark)}</p>' if watermark else "",
        f"<h1>{html.escape(run.resolve().name)}</h1>",
        _banner(status),
        _headline(status, metrics, timing, [test] if "step" in test else []),
        *(_figure(sheets[s], f"Denoising at step {s:,}", note) for s in list(sheets)[-1:]),
        *(_details(sheets[s], f"Denoising at step {s:,}") for s in earlier),
        _figure(run / "denoising.gif", "Structure emerging across training", GIF_NOTE),
        *(_figure(samples[s], f"Samples at step {s:,}") for s in list(samples)[-1:]),
        *(_figure(pairs[s], f"Images and what comes back, step {s:,}") for s in list(pairs)[-1:]),
        *(_details(pairs[s], f"Images and what comes back, step {s:,}") for s in first),
        _figure(run / "latents.png", "Latents of validation images, channel by channel"),
        _figure(run / "loss.png", "Loss"),
        '<div class="tables">',
        _table("Configuration", config),
        _table("Environment", _object(run / "env.json", faults)),
        "</div>",
        *(f'<p class="fault">{html.escape(fault)}</p>' for fault in faults),
        f"<footer>ddpm-core, written {datetime.now(UTC):%Y-%m-%d %H:%M} UTC</footer>",
    ]
    title = html.escape(f"{run.resolve().name}: {status.get('state', 'no status')}")
    page = PAGE.format(title=title, style=STYLE, body="\n".join(filter(None, parts)))
    write_bytes(run / "report.html", page.encode())
    return run / "report.html"


# --- what stands on the disk -------------------------------------------------------------------


def _object(path: Path, faults: list[str]) -> Row:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        faults.append(f"{path.name} cannot be read: {error}")
        return {}
    if not isinstance(found, dict):
        faults.append(f"{path.name} is no JSON object")
        return {}
    return found


def _rows(path: Path, faults: list[str]) -> list[Row]:
    """The rows of a file of JSON lines; a line that is no row with a step is named."""
    rows = []
    lines = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    for number, line in enumerate(lines.splitlines(), 1):
        try:
            row = json.loads(line)
            row["step"] + 0
        except (ValueError, TypeError, LookupError):
            faults.append(f"{path.name}, line {number}, is no row with a step")
        else:
            rows.append(row)
    return rows


def _visits(folder: Path, ending: str) -> dict[int, Path]:
    """Step to file, in the order of the steps."""
    found = {}
    for path in folder.glob(f"step-*.{ending}"):
        if named := re.fullmatch(r"step-(\d+)", path.stem):
            found[int(named[1])] = path
    return dict(sorted(found.items()))


def _write_gif(run: Path, faults: list[str], watermark: str | None) -> None:
    """Draw denoising.gif from as many records, evenly spread, as its size allows."""
    paths = list(_visits(run / "denoising", "npz").values())
    last = _record(paths[-1], []) if paths else None
    shown = evenly(paths, frame_limit(last.free_x_t.shape)) if last else paths
    records = [record for path in shown if (record := _record(path, faults))]
    if records:
        write_bytes(run / "denoising.gif", denoising_gif(records, watermark=watermark))


def _record(path: Path, faults: list[str]) -> DenoisingRecord | None:
    try:
        return DenoisingRecord.load(path)
    except (ValueError, TypeError, LookupError, EOFError, zipfile.BadZipFile) as error:
        faults.append(f"{path.parent.name}/{path.name} cannot be read: {error}")
        return None


# --- what stands on the page -------------------------------------------------------------------

NOTE = (
    "Columns are fixed timesteps from noise to data. A network that learns shows structure in "
    "x&#770;<sub>0</sub> further and further to the left, and one-shot errors (the mean over 64 "
    "held-out images, below) that get smaller from sheet to sheet; bars are relative to the "
    "largest of their own sheet."
)
LATENT_NOTE = (
    "Of noisy latents three channels are shown as colours, a third of their value; guesses are "
    "decoded, and the errors are those of latents."
)
GIF_NOTE = "One frame a visit, always from the same noise; the last frame is held."


def _banner(status: Row) -> str:
    state = str(status.get("state", "no status yet"))
    kind = state if state in ("running", "done", "interrupted", "failed") else "unknown"
    message = html.escape(str(status.get("message") or ""))
    return f'<p class="status {kind}"><b>{html.escape(state)}</b> {message}</p>'


def _headline(
    status: Row, metrics: Sequence[Row], timing: Sequence[Row], tests: Sequence[Row]
) -> str:
    """The last figures: what one looks at first."""
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
        ("images a second", *_last(timing, "images_per_second")),
    ]
    cells = [
        f"<div><dt>{name}</dt>"
        f"<dd>{html.escape(value)} <small>{html.escape(more)}</small></dd></div>"
        for name, value, more in figures
        if value is not None
    ]
    return f"<dl>{''.join(cells)}</dl>" if cells else ""


def _last(rows: Sequence[Row], name: str) -> tuple[str | None, str]:
    for row in reversed(rows):
        if row.get(name) is not None:
            return _value(row[name]), f"at step {_value(row['step'])}"
    return None, ""


def _value(value: Any) -> str:
    """Four significant figures for a float, thousands apart for a large number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def _figure(path: Path, title: str, note: str = "") -> str:
    if not path.exists():
        return ""
    note = f'<p class="note">{note}</p>' if note else ""
    return f"<section><h2>{html.escape(title)}</h2>{note}{_picture(path, title)}</section>"


def _details(path: Path, title: str) -> str:
    name = html.escape(title)
    return f"<details><summary>{name}</summary>{_picture(path, title)}</details>"


def _picture(path: Path, title: str) -> str:
    """A picture in a box of its own, which scrolls where the page is narrow."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            width, height = image.size
    except (OSError, ValueError) as error:
        fault = f"{path.parent.name}/{path.name} cannot be read: {error}"
        return f'<p class="fault">{html.escape(fault)}</p>'
    source = f"data:image/{path.suffix[1:]};base64,{base64.b64encode(path.read_bytes()).decode()}"
    kind = "wide" if width > 720 else "snug"
    return (
        f'<div class="picture {kind}"><img alt="{html.escape(title)}" width="{width}" '
        f'height="{height}" src="{source}"></div>'
    )


def _table(title: str, values: Row) -> str:
    if not values:
        return ""
    rows = "".join(
        f"<tr><th>{html.escape(str(name))}</th><td>{html.escape(_plain(value))}</td></tr>"
        for name, value in values.items()
    )
    return f"<section><h2>{title}</h2><table>{rows}</table></section>"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title><style>{style}</style></head>
<body><main>
{body}
</main></body></html>
"""

STYLE = """
:root { color-scheme: light dark; --ink: #18181b; --faint: #63636b; --page: #fafafa;
  --card: #fff; --rule: #e4e4e7; --running: #2563eb; --done: #15803d; --interrupted: #b45309;
  --failed: #b91c1c; --unknown: #63636b; }
@media (prefers-color-scheme: dark) { :root { --ink: #f4f4f5; --faint: #a1a1aa;
  --page: #131316; --card: #1d1d21; --rule: #303036; --running: #60a5fa; --done: #4ade80;
  --interrupted: #fbbf24; --failed: #f87171; --unknown: #a1a1aa; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 40px 0 4px; }
.note { color: var(--faint); margin: 0 0 12px; max-width: 46em; }
h2 + .picture { margin-top: 12px; }
.status { margin: 0 0 20px; padding: 10px 14px; border-left: 4px solid; border-radius: 4px;
  background: var(--card); overflow-wrap: anywhere; }
.status b { text-transform: capitalize; margin-right: .5em; }
.running { border-color: var(--running); } .running b { color: var(--running); }
.done { border-color: var(--done); } .done b { color: var(--done); }
.interrupted { border-color: var(--interrupted); } .interrupted b { color: var(--interrupted); }
.failed { border-color: var(--failed); } .failed b { color: var(--failed); }
.unknown { border-color: var(--unknown); } .unknown b { color: var(--unknown); }
.strip { margin: 0 0 20px; padding: 8px 14px; background: #b91c1c; color: #fff; font-weight: 600;
  text-align: center; border-radius: 4px; }
.fault { color: var(--failed); margin: 24px 0 0; overflow-wrap: anywhere; }
dl { display: flex; flex-wrap: wrap; gap: 16px 40px; margin: 0; }
dt { color: var(--faint); font-size: .875rem; }
dd { margin: 0; font-size: 1.6rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
small { font-size: .875rem; color: var(--faint); }
.picture { overflow-x: auto; background: #fff; border: 1px solid var(--rule); border-radius: 8px;
  padding: 8px; }
.picture img { display: block; max-width: 100%; height: auto; margin: 0 auto; }
.wide img { min-width: 720px; }
.snug { width: fit-content; max-width: 100%; }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--faint); padding: 4px 0; }
.tables { display: grid; gap: 0 40px; grid-template-columns: repeat(auto-fit, minmax(280px, 1fr));
  align-items: start; }
table { width: 100%; border-collapse: collapse; font-size: .875rem; }
th, td { text-align: left; padding: 4px 12px 4px 0; border-bottom: 1px solid var(--rule);
  vertical-align: top; overflow-wrap: anywhere; }
th { font-weight: 400; color: var(--faint); width: 45%; }
footer { margin-top: 48px; color: var(--faint); font-size: .875rem; }
"""
