"""Samples in float32, bfloat16 and float16: the answers are those of float64, rounded."""

from functools import partial
from itertools import permutations

import numpy as np
import pytest

from .differentiable import SCALE, SMOOTH, X, Y, Z, evaluate, name_of, waves
from .options.terms import given_kernel, grey_level
from .protocol import (
    NO_LABEL,
    PRECISIONS,
    PREDICTIONS,
    Array,
    Autoencoder,
    Gaussian,
    Guidance,
    Implementation,
    Precision,
    exact_in,
)
from .statistics.precisions import in_each_precision
from .statistics.tolerances import check, check_largest
from .strategies import STEEP

ORACLE = "the same methods in float64, which have oracles of their own"

# Sums over many elements are float32 for samples of half precision.
IN_FLOAT32 = {
    "loss", "weighted_loss", "objective", "gaussian_kl", "log_grey_level", "latent_bound",
    "vlb_terms", "flow_bound", "latent_kl", "autoencoder_loss", "vlb_of_denoiser",
}  # fmt: skip
# Distributions and x_t on the way are samples, too, and rounded as such.
OF_SAMPLES = {
    "latent_kl", "autoencoder_loss", "vlb_of_denoiser", "vlb_of_denoiser, of a learned variance",
    "latent_draw", "to_latents", "autoencoder_loss, without edges",
    *(f"solver_steps, {name}" for name in ("ddim", "dpm++1", "dpm++2m", "heun")),
    *(f"objective, vlb of {name}" for name in (*PREDICTIONS, "grey levels")),
    "objective, hybrid",
}  # fmt: skip
OPERATIONS = 64  # more than any method makes with an element
ROUNDED = 3  # of OF_SAMPLES: x_t, mean and variance
# Their noise is drawn in the dtype of the samples, so that it is another one in each.
DRAWN = {"training_draw", "stratified_vlb"}
METHODS = [each for each in SMOOTH if name_of(each) not in DRAWN]
SINGLE = PRECISIONS[0]


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
    of them an answer is off by 64 units of the dtype they are made in, times its sensitivity, and
    by three more of the samples' own where it consists of samples that are rounded on the way. The
    cast adds half the spacing of the numbers around each element, which two casts would exceed.
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
            allowed = OPERATIONS * precision.computing * size
            if method in OF_SAMPLES:
                allowed += ROUNDED * precision.rounding * size
            if is_cast and precision.rounding > precision.computing:
                beyond = np.abs(output - exactly) - spacing(exactly, precision) / 2
                check_largest(what, beyond.clip(min=0), 0 * output, allowed)
            else:
                check_largest(what, output, exactly, allowed)
            dtype = precision if is_cast else SINGLE
            if name_of(method) != "flow_bound":  # to which log p_1 is added, in float64
                assert exact_in(output, dtype), f"{what} has digits that {dtype.name} has not"


def spacing(array: Array, precision: Precision) -> Array:
    """Return the distance of neighbouring numbers of the format around each number."""
    _, exponent = np.frexp(array)
    return np.maximum(np.exp2(exponent) * precision.rounding, precision.smallest)


def nearly_cast(precision: Precision, by: int, array: Array) -> Array:
    """Return the nearest numbers of the format; `by` = -1 or 1 breaks ties down or up."""
    units = array * (1 + by * 2.0**-20) / spacing(array, precision)
    return np.round(units) * spacing(array, precision)


