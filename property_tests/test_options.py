"""Every pair of option values: samplers, guidance, variances, bounds, flows and losses.

Each row of a covering array is compared with the exact result, part by part.
"""

from itertools import pairwise

import numpy as np
import pytest

from .options.covering import Options, Row
from .options.denoisers import (
    DENOISER,
    Bounded,
    Composed,
    exact_prediction,
    guidance_of,
    labels_of,
    not_guided,
)
from .options.rows import each_row, rows_of
from .options.steps import (
    extrapolated,
    heun_correction,
    one_step,
    roundings,
    with_zero_terminal_snr,
)
from .options.terms import learned_kernel
from .oracles import chains
from .oracles.exact import mp, mpf
from .protocol import (
    NO_LABEL,
    SAMPLERS,
    TIMESTEP_SPACINGS,
    Array,
    Implementation,
    Labelled,
    SamplingSpec,
    Times,
)
from .statistics.tolerances import check, elements
from .strategies import STEEP

ORACLE = "each part in 60 digits from the inputs that it had: conversion, guidance, step, term"
pytestmark = pytest.mark.complete


def can_be_sampled(row: Row) -> bool:
    """Return False for a network at zero SNR other than of x_0, and for Heun's method there."""
    if not row.get("zero_terminal"):
        return True
    above = row.get("spacing", "leading") == "leading" and row.get("steps") in (None, 1, 3)
    return row.get("prediction", "x0") == "x0" and (row.get("sampler") != "heun" or above)


def unused_in_sampling(row: Row) -> set[str]:
    """Return eta except where DDIM adds noise; a single step is from T or from 1."""
    adds_noise = row.get("sampler", "ddim") == "ddim" and row.get("steps") != 1
    unused = set() if adds_noise else {"eta"}
    return unused | not_guided(row, (1, 4) if row.get("steps") == 1 else None)


SAMPLING = Options(
    {
        "sampler": SAMPLERS,
        "eta": (0.0, 0.5, 1.0),
        "spacing": TIMESTEP_SPACINGS,
        "steps": (1, 3, 4),
        "zero_terminal": (False, True),
        "samples": (1, 3),
        **DENOISER,
    },
    can_be_sampled,
    unused_in_sampling,
)


def test_samplers_with_all_pairs_of_options(impl: Implementation):
    """Eq. ancestral.step, ddim.step, dpm-solver.second and heun.step, with guided predictions."""

    def check_row(row: Row) -> None:
        zero, sampler, eta = row["zero_terminal"], row["sampler"], row["eta"]
        denoiser = Composed(impl, STEEP, row)
        times = impl.timestep_spacing(row["spacing"], STEEP, row["steps"], zero)
        x_T, *noises = rows_of(row["samples"])[: len(times) - 1]
        labels = labels_of(row, len(x_T))
        given = denoiser.unlabelled if labels is None else Labelled(denoiser, labels)
        spec = SamplingSpec(STEEP, sampler, times, given, eta, zero)
        got = impl.trajectory(spec, x_T, noises)
        assert tuple(got.times) == times
        betas = with_zero_terminal_snr(STEEP) if zero else STEEP
        path = chains.Path(betas, sampler, times, eta if sampler == "ddim" else 0.0)
        evaluated = iter(denoiser.evaluated)
        for k, (t, s) in enumerate(pairwise(times)):
            x_t, at, x0_hat = next(evaluated)
            assert at == t
            assert np.array_equal(x_t, got.states[k]), f"evaluated at another state, t = {t}"
            check_prediction(impl, row, x_t, t, x0_hat)
            assert np.array_equal(x0_hat, got.predictions[k]), f"reported prediction at t = {t}"
            per, unit = roundings(STEEP, zero, s, t), mpf(impl.unit_roundoff)
            noise = noises[k] if k < len(noises) else 0 * x_T
            euler = next(evaluated) if sampler == "heun" and s else None
            if euler is not None:
                assert euler[1] == s
                check_prediction(impl, row, euler[0], s, euler[2])
            for where in elements(x_t):
                state, prediction, z = (mpf(each[where]) for each in (x_t, x0_hat, noise))
                error = mpf(0)
                if sampler == "dpm++2m" and k > 0:
                    last = mpf(got.predictions[k - 1][where])
                    prediction, error = extrapolated(
                        path, s, t, times[k - 1], prediction, last, per
                    )
                want = one_step(path, s, t, prediction, state, z, per)
                total, error = want.exact, want.error + error
                if euler is not None:
                    check("Euler's step", where, euler[0], total, unit * error)
                    end = mpf(euler[0][where]), mpf(euler[2][where])
                    more = heun_correction(path, s, t, (state, mpf(x0_hat[where])), end, per)
                    total, error = end[0] + more.exact, more.error + 2 * abs(end[0])
                check(f"x_{s}", where, got.states[k + 1], total, unit * error)
        assert next(evaluated, None) is None, "the denoiser is evaluated once more"

    each_row(SAMPLING, check_row)


def check_prediction(impl: Implementation, row: Row, x_t: Array, t: int, x0_hat: Array) -> None:
    """Compare a prediction with that of network, guidance and clipping."""
    for where, want in exact_prediction(STEEP, row, x_t, t).items():
        check(f"x0_hat, t = {t}", where, x0_hat, want.exact, mpf(impl.unit_roundoff) * want.error)


