"""Every pair of option values of the probability flow and of training losses."""

from itertools import pairwise

import numpy as np
import pytest

from .options.covering import Options, Row
from .options.denoisers import Bounded, converted, labels_of
from .options.rows import data_of, each_row, rows_of
from .options.terms import Kernel, density, learned_kernel, term, total
from .oracles import exact, flows
from .oracles.exact import mpf
from .protocol import PREDICTIONS, Array, Implementation, Labelled, Times
from .statistics.tolerances import check, elements
from .strategies import STEEP

ORACLE = "Heun's recursion and the definitions of the losses in 60 digits"
pytestmark = pytest.mark.complete

T = len(STEEP)


def has_a_density(row: Row) -> bool:
    """Return whether the error of the steps has three timesteps, and that of probes two probes."""
    steps = len(row.get("times", (4, 3, 2, 1, 0))) > 3
    return not row.get("density") or (steps and row.get("probes") != 1)


def unused_in_a_flow(row: Row) -> set[str]:
    """Return the options of a flow that ends where it begins."""
    return {"probes", "labels"} if row.get("times") == (1, 0) else set()


FLOWS = Options(
    {
        "density": (False, True),
        "probes": (None, 1, 2, 3),
        "times": ((4, 3, 2, 1, 0), (4, 3, 2, 0), (3, 2, 1, 0), (4, 1, 0), (1, 0)),
        "labels": (False, True),
        "samples": (1, 3),
    },
    has_a_density,
    unused_in_a_flow,
)


def line(label: int | None, i: int, t: int) -> flows.Line:
    return flows.Line(
        (3 + 5 * t + 2 * i + 3 * (label or 0)) % 7 / 8 - 0.25, (2 * t + 3 * i) % 5 / 4 - 0.5
    )


def straight(x_t: Array, t: int, labels: Times | None) -> tuple[Array, Array]:
    flat = x_t.reshape(len(x_t), -1)
    given = [None] * len(x_t) if labels is None else labels.tolist()
    lines = [[line(label, i, t) for i in range(flat.shape[1])] for label in given]
    slopes, offsets = np.moveaxis(np.array(lines), 2, 0)
    jacobian = slopes[:, :, None] * np.eye(flat.shape[1])
    return (slopes * flat + offsets).reshape(x_t.shape), jacobian


def unlabelled(x_t: Array, t: int) -> tuple[Array, Array]:
    return straight(x_t, t, None)


class Integral:
    """The exact flow of one sample along some timesteps, and its allowances.

    A step has 40 u kappa of its terms; with a diagonal Jacobian, probes of -1 and 1 are exact.
    """

    def __init__(self, x_1: Array, label: int | None, times: tuple[int, ...]) -> None:
        kappas = [exact.kappa(STEEP, s, t) for t, s in pairwise(times)]
        kappas += [exact.kappa(STEEP, 0, t) for t in times[:-1]]
        unit = 40 * max(kappas) * len(times)
        self.x_T, volumes = {}, []
        for k, (where, x) in enumerate(np.ndenumerate(x_1)):
            lines = {t: line(label, k, t) for t in times[:-1]}
            end = flows.integrate(STEEP, times, lines, x)
            self.x_T[where] = Bounded(end.x_T.exact, unit * end.x_T.size)
            volumes.append(Bounded(end.log_volume.exact, unit * end.log_volume.size))
        self.volume = total(volumes)
        noise = [density(0.0, Kernel(each, mpf(1), mpf(0))) for each in self.x_T.values()]
        self.log = total([self.volume, *noise])


