"""Denoisers composed of a network, guidance and clipping, and their exact predictions."""

from collections.abc import Collection
from typing import Any, NamedTuple

import numpy as np

from ..oracles import exact
from ..oracles.exact import mp, mpf
from ..protocol import NO_LABEL, Array, Betas, Guidance, Implementation, Times
from .covering import Row

# Options of a denoiser. Ranges are those of clipping.
DENOISER: dict[str, tuple[Any, ...]] = {
    "prediction": ("eps", "x0", "v", "score"),
    "learns_variance": (False, True),
    "labels": (False, True),
    "scale": (None, 0.0, 1.0, 3.0),  # None: no guidance
    "rescale": (0.0, 0.5, 1.0),
    "interval": (None, (2, 3)),
    "together": (True, False),
    "range": (None, (-1.0, 1.0), (-0.5, 0.75)),
}
GUIDANCE = ("rescale", "interval", "together")
LABELS = np.array([2, 0, 7])


def not_guided(row: Row, timesteps: Collection[int] | None = None) -> set[str]:
    """Return the options of guidance without effect; timesteps: those of the steps, if known."""
    single = row.get("scale", 3.0) in (None, 0.0, 1.0) or not row.get("labels", True)
    masked = {*GUIDANCE} if single else set()
    if not row.get("labels", True):
        masked |= {"scale"}
    interval = row.get("interval")
    if interval is None or timesteps is None:
        return masked
    inside = any(interval[0] <= t <= interval[1] for t in timesteps)
    return masked if inside else masked | {"rescale", "together", "scale"}


class Bounded(NamedTuple):
    """An exact number, and the error allowed in it in units of roundoff."""

    exact: mpf
    error: mpf


def network(x_t: Array, t: Times | int, labels: Times | None) -> Array:
    """A polynomial, so that each element has the same bits in every batch."""
    given = np.full(len(x_t), NO_LABEL) if labels is None else labels
    along = (-1, *[1] * (x_t.ndim - 1))
    at = np.broadcast_to(t, len(x_t)).reshape(along)
    return x_t * ((given.reshape(along) + at) % 4 - 1.5) / 4 + (given.reshape(along) % 3) / 4 - 0.25


def wide_network(x_t: Array, t: Times | int, labels: Times | None) -> Array:
    """The same, and an interpolation of the variance."""
    return np.concatenate([network(x_t, t, labels), x_t / 4], axis=1)


class Composed:
    """The denoiser of a row of options. It records its evaluations: (x_t, t, x0_hat)."""

    def __init__(self, impl: Implementation, betas: Betas, row: Row) -> None:
        self.impl, self.betas, self.row = impl, betas, row
        self.guidance = guidance_of(row, self.plain)
        self.evaluated: list[tuple[Array, Any, Array]] = []

    def plain(self, x_t: Array, t: Times | int, labels: Times | None) -> Array:
        wide = self.row["learns_variance"]
        function, name = wide_network if wide else network, self.row["prediction"]
        return self.impl.denoised(self.betas, name, function, x_t, t, labels, wide)[0]

    def __call__(self, x_t: Array, t: Times | int, labels: Times | None) -> Array:
        expected = labels_of(self.row, len(x_t))
        assert (labels is None) == (expected is None), f"labels {labels} at t = {t}"
        assert expected is None or np.array_equal(labels, expected), f"labels {labels} at t = {t}"
        if self.guidance is None:
            found = self.plain(x_t, t, labels)
        else:
            found = self.impl.guided(self.guidance, x_t, t, labels)
        if self.row["range"] is not None:
            found = self.impl.clipped(found, *self.row["range"]).x0_hat
        self.evaluated.append((x_t.copy(), t, found.copy()))
        return found

    def unlabelled(self, x_t: Array, t: int) -> Array:
        return self(x_t, t, None)


def guidance_of(row: Row, denoiser: Any) -> Guidance | None:
    """Return the guidance of the row, or None without a scale."""
    if row["scale"] is None:
        return None
    return Guidance(denoiser, row["scale"], row["rescale"], row["interval"], row["together"])


def labels_of(row: Row, count: int) -> Times | None:
    return LABELS[:count] if row["labels"] else None


def exact_prediction(betas: Betas, row: Row, x_t: Array, t: int) -> dict[tuple[int, ...], Bounded]:
    """Return x0_hat of the composed denoiser, with the error of each of its parts.

    A conversion has the allowance 8 u kappa of its terms. The other parts: see `guided`. Clipping
    does not add to an error.
    """
    labels, name = labels_of(row, len(x_t)), row["prediction"]
    found: dict[tuple[int, ...], Bounded] = {}
    for i, x in enumerate(x_t):
        label = None if labels is None else labels[i : i + 1]
        both = [
            [
                converted(betas, name, y, state, t)
                for y, state in zip(network(x[None], t, each).flat, x.flat, strict=True)
            ]
            for each in (label, None)
        ]
        values = both[0] if row["scale"] is None else guided(row, t, *both)
        for where, value in zip(np.ndindex(x.shape), values, strict=True):
            if row["range"] is not None:
                low, high = map(mpf, row["range"])
                value = value._replace(exact=min(max(value.exact, low), high))
            found[(i, *where)] = value
    return found


def converted(betas: Betas, name: str, value: float, x_t: float, t: int) -> Bounded:
    if name == "x0":  # zero SNR has no kappa
        return Bounded(mpf(value), mpf(0))
    x_0 = exact.convert(betas, name, "x0", value, x_t, t)
    return Bounded(x_0.exact, 8 * exact.kappa(betas, 0, t) * x_0.size)


def guided(row: Row, t: int, labelled: list[Bounded], without: list[Bounded]) -> list[Bounded]:
    """Return the guided prediction of one sample. Eq. guidance.guess and guidance.rescale.

    The line has 4 roundings of its terms, m at most. A standard deviation changes by no more than
    its numbers do, and has 8 roundings of m. The factor made of both has 6 (1 + ratio) more.
    """
    low, high = row["interval"] or (t, t)
    g = mpf(row["scale"]) if low <= t <= high else mpf(1)
    if not row["labels"] or g == 0:
        return without
    if g == 1:
        return labelled
    line = [
        Bounded(
            z.exact + g * (y.exact - z.exact),
            g * y.error + abs(1 - g) * z.error + 4 * (1 + g) * (abs(y.exact) + abs(z.exact)),
        )
        for y, z in zip(labelled, without, strict=True)
    ]
    r = mpf(row["rescale"])
    if r == 0:
        return line
    pairs = zip(labelled, without, strict=True)
    m = (1 + g) * max(abs(y.exact) + abs(z.exact) for y, z in pairs)
    f, wanted = (spread([each.exact for each in values]) for values in (line, labelled))
    of_f, of_wanted = (max(each.error for each in values) + 8 * m for values in (line, labelled))
    ratio = wanted / f
    factor = 1 - r + r * ratio
    of_factor = r * (of_wanted + ratio * of_f) / f + 6 * (1 + ratio)
    return [
        Bounded(
            factor * each.exact,
            factor * (each.error + abs(each.exact)) + abs(each.exact) * of_factor,
        )
        for each in line
    ]


def spread(values: list[mpf]) -> mpf:
    """Return the standard deviation."""
    mean = sum(values) / len(values)
    return mp.sqrt(sum((each - mean) ** 2 for each in values) / len(values))
