"""The losses of a run as one figure: over steps, and by noise level; latents as histograms."""

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float, Float64
from torch import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RAW, TRAIN, HELDOUT, INK, FAINT = "#bfd3f6", "#2563eb", "#c2410c", "#18181b", "#71717a"
VISITS = ("#f3b58a", "#dd6b20", "#7c2d12")  # first, middle, last: light to dark
EM = 13  # size of the words


def loss_figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """PNG of two panels from the rows of metrics.jsonl, both on a log scale.

    Left: the training loss, as logged and smoothed, and the held-out loss, over steps. Right: the
    held-out loss in each tenth of the noise levels, at the first, the middle and the last visit.
    What is missing, not finite or not positive is left out.
    """
    figure, (left, right) = _panels()
    _over_steps(left, rows)
    _by_decile(right, rows)
    return _png(figure)


def autoencoder_figure(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """PNG of two panels over steps: squared error, and nats between latents and noise."""
    figure, (left, right) = _panels()
    for axes, name, title in (
        (left, "reconstruction", "Mean squared error over steps"),
        (right, "kl", "Nats of an image's latents from noise"),
    ):
        _dress(axes, title, "optimizer step")
        steps, values = _column(rows, name)
        axes.plot(steps, values, color=TRAIN, lw=1.6, label="training")
        steps, values = _column(rows, f"validation_{name}")
        axes.plot(steps, values, color=HELDOUT, lw=2.2, marker="o", ms=5, label="validation (EMA)")
        _finish(axes)
    return _png(figure)


def latent_figure(
    z: Float[Tensor, "n channels *position"], *, watermark: str | None = None
) -> bytes:
    """PNG: the histogram of each channel of latents, in its own units, with mean and deviation."""
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
        moments = f"mean {known.mean():.2f}, deviation {known.std():.2f}"
        _dress(axes, f"channel {i} of the latents", moments)
        axes.hist(known, bins=60, density=True, color=RAW)
        axes.set_yticks([])
    _mark(figure, watermark)
    return _png(figure)


def _over_steps(axes: "Axes", rows: Sequence[Mapping[str, Any]]) -> None:
    _dress(axes, "Mean squared error over steps", "optimizer step")
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
    _dress(axes, "Validation error by noise level", "t / T, in tenths")
    visits = [row for row in rows if row.get("validation_loss_by_decile")]
    shown = [visits[i] for i in sorted({0, len(visits) // 2, len(visits) - 1})] if visits else []
    for row, color in zip(shown, VISITS[len(VISITS) - len(shown) :], strict=True):
        deciles = _positive(row["validation_loss_by_decile"])
        x = (np.arange(len(deciles)) + 0.5) / len(deciles)
        axes.plot(x, deciles, color=color, lw=2.2, marker="o", ms=5, label=f"step {row['step']:,}")
    axes.set_xlim(0, 1)
    axes.set_xticks(np.linspace(0, 1, 11))
    _finish(axes)


def _panels() -> "tuple[Figure, tuple[Axes, Axes]]":
    """A figure of two panels, three to two."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(14, 5), dpi=100)
    FigureCanvasAgg(figure)
    place = {"left": 0.055, "right": 0.985, "top": 0.9, "bottom": 0.14, "wspace": 0.16}
    left, right = figure.subplots(1, 2, width_ratios=(3, 2), gridspec_kw=place)
    return figure, (left, right)


def _mark(figure: "Figure", watermark: str | None) -> None:
    if watermark:
        figure.text(0.5, 0.5, watermark, color=FAINT, size=28, ha="center", alpha=0.5)


def _png(figure: "Figure") -> bytes:
    content = io.BytesIO()
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _dress(axes: "Axes", title: str, x_label: str) -> None:
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
        axes.text(0.5, 0.5, "nothing yet", transform=axes.transAxes, ha="center", color=FAINT)
        axes.set_yticks([])
        return
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    if high < 2 * low:
        axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    else:  # as many marks in a decade as it takes to read a value
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
    """The values, with NaN for what a log scale cannot show, which leaves a gap in the line."""
    array = np.array([math.nan if value is None else value for value in values], np.float64)
    array[~(np.isfinite(array) & (array > 0))] = np.nan
    return array


def _smooth(values: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " n"]:
    """Mean over about a fifteenth of the values around each, symmetric at the steep start."""
    place = np.arange(len(values))
    half = np.minimum(max(1, len(values) // 30), place)
    low, high = place - half, np.minimum(place + half + 1, len(values))
    known = np.isfinite(values)
    total = np.concatenate([[0], np.where(known, values, 0).cumsum()])
    count = np.concatenate([[0], known.cumsum()])
    mean = (total[high] - total[low]) / np.maximum(count[high] - count[low], 1)
    return np.where(known, mean, np.nan)


def bound_figure(result: Mapping[str, Any], *, watermark: str | None = None) -> bytes:
    """PNG of two panels from the figures of an evaluation, on a log scale.

    Left: each term of the bound over t, in bits per dimension. Right: the error of the noise in
    each tenth of the noise levels.
    """
    from matplotlib.ticker import NullFormatter

    figure, (left, right) = _panels()
    bound = result["bits_per_dim"]
    _dress(left, f"{bound['total']:.3f} bits per dimension, term by term", "noise level t")
    first, *steps, prior = result["terms"]
    T, shares = result["T"], iter(bound["shares"].items())
    levels = np.linspace(1, T, len(steps) + 1)
    line = "-" if len(steps) > 1 else "D"  # of one point nothing would be seen
    for t, terms, form, color in (
        (levels[:1], [first], "s", TRAIN),
        (levels[1:], steps, line, TRAIN),
        ([T], [prior], "o", HELDOUT),
    ):
        name, bits = next(shares)
        label = _share(name, bits, terms)
        left.plot(t, _positive(terms), form, color=color, lw=1.6, ms=6, label=label)
    beside = [f"{_share(name, bits, ())} (of no level)" for name, bits in shares]
    if result["flow"]:
        beside.append(f"by the flow, in place of all these: {result['flow']['bits_per_dim']:.3f}")
    for label in beside:
        left.plot([], [], " ", label=label)
    left.set_xscale("log")
    left.xaxis.set_minor_formatter(NullFormatter())
    _finish(left)
    _dress(right, f"error of the noise, {result['eps_mse']['mean']:.4f} in the mean", "tenth of t")
    errors = _positive(result["eps_mse"]["by_decile"])
    right.plot(range(1, 11), errors, color=HELDOUT, lw=2.2, marker="o", label="test images (EMA)")
    _finish(right)
    _mark(figure, watermark)
    return _png(figure)


def _share(name: str, bits: float, terms: Sequence[float]) -> str:
    """How a part of the bound stands in the legend, with what its terms hide from a log scale."""
    hidden = sum(not term > 0 for term in terms)
    which = "not drawn" if hidden == len(terms) else f"of which {hidden} not drawn"
    note = f" ({which}: no logarithm)" if hidden else ""
    return f"{name.replace('_', ' ')}: {bits:.3f}{note}"
