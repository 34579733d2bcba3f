"""Every pair of option values of variational bounds, their decoders and their estimates."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest

from .options.covering import Options, Row
from .options.denoisers import DENOISER, Bounded, Composed, labels_of, network, not_guided
from .options.rows import data_of, each_row, rows_of
from .options.terms import (
    Kernel,
    decoder_of,
    density,
    fixed_kernel,
    given_kernel,
    prior,
    term,
    total,
)
from .options.terms import learned_kernel as exact_learned_kernel
from .oracles import exact
from .oracles.exact import mpf
from .protocol import PREDICTIONS, Array, Gaussian, Implementation, Labelled, Times
from .statistics.tolerances import check, elements
from .strategies import STEEP

ORACLE = "densities and masses of grey levels in 60 digits, from the inputs that each term had"
pytestmark = pytest.mark.complete

T = len(STEEP)
VARIANCES = ("fixed_small", "fixed_large", "learned")
GREY = (None, 2, 5, 256)


def kernel_of(
    impl: Implementation, variance: str, x0_hat: Array, x_t: Array, s: Times, t: Times
) -> Gaussian:
    """Return the reverse kernel of a prediction; a learned variance varies between elements."""
    if variance == "learned":
        return impl.learned_kernel(STEEP, x0_hat, x_t, x_t / 4 + 0.5, s, t)
    return impl.reverse_kernel(STEEP, variance, x0_hat, x_t, s, t)


def exact_kernel(
    impl: Implementation, variance: str, x0_hat: Bounded, x_t: float, s: int, t: int
) -> Kernel:
    if variance == "learned":
        return exact_learned_kernel(STEEP, mpf(x_t) / 4 + mpf(0.5), x0_hat, mpf(x_t), s, t)
    return fixed_kernel(STEEP, variance, decoder_of(impl, variance), x0_hat, mpf(x_t), s, t)


def check_sample(
    what: str, impl: Implementation, at: tuple[int, ...], got: Array, terms: list[Bounded]
) -> None:
    want = total(terms)
    check(what, at, got, want.exact, mpf(impl.unit_roundoff) * want.error)


def unused_in_a_bound(row: Row) -> set[str]:
    """Return a fixed variance if there is only the decoder, where both kinds are the same."""
    times, fixed = row.get("times"), row.get("variance") != "learned"
    unused = {"variance"} if times is not None and len(times) == 2 and fixed else set()
    return unused | not_guided(row, None if times is None else times[:-1])


BOUND = Options(
    {
        "variance": VARIANCES,
        "grey_levels": GREY,
        "times": ((4, 3, 2, 1, 0), (4, 2, 1, 0), (3, 1, 0), (4, 0), (1, 0)),
        "samples": (1, 3),
        **DENOISER,
    },
    without_effect=unused_in_a_bound,
)


def test_bounds_with_all_pairs_of_options(impl: Implementation):
    """Eq. losses.split, losses.decoder and losses.prior of a guided denoiser, for each sample."""

    def check_row(row: Row) -> None:
        times, variance, grey = row["times"], row["variance"], row["grey_levels"]
        x_0 = data_of(grey, row["samples"])
        noises = rows_of(row["samples"])[1 : len(times)]
        denoiser, labels = Composed(impl, STEEP, row), labels_of(row, len(x_0))
        kernels: dict[int, Gaussian] = {}

        def reverse(x_t: Array, s: Times, t: Times) -> Gaussian:
            x0_hat = denoiser(x_t, int(t[0]), labels)
            kernels[int(t[0])] = kernel_of(impl, variance, x0_hat, x_t, s, t)
            return kernels[int(t[0])]

        if variance == "learned":
            got = impl.vlb_terms(STEEP, x_0, reverse, noises, grey, times)
        else:
            given = denoiser.unlabelled if labels is None else Labelled(denoiser, labels)
            got = impl.vlb_of_denoiser(STEEP, variance, x_0, given, noises, grey, times)
        evaluated = {t: (x_t, x0_hat) for x_t, t, x0_hat in denoiser.evaluated}
        assert sorted(evaluated, reverse=True) == [*times[:-1]]
        assert len(evaluated) == len(denoiser.evaluated), "a timestep is evaluated twice"
        for i, (s, t) in enumerate(pairwise(reversed(times))):
            x_t, x0_hat = evaluated[t]
            for row_number, x in enumerate(x_0):
                terms = []
                for where in elements(x):
                    at = (row_number, *where)
                    check_x_t(impl, x_0, noises[times.index(t)], x_t, at, t)
                    prediction = Bounded(mpf(x0_hat[at]), mpf(0))
                    kernel = exact_kernel(impl, variance, prediction, x_t[at], s, t)
                    if t in kernels:
                        kernel = given_kernel(kernels[t].mean[at], kernels[t].var[at])
                    terms.append(term(STEEP, x[where], x_t[at], s, t, kernel, grey))
                check_sample(f"L_{s}", impl, (i, row_number), got, terms)
        check_prior(impl, x_0, got, times[0])

    each_row(BOUND, check_row)


def check_x_t(
    impl: Implementation, x_0: Array, noise: Array, x_t: Array, at: tuple[int, ...], t: int
) -> None:
    want = exact.diffuse(STEEP, t, x_0[at], noise[at])
    unit = 8 * exact.kappa(STEEP, 0, t) * want.size
    check(f"x_{t}", at, x_t, want.exact, mpf(impl.unit_roundoff) * unit)


def check_prior(impl: Implementation, x_0: Array, got: Array, t: int) -> None:
    for i, x in enumerate(x_0):
        want = prior(STEEP, [*x.flat], t)
        unit = mpf(impl.unit_roundoff) * want.error
        check("L_T", (len(got) - 1, i), got, want.exact, unit)


STRATIFIED = Options(
    {
        "strata": (1, 2, 3, 4),
        "antithetic": (False, True),
        "grey_levels": GREY,
        "variance": VARIANCES,
        "of_denoiser": (False, True),  # the implementation composes kernel and denoiser, or we do
        "prediction": PREDICTIONS,
        "labels": (False, True),
        "samples": (1, 3),
    },
    lambda row: not (row.get("of_denoiser") and row.get("variance") == "learned"),
)


def test_stratified_bounds_with_all_pairs_of_options(impl: Implementation):
    """Eq. likelihood.stratum: the terms at the timesteps that each sample draws."""

    def check_row(row: Row) -> None:
        grey, variance = row["grey_levels"], row["variance"]
        x_0, strata, antithetic = data_of(grey, row["samples"]), row["strata"], row["antithetic"]
        labels = labels_of(row, len(x_0))
        calls: list[tuple[Array, Times, Gaussian]] = []

        def denoiser(x_t: Array, t: Times, given: Times | None) -> Array:
            assert (given is None) == (labels is None), f"labels {given}"
            x0_hat = impl.denoised(STEEP, row["prediction"], network, x_t, t, given, False)[0]
            kernel = kernel_of(impl, variance, x0_hat, x_t, t - 1, t)
            calls.append((x_t.copy(), t.copy(), kernel))
            return x0_hat

        def reverse(x_t: Array, s: Times, t: Times) -> Gaussian:
            assert (s == t - 1).all(), "a term is not of a single step"
            denoiser(x_t, t, labels)
            return calls[-1][2]

        if row["of_denoiser"]:
            given = partial(denoiser, given=None) if labels is None else Labelled(denoiser, labels)
            options = strata, antithetic, 3, grey
            got = impl.stratified_vlb_of_denoiser(STEEP, variance, x_0, given, *options)
        else:
            got = impl.stratified_vlb(STEEP, x_0, reverse, strata, antithetic, 3, grey)
        per_stratum = 1 + antithetic
        assert len(calls) == strata * per_stratum, f"{len(calls)} evaluations"
        for k in range(strata):
            low, high = k * T // strata, (k + 1) * T // strata
            batch = calls[k * per_stratum : (k + 1) * per_stratum]
            for i, x in enumerate(x_0):
                t, terms = int(batch[0][1][i]), []
                assert low < t <= high, f"t = {t} is outside of stratum {k}"
                for x_t, times, kernel in batch:
                    assert times[i] == t, "a noise and its negative are at two timesteps"
                    for where in elements(x):
                        at = (i, *where)
                        q = given_kernel(kernel.mean[at], kernel.var[at])
                        terms.append(term(STEEP, x[where], x_t[at], t - 1, t, q, grey))
                if antithetic:
                    mean = (batch[0][0][i] + batch[1][0][i]) / 2
                    scaled = np.sqrt(impl.alpha_bar(STEEP)[t]) * x
                    unit = 32 * impl.unit_roundoff * float(exact.kappa(STEEP, 0, t))
                    assert (abs(mean - scaled) <= unit * (2 + abs(batch[0][0][i]))).all()
                share = mpf(high - low) / per_stratum
                terms = [Bounded(share * each.exact, share * each.error) for each in terms]
                check_sample(f"stratum {k}", impl, (k, i), got, terms)
        check_prior(impl, x_0, got, T)

    each_row(STRATIFIED, check_row)


DECODERS = Options(
    {
        "grey_levels": GREY,
        "t": (1, 2, 4),
        "variance": VARIANCES,
        "prediction": PREDICTIONS,
        "labels": (False, True),
        "latent": (False, True),
        "samples": (1, 3),
    }
)


def test_decoders_with_all_pairs_of_options(impl: Implementation):
    """Eq. probability-flow.data and latent.bound: log q - log p - log p(x_0 | x_t)."""

    def check_row(row: Row) -> None:
        t, grey, x_0 = row["t"], row["grey_levels"], data_of(row["grey_levels"], row["samples"])
        labels, nats = labels_of(row, len(x_0)), np.float64([3.0, -1.5, 0.25])[: len(x_0)]
        x_t = rows_of(row["samples"])[1] / 2
        made: list[Gaussian] = []

        def decoder(x: Array, s: Times, at: Times) -> Gaussian:
            assert [*s, *at] == [0] * len(x) + [t] * len(x), f"evaluated at {at} -> {s}"
            assert np.array_equal(x, x_t), "evaluated at another state"
            x0_hat = impl.denoised(STEEP, row["prediction"], network, x, at, labels, False)[0]
            made.append(kernel_of(impl, row["variance"], x0_hat, x, s, at))
            return made[-1]

        zero, every_t = np.zeros(len(x_0), np.int64), np.full(len(x_0), t)
        if row["latent"]:
            added = Gaussian(x_0 / 2 - 0.25, 0.25 + x_0**2)
            got = impl.latent_bound(x_0, x_t, added, decoder(x_t, zero, every_t), nats, grey)
        else:
            got = impl.flow_bound(STEEP, x_0, x_t, nats, decoder, grey, t)
        (kernel,) = made
        for i, x in enumerate(x_0):
            sign = 1 if row["latent"] else -1  # -log p(y) or log p_1
            terms = [Bounded(sign * mpf(nats[i]), mpf(0))]
            for where in elements(x):
                at = (i, *where)
                q = (
                    given_kernel(added.mean[at], added.var[at])
                    if row["latent"]
                    else marginal(x[where], t)
                )
                given = given_kernel(kernel.mean[at], kernel.var[at])
                terms += [density(x_t[at], q), term(STEEP, x[where], x_t[at], 0, t, given, grey)]
            check_sample("bound", impl, (i,), got, terms)

    each_row(DECODERS, check_row)


def marginal(x_0: float, t: int) -> Kernel:
    """Return q(x_t | x_0)."""
    (scale, var), per = exact.kernel(STEEP, 0, t), 8 * exact.kappa(STEEP, 0, t)
    return Kernel(Bounded(scale * mpf(x_0), per * scale * abs(mpf(x_0))), var, per)