def test_latents_are_rounded_once(impl: Implementation):
    """Eq. latent.posterior, latent.scale and latent.unscale, cast once at the end.

    Mean and variance are samples, which may be rounded, too; nothing else is.
    """
    log_var, mean, noise = (np.resize(each, (8, 3, 4, 4)) for each in (Z / 2, X, waves(101)))
    moments = np.concatenate([mean, log_var], axis=1)
    shift, scale = (each.reshape(1, 3, 1, 1) for each in SCALE)
    space = Autoencoder(lambda _: moments, lambda z: z, SCALE)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is None or precision is SINGLE:
            continue
        rounded = [lambda x: x, *(partial(nearly_cast, precision, by) for by in (-1, 0, 1))]
        for name, got, means, variances in (
            ("z", each.latent_draw(moments, noise), [mean], [r(np.exp(log_var)) for r in rounded]),
            (
                "y",
                each.to_latents(space, mean, noise),
                [r((mean - shift) / scale) for r in rounded],
                [last(first(np.exp(log_var)) / scale**2) for first in rounded for last in rounded],
            ),
            ("x", each.from_latents(space, mean), [shift + scale * mean], [0 * mean]),
        ):
            wanted = [m + np.sqrt(v) * noise for m in means for v in variances]
            beyond = [np.abs(got - want) - spacing(want, precision) / 2 for want in wanted]
            least = np.minimum.reduce(beyond).clip(min=0)
            allowed = OPERATIONS * SINGLE.rounding * float(np.abs(wanted[0]).max() + 1)
            check_largest(f"{name} ({precision.name})", least, 0 * least, allowed)


def test_prior_of_half_precision_is_as_accurate_as_float32(impl: Implementation):
    """Eq. losses.prior is a sum in float32 of x_0, which is exact: its mean is not rounded."""
    given = STEEP, 8 * X, lambda x_t, s, t: Gaussian(0 * x_t, 1 + 0 * x_t), [Y], None, (1, 0)
    want, size = impl.vlb_terms(*given)[-1], float(((8 * X) ** 2 + 1).sum())
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is not None:
            got = each.vlb_terms(*given)[-1]
            allowed = OPERATIONS * precision.computing * size
            check_largest(f"prior ({precision.name})", got, want, allowed)


def test_bins_of_many_grey_levels_in_float32(impl: Implementation):
    """Eq. losses.decoder-lowest and losses.decoder-highest: half a bin is 2^-17 beside x_0 = 1."""
    x_0 = np.repeat([-1.0, 1.0], 5)
    mean = x_0 + np.tile([-16.0, -3.0, 0.0, 5.0, 16.0], 2) * 2.0**-20
    var = np.full_like(x_0, 2.0**-32)
    got = impl.in_precision("float32").log_grey_level(Gaussian(mean, var), x_0, 65_536)
    for i, x in enumerate(x_0):
        want = grey_level(x, given_kernel(mean[i], var[i]), 65_536)
        check("-log mass (float32)", (i,), -got, want.exact, SINGLE.rounding * want.error)


def test_rescaling_of_predictions_far_from_zero(impl: Implementation):
    """Eq. guidance.rescale where the squared mean is 1 / u times the variance.

    Predictions, their means, the deviations and the sums of their squares are integers that the
    dtype holds. Two roots, their ratio, the factor and the product are rounded: 8 u (1 + q) of a
    number.
    """
    labelled, unlabelled = np.float64([1, -1, 3, -3]), np.float64([2, -2, 1, -1])
    ratio = np.sqrt(20 / 100)  # of labelled, and of 3 labelled - 2 unlabelled
    for unit, mean, at in (
        (impl.unit_roundoff, 2.0**27, lambda: impl),
        (SINGLE.computing, 2.0**12, lambda: impl.in_precision("float32")),
    ):

        def predict(x_t: Array, t: int, labels: Array | None, mean: float = mean) -> Array:
            none = np.full(len(x_t), NO_LABEL) if labels is None else labels
            return mean + np.where(none[:, None] == NO_LABEL, unlabelled, labelled)

        got = at().guided(Guidance(predict, 3.0, 1.0), np.zeros((2, 4)), 3, np.array([2, 0]))
        want = ratio * (mean + 3 * labelled - 2 * unlabelled)
        allowed = 8 * unit * (1 + ratio) * mean
        check_largest("rescaled prediction", got, np.tile(want, (2, 1)), allowed)


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