def unused_in_a_step(row: Row) -> set[str]:
    """Return eta and interpolation except where their step adds noise."""
    s, t = row.get("pair", (1, None))
    kind = row.get("step")
    unused = {"eta"} if s == 0 or kind not in (None, "ddim") else set()
    unused |= {"interpolation"} if s == 0 or kind not in (None, "learned") else set()
    return unused | not_guided(row, None if t is None else (t,))


STEPS = Options(
    {
        "step": ("fixed_small", "fixed_large", "learned", "ddim"),
        "eta": (0.0, 0.5, 1.0),
        "pair": ((0, 1), (0, 4), (1, 2), (3, 4), (2, 3), (1, 4)),
        "interpolation": (-0.5, 0.0, 0.25, 1.0, 1.25),
        "samples": (1, 3),
        **DENOISER,
    },
    without_effect=unused_in_a_step,
)


def test_single_steps_with_all_pairs_of_options(impl: Implementation):
    """Eq. ancestral.step, learned-variance.range and ddim.step, with guided predictions."""

    def check_row(row: Row) -> None:
        (s, t), kind, eta = row["pair"], row["step"], row["eta"]
        x_t, noise, *_ = rows_of(row["samples"])
        denoiser, labels = Composed(impl, STEEP, row), labels_of(row, len(x_t))
        x0_hat = denoiser(x_t, t, labels)
        check_prediction(impl, row, x_t, t, x0_hat)
        given = STEEP, x0_hat, x_t
        match kind:
            case "ddim":
                got = impl.ddim_step(STEEP, eta, x0_hat, x_t, s, t, noise)
            case "learned":
                learned = interpolation_of(impl, row, x_t, t)
                got = impl.learned_step(*given, learned, s, t, noise)
            case _:
                got = impl.reverse_step(STEEP, kind, x0_hat, x_t, s, t, noise)
        per = roundings(STEEP, False, s, t)
        path = chains.Path(STEEP, "fixed_small" if kind == "learned" else kind, (t, s), eta)
        for where in elements(x_t):
            prediction, state, z = (mpf(each[where]) for each in (x0_hat, x_t, noise))
            if kind == "learned":
                v = mpf(learned[where])
                kernel = learned_kernel(STEEP, v, Bounded(prediction, mpf(0)), state, s, t)
                added = mp.sqrt(kernel.var) * z if s else mpf(0)
                error = 2 * kernel.mean.error + (kernel.relative + 4) * abs(added)
                want = Bounded(kernel.mean.exact + added, error)
            else:
                want = one_step(path, s, t, prediction, state, z, per)
            check(f"x_{s}", where, got, want.exact, mpf(impl.unit_roundoff) * want.error)

    each_row(STEPS, check_row)


def interpolation_of(impl: Implementation, row: Row, x_t: Array, t: int) -> Array:
    """Return the variance's interpolation of the denoiser, which guidance does not change."""
    labels = labels_of(row, len(x_t))

    def learned(x: Array, at: int, given: Times | None) -> Array:
        unlabelled = np.full(len(x), NO_LABEL) if given is None else given
        return row["interpolation"] + 8.0 * (unlabelled == NO_LABEL)[:, None, None] + 0 * x

    guidance = guidance_of(row, learned)
    if guidance is None or labels is None or row["scale"] == 0:
        return row["interpolation"] + 0 * x_t
    found = impl.guided_interpolation(guidance, x_t, t, labels)
    assert np.array_equal(found, row["interpolation"] + 0 * x_t), "guidance changed a variance"
    return found


PLACES = tuple((interval, t) for interval in DENOISER["interval"] for t in (1, 2, 3, 4))
GUIDANCE = Options(
    {
        **{name: values for name, values in DENOISER.items() if name != "interval"},
        "place": PLACES,  # a timestep and the interval: within it, below it or above it
        "samples": (1, 3),
        "per_sample": (False, True),
    },
    without_effect=not_guided,
)


def test_guidance_with_all_pairs_of_options(impl: Implementation):
    """Eq. guidance.guess, guidance.rescale and images.range, at timesteps in the interval or not.

    With one timestep for each sample, some may be in the interval and some not.
    """

    def check_row(row: Row) -> None:
        interval, t = row["place"]
        row = {**row, "interval": interval}
        x_t, *_ = rows_of(row["samples"])
        denoiser = Composed(impl, STEEP, row)
        check_prediction(impl, row, x_t, t, denoiser(x_t, t, labels_of(row, len(x_t))))
        if row["per_sample"]:
            times = (t - 1 + np.arange(len(x_t))) % 4 + 1
            got = denoiser(x_t, times, labels_of(row, len(x_t)))
            for i, at in enumerate(times):
                rows = exact_prediction(STEEP, row, x_t, int(at))
                for where, want in rows.items():
                    if where[0] == i:
                        unit = mpf(impl.unit_roundoff) * want.error
                        check("x0_hat", where, got, want.exact, unit)

    each_row(GUIDANCE, check_row)