def test_flows_with_all_pairs_of_options(impl: Implementation):
    """Eq. probability-flow.volume, probability-flow.density and probability-flow.doubling."""

    def check_row(row: Row) -> None:
        times, (x_1, *others), u = row["times"], rows_of(row["samples"]), mpf(impl.unit_roundoff)
        labels, count = labels_of(row, len(x_1)), row["probes"]
        probes = None if count is None else np.stack([np.sign(v + 0.1) for v in others[:count]])
        denoiser = unlabelled if labels is None else Labelled(straight, labels)
        for i, x in enumerate(x_1):
            label = None if labels is None else int(labels[i])
            fine = Integral(x, label, times)
            if not row["density"]:
                flow = impl.probability_flow(STEEP, x_1, denoiser, probes, times)
                for where, want in fine.x_T.items():
                    check("x_T", (i, *where), flow.x_T, want.exact, u * want.error)
                for k in range(count or 1):
                    want = fine.volume
                    check("volume", (k, i), flow.log_volume, want.exact, u * want.error)
                continue
            *upper, lowest = times[:-1]
            coarse = Integral(x, label, (*upper[::2], lowest, 0))
            got = impl.flow_log_density(STEEP, x_1, denoiser, probes, times)
            check("log density", (i,), got.nats, fine.log.exact, u * fine.log.error)
            change = abs(coarse.log.exact - fine.log.exact) / 3
            error = u * (fine.log.error + coarse.log.error)
            check("error of the steps", (i,), got.step_error, change, error)
            check("error of the probes", (i,), got.probe_error, mpf(0), 2 * error)

    each_row(FLOWS, check_row)


def unused_in_a_loss(row: Row) -> set[str]:
    """Return gamma without a squared error, and grey levels without a decoder, at t = 1."""
    t = row.get("t", (1,))[: row.get("samples", 3)]
    unused = {"gamma"} if row.get("loss") == "vlb" else set()
    return unused | ({"grey_levels"} if row.get("loss") == "simple" or 1 not in t else set())


LOSSES = Options(
    {
        "loss": ("simple", "vlb", "hybrid"),
        "prediction": PREDICTIONS,
        "gamma": (None, 0.25, 5.0),
        "grey_levels": (None, 2, 5, 256),
        "t": ((1, 1, 1), (T, T, T), (2, 1, T)),
        "samples": (1, 3),
    },
    without_effect=unused_in_a_loss,
)


def min_snr_weight(name: str, gamma: float, t: int) -> mpf:
    """Return min(SNR, gamma) (d x_0 / d prediction)^2. Eq. losses.min-snr."""
    scale, var = exact.kernel(STEEP, 0, t)
    slope = {"x0": mpf(1), "eps": var / scale**2, "v": var, "score": (var / scale) ** 2}[name]
    return min(scale**2 / var, mpf(gamma)) * slope


def test_training_losses_with_all_pairs_of_options(impl: Implementation):
    """Eq. losses.simple, losses.min-snr, learned-variance.hybrid and importance-mean."""

    def check_row(row: Row) -> None:
        loss, name, gamma, grey = (
            row[each] for each in ("loss", "prediction", "gamma", "grey_levels")
        )
        x_0, t = data_of(grey, row["samples"]), np.array(row["t"][: row["samples"]])
        _, value, target, said, x_t, _ = (each / 4 for each in rows_of(row["samples"]))
        output = value if loss == "simple" else np.concatenate([value, said], axis=1)
        got = impl.objective(STEEP, loss, name, gamma, output, target, x_0, x_t, t, grey)
        n, u = x_0[0].size, mpf(impl.unit_roundoff)
        for i, high in enumerate(map(int, t)):
            squares, terms = [], []
            for where in elements(x_0[i]):
                at = (i, *where)
                squares.append((mpf(value[at]) - mpf(target[at])) ** 2)
                x0_hat = converted(STEEP, name, value[at], x_t[at], high)
                v = (mpf(said[at]) + 1) / 2
                kernel = learned_kernel(STEEP, v, x0_hat, mpf(x_t[at]), high - 1, high)
                terms.append(term(STEEP, x_0[at], x_t[at], high - 1, high, kernel, grey))
            plain, of_bound = sum(squares) / n, total(terms)
            check("squared error", (i,), got.plain, plain, u * (n + 8) * plain)
            weight = mpf(1) if gamma is None else min_snr_weight(name, gamma, high)
            per = n + 16 + 32 * exact.kappa(STEEP, 0, high)
            simple = Bounded(weight * plain, per * weight * plain)
            fraction = {"simple": mpf(0), "vlb": mpf(1) / n, "hybrid": mpf("0.001") * T / n}[loss]
            want = (0 if loss == "vlb" else simple.exact) + fraction * of_bound.exact
            error = simple.error + fraction * (of_bound.error + 8 * abs(of_bound.exact))
            check(loss, (i,), got.minimised, want, u * error)

    each_row(LOSSES, check_row)
