"""Samples in float32, bfloat16 and float16: the answers are those of float64, rounded."""

from itertools import permutations

import numpy as np
import pytest

from .differentiable import SMOOTH, X, Y, evaluate, name_of, waves
from .protocol import PRECISIONS, SAMPLERS, Array, Betas, Implementation, SamplingSpec, exact_in
from .statistics.precisions import in_each_precision
from .statistics.tolerances import check_largest

ORACLE = "the same methods in float64, which have oracles of their own"

# Sums over many elements are float32 for samples of half precision.
IN_FLOAT32 = {
    "loss", "weighted_loss", "objective", "gaussian_kl", "log_grey_level", "latent_bound",
    "vlb_terms", "flow_bound", "latent_kl", "autoencoder_loss", "vlb_of_denoiser",
}  # fmt: skip
# Distributions and x_t on the way are samples, too, and rounded as such.
OF_SAMPLES = {
    "latent_kl", "autoencoder_loss", "vlb_of_denoiser", "vlb_terms", "vlb_terms, of grey levels",
    "objective, vlb",
}  # fmt: skip
OPERATIONS = 64  # more than any method makes with an element
# Their noise is drawn in the dtype of the samples, so that it is another one in each.
DRAWN = {"training_draw", "stratified_vlb"}
METHODS = [each for each in SMOOTH if name_of(each) not in DRAWN]
SINGLE, *HALVES = PRECISIONS


def sensitivity(impl: Implementation, method: str) -> list[float]:
    """Return, for each output, its size plus its largest change for a unit of relative change.

    One sample after the other is made larger by 2^-12.
    """
    samples = SMOOTH[method].samples
    plain = evaluate(impl, method, samples)
    found = [float(np.abs(each).max()) for each in plain]
    for i in range(len(samples)):
        moved = [x * (1 + 2.0**-12) if i == j else x for j, x in enumerate(samples)]
        for k, each in enumerate(evaluate(impl, method, moved)):
            found[k] += float(np.abs(each - plain[k]).max()) * 2.0**12
    return found


@pytest.mark.parametrize("method", METHODS)
def test_answers_are_those_of_float64_rounded(impl: Implementation, method):
    """Eq. rounding.samples: computed in float32 from exact inputs, and cast once at the end.

    The error of an operation is that of a relative change of one of its operands. With at most 64
    of them an answer is off by 64 units of the dtype they are made in, times its sensitivity.
    Each answer is a number of its dtype.
    """
    want, sizes = evaluate(impl, method, SMOOTH[method].samples), sensitivity(impl, method)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is None:
            continue
        is_cast = name_of(method) not in IN_FLOAT32
        got = evaluate(each, method, SMOOTH[method].samples)
        for k, (output, exactly, size) in enumerate(zip(got, want, sizes, strict=True)):
            what = f"output {k} of {method} ({precision.name})"
            unit = precision.rounding if method in OF_SAMPLES else precision.computing
            allowed = OPERATIONS * unit * size
            if is_cast and precision.rounding > precision.computing:
                allowed += precision.rounding * float(np.abs(exactly).max()) + precision.smallest
            check_largest(what, output, exactly, allowed)
            dtype = precision if is_cast else SINGLE
            assert exact_in(output, dtype), f"{what} has digits that {dtype.name} has not"


GRID = tuple(range(48, -1, -1))
SLOW: Betas = (2.0**-8,) * 48  # each step changes the state by less than bfloat16 can represent


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_state_of_half_precision_is_as_accurate_as_float32(impl: Implementation, sampler):
    """Eq. rounding.chain: the rounding of half precision is never that of the state.

    The prediction is constant and exact in every dtype, so that it loses nothing in itself.
    """
    spec = SamplingSpec(SLOW, sampler, GRID, lambda x_t, t: Y)
    tape = [waves(*X.shape, phase=0.1 * i) for i in range(len(GRID) - 1)]
    want = impl.trajectory(spec, X, tape).states
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is not None:
            got = each.trajectory(spec, X, tape).states
            check_largest(f"x_t ({precision.name})", got, want, float32_error(want))


def test_inversion_in_half_precision_is_as_accurate_as_float32(impl: Implementation):
    """Eq. ddim.invert and rounding.chain: a chain of steps upward."""
    spec = SamplingSpec(SLOW, "ddim", GRID, lambda x_t, t: Y)
    want = impl.encode(spec, X, 0)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is not None:
            got = each.encode(spec, X, 0)
            check_largest(f"x_T ({precision.name})", got, want, float32_error(want))


def test_flow_in_half_precision_is_as_accurate_as_float32(impl: Implementation):
    """Eq. probability-flow.step and rounding.chain, with a constant prediction as above."""
    size = X[0].size

    def constant(x_t: Array, t: int) -> tuple[Array, Array]:
        return Y, np.zeros((len(Y), size, size))

    want = impl.probability_flow(SLOW, X, constant, None, GRID)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is not None:
            got = each.probability_flow(SLOW, X, constant, None, GRID)
            for name, output, exactly in zip(want._fields, got, want, strict=True):
                allowed = float32_error(exactly)
                check_largest(f"{name} ({precision.name})", output, exactly, allowed)


def float32_error(states: Array) -> float:
    """Return the error of as many steps, each with that of its operations."""
    return 2 * len(GRID) * OPERATIONS * SINGLE.rounding * float(np.abs(states).max())


@pytest.mark.complete
@pytest.mark.parametrize("method", METHODS)
def test_mixed_dtypes_are_refused_or_computed_as_in_the_coarsest(impl: Implementation, method):
    """Samples that have two dtypes in turn: an error, or the answers of float64, rounded."""
    want, sizes = evaluate(impl, method, SMOOTH[method].samples), sensitivity(impl, method)
    for names in permutations(("float64", *(each.name for each in PRECISIONS)), 2):
        *_, coarsest = [each for each in PRECISIONS if each.name in names]
        try:
            got = evaluate(impl.in_precision(*names), method, SMOOTH[method].samples)
        except (TypeError, ValueError, RuntimeError):
            continue
        for k, (output, exactly, size) in enumerate(zip(got, want, sizes, strict=True)):
            allowed = OPERATIONS * coarsest.rounding * size + coarsest.smallest
            check_largest(
                f"output {k} of {method} ({' and '.join(names)})", output, exactly, allowed
            )
