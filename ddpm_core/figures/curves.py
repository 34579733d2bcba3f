"""Figures of curves: losses of a run, terms of the bound, and histograms of latents."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

from ddpm_core.figures.canvas import load_matplotlib

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RAW, TRAIN, HELDOUT, INK, FAINT = "#bfd3f6", "#2563eb", "#c2410c", "#18181b", "#71717a"
PREVIEWS = ("#f3b58a", "#dd6b20", "#7c2d12")  # first, middle, last: light to dark
EM = 13  # font size


def loss_figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw the rows of metrics.jsonl as a PNG of two panels, both on a log scale.

    Left: training loss, raw and smoothed, and validation loss, over steps. Right: validation loss
    by decile of the timesteps, at the first, middle and last preview. Missing, non-finite and
    non-positive values are omitted.
    """
    figure, (left, right) = _panels()
    _over_steps(left, rows)
    _by_decile(right, rows)
    return _png(figure)


def autoencoder_figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw a PNG of two panels over steps: squared error, and KL divergence of the latents."""
    figure, (left, right) = _panels()
    for axes, name, title in (
        (left, "reconstruction", "Mean squared error over steps"),
        (right, "kl", "KL divergence of the latents from the prior, nats per image"),
    ):
        _style(axes, title, "optimizer step")
        steps, values = _column(rows, name)
        axes.plot(steps, values, color=TRAIN, lw=1.6, label="training")
        steps, values = _column(rows, f"validation_{name}")
        axes.plot(steps, values, color=HELDOUT, lw=2.2, marker="o", ms=5, label="validation (EMA)")
        _finish(axes)
    return _png(figure)


def latent_figure(
    z: Float[Tensor, "n channels *position"], *, watermark: str | None = None
) -> bytes:
    """Draw a PNG with the histogram, mean and standard deviation of each latent channel."""
    load_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    channels = z.transpose(0, 1).flatten(1).double().numpy()
    columns = min(4, len(channels))
    rows = -(-len(channels) // columns)
    figure = Figure(figsize=(3.5 * columns, 2.6 * rows + 0.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    for i, values in enumerate(channels):
        axes = figure.add_subplot(rows, columns, i + 1)
        known = values[np.isfinite(values)]
        moments = f"mean {known.mean():.2f}, standard deviation {known.std():.2f}"
        _style(axes, f"latent channel {i}", moments)
        axes.hist(known, bins=60, density=True, color=RAW)
        axes.set_yticks([])
    _add_watermark(figure, watermark)
    return _png(figure)


def _over_steps(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    _style(axes, "Mean squared error over steps", "optimizer step")
    steps, loss = _column(rows, "loss")
    if len(steps) >= 20:
        axes.plot(steps, loss, color=RAW, lw=1.2)
        axes.plot(steps, _smooth(loss), color=TRAIN, lw=2.2, label="training, smoothed")
    elif len(steps):
        axes.plot(steps, loss, color=TRAIN, lw=2.2, marker="o", ms=3, label="training")
    steps, heldout = _column(rows, "validation_loss")
    if len(steps):
        axes.plot(
            steps,
            heldout,
            color=HELDOUT,
            lw=2.2,
            marker="o",
            ms=5,
            label="validation (EMA)",
        )
    _finish(axes)


def _by_decile(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    _style(axes, "Validation error by timestep", "t / T, in deciles")
    all_rows = [row for row in rows if row.get("validation_loss_by_decile")]
    chosen = sorted({0, len(all_rows) // 2, len(all_rows) - 1}) if all_rows else []
    colors = PREVIEWS[len(PREVIEWS) - len(chosen) :]
    for row, color in zip((all_rows[i] for i in chosen), colors, strict=True):
        deciles = _positive(row["validation_loss_by_decile"])
        x = (np.arange(len(deciles)) + 0.5) / len(deciles)
        axes.plot(x, deciles, color=color, lw=2.2, marker="o", ms=5, label=f"step {row['step']:,}")
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 11))
    _finish(axes)


def _panels() -> "tuple[Figure, tuple[Axes, Axes]]":
    """Return a figure of two panels with widths 3:2."""
    load_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5), dpi=100)
    FigureCanvasAgg(figure)
    layout = {"left": 0.055, "right": 0.985, "top": 0.9, "bottom": 0.14, "wspace": 0.16}
    left, right = figure.subplots(1, 2, width_ratios=(3, 2), gridspec_kw=layout)
    return figure, (left, right)


def _add_watermark(figure: "Figure", watermark: str | None) -> None:
    if watermark:
        figure.text(0.5, 0.5, watermark, color=FAINT, size=28, ha="center", alpha=0.5)


def _png(figure: "Figure") -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _style(axes: "Axes", title: str, x_label: str) -> None:
    axes.set_title(title, loc="left", fontsize=EM + 1, color=INK, pad=12)
    axes.set_xlabel(x_label, fontsize=EM, color=FAINT)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#d4d4d8")
    axes.tick_params(which="both", labelsize=EM - 1, labelcolor=FAINT, color="#d4d4d8")
    axes.grid(axis="y", which="both", color="#f0f0f2", lw=1)
    axes.set_axisbelow(True)


def _finish(axes: "Axes") -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

    if not axes.lines:
        axes.text(0.5, 0.5, "no data yet", transform=axes.transAxes, ha="center", color=FAINT)
        axes.set_yticks([])
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 2 * low:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    else:  # enough ticks per decade to read a value
        subs = (1, 1.5, 2, 3, 5, 7) if high < 30 * low else (1, 2, 5) if high < 300 * low else (1,)
        axes.yaxis.set_major_locator(LogLocator(subs=subs))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,g}"))
    axes.legend(frameon=False, fontsize=EM - 1, labelcolor=INK)


def _column(
    rows: Sequence[Mapping[str, Any]], name: str
) -> tuple[Float64[np.ndarray, " n"], Float64[np.ndarray, " n"]]:
    found = [row for row in rows if name in row]
    steps = np.array([row["step"] for row in found], np.float64)
    return steps, _positive([row[name] for row in found])


def _positive(values: Sequence[float | None]) -> Float64[np.ndarray, " n"]:
    """Replace values that a log scale cannot show by NaN, which leaves a gap in the line."""
    array = np.array([math.nan if value is None else value for value in values], np.float64)
    array[~(np.isfinite(array) & (array > 0))] = np.nan
    return array


def _smooth(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Return a moving average over about 1/15 of the values; symmetric near the steep start."""
    index = np.arange(len(values))
    half = np.minimum(max(1, len(values) // 30), index)
    low, high = index - half, np.minimum(index + half + 1, len(values))
    known = np.isfinite(values)
    total = np.concatenate([[0], np.where(known, values, 0).cumsum()])
    count = np.concatenate([[0], known.cumsum()])
    mean = (total[high] - total[low]) / np.maximum(count[high] - count[low], 1)
    return np.where(known, mean, np.nan)


def bound_figure(result: Mapping[str, Any], *, watermark: str | None = None) -> bytes:
    """Draw the results of an evaluation as a PNG of two panels, on a log scale.

    Left: each term of the bound over t, in bits per dimension. Right: squared error of the noise
    prediction (eps-MSE) by decile of the timesteps.
    """
    from matplotlib.ticker import NullFormatter

    figure, (left, right) = _panels()
    bound = result["bits_per_dim"]
    _style(left, f"{bound['total']:.3f} bits per dimension, term by term", "timestep t")
    first, *steps, prior = result["terms"]
    T, breakdown = result["T"], iter(bound["breakdown"].items())
    timesteps = np.linspace(1, T, len(steps) + 1)
    line = "-" if len(steps) > 1 else "D"  # a line through one point would be invisible
    for t, terms, form, color in (
        (timesteps[:1], [first], "s", TRAIN),
        (timesteps[1:], steps, line, TRAIN),
        ([T], [prior], "o", HELDOUT),
    ):
        name, bits = next(breakdown)
        label = _legend_label(name, bits, terms)
        left.plot(t, _positive(terms), form, color=color, lw=1.6, ms=6, label=label)
    others = [f"{_legend_label(name, bits, ())} (at no timestep)" for name, bits in breakdown]
    if result["flow"]:
        flow = result["flow"]["bits_per_dim"]
        others.append(f"probability flow, instead of all these: {flow:.3f}")
    for label in others:
        left.plot([], [], " ", label=label)
    left.set_xscale("log")
    left.xaxis.set_minor_formatter(NullFormatter())
    _finish(left)
    _style(right, f"eps-MSE, mean {result['eps_mse']['mean']:.4f}", "decile of t")
    errors = _positive(result["eps_mse"]["by_decile"])
    right.plot(range(1, 11), errors, color=HELDOUT, lw=2.2, marker="o", label="test images (EMA)")
    _finish(right)
    _add_watermark(figure, watermark)
    return _png(figure)


def _legend_label(name: str, bits: float, terms: Sequence[float]) -> str:
    """Return the legend entry of a part of the bound, with the number of terms not drawn."""
    hidden = sum(not term > 0 for term in terms)
    which = "not drawn" if hidden == len(terms) else f"{hidden} not drawn"
    note = f" ({which}: not positive)" if hidden else ""
    return f"{name.replace('_', ' ')}: {bits:.3f}{note}"
