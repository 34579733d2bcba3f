"""Classifier-free guidance: the line through two predictions, and how often they are evaluated."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .oracles import mixture
from .oracles.exact import kappa, kernel, mp, mpf
from .protocol import NO_LABEL, Array, ConditionalDenoiser, Guidance, Implementation, Times
from .statistics.monte_carlo import Ledger
from .statistics.precisions import in_each_precision
from .statistics.statistics import Finding, binomials
from .statistics.tolerances import allowance, check, check_largest, elements, equal
from .strategies import STEEP

ORACLE = "the line through both predictions in 60 digits; the score of a mixture by differentiation"

# Batch == width. The standard deviations of both predictions differ, also between samples.
X_T = np.float64([[0.5, -1.25, 2.0], [3.0, 0.375, -0.75], [1.0, -2.0, 0.25]])
LABELS = np.array([2, 0, 7])
SCALES = st.floats(0, 16)


def predictions(x_t: Array, t: int, labels: Times | None) -> Array:
    """Predict a sine of each sample without a label, and a line for each label."""
    given = np.full(len(x_t), NO_LABEL) if labels is None else labels
    label = given[:, None]
    return np.where(label == NO_LABEL, np.sin(3 * x_t + t), x_t / (1 + label) - label / 4)


class Recorder:
    """A denoiser that records its calls."""

    def __init__(self, denoiser: ConditionalDenoiser = predictions) -> None:
        self.denoiser = denoiser
        self.calls: list[tuple[Array, int, Times | None]] = []

    def __call__(self, x_t: Array, t: int, labels: Times | None) -> Array:
        self.calls.append((x_t.copy(), t, None if labels is None else labels.copy()))
        return self.denoiser(x_t, t, labels)


@pytest.mark.parametrize("together", [True, False])
@given(scale=SCALES)
@example(scale=3.0)
@example(scale=0.3)
@example(scale=1 + 2.0**-20)
def test_guided_prediction_is_on_the_line_through_both(impl: Implementation, together, scale):
    """Eq. guidance.guess: scale 0 is unconditional, 1 conditional, 3 twice as far beyond.

    Three roundings precede the sum, each of at most scale * (|conditional| + |unconditional|).
    """
    got = impl.guided(Guidance(predictions, scale, together=together), X_T, 3, LABELS)
    labelled, unlabelled = predictions(X_T, 3, LABELS), predictions(X_T, 3, None)
    for where in elements(got):
        y, z, g = mpf(labelled[where]), mpf(unlabelled[where]), mpf(scale)
        size = (1 + g) * (abs(y) + abs(z))
        check("prediction", where, got, z + g * (y - z), 4 * impl.unit_roundoff * size)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_guidance_does_not_change_a_learned_variance(impl: Implementation, together, scale):
    """Eq. guidance.guess applies to the prediction; the variance is the conditional one."""
    got = impl.guided_interpolation(Guidance(predictions, scale, together=together), X_T, 3, LABELS)
    check_largest("interpolation", got, predictions(X_T, 3, LABELS), 0.0)


@pytest.mark.parametrize("case", ["scale 0", "scale 1", "no labels"])
def test_single_prediction_takes_a_single_evaluation(impl: Implementation, case):
    """Eq. guidance.guess at its ends, bit for bit: one evaluation of this batch and branch."""
    scale = {"scale 0": 0.0, "scale 1": 1.0, "no labels": 3.0}[case]
    labels = None if case == "no labels" else LABELS
    evaluated = Recorder()
    got = impl.guided(Guidance(evaluated, scale, rescale=0.5), X_T, 3, labels)
    want = predictions(X_T, 3, LABELS if case == "scale 1" else None)
    assert equal(got, want), f"{case} returns the prediction of another branch"
    assert len(evaluated.calls) == 1, f"{case} evaluates {len(evaluated.calls)} times"
    x_t, t, _ = evaluated.calls[0]
    assert np.array_equal(x_t, X_T), f"{case} evaluates another batch"
    assert t == 3, f"{case} evaluates at t = {t}"


def test_both_predictions_take_one_batched_evaluation_or_two(impl: Implementation):
    """Eq. guidance.guess: together it is one batch of twice the size, with both labels."""
    together, apart = Recorder(), Recorder()
    impl.guided(Guidance(together, 3.0), X_T, 3, LABELS)
    impl.guided(Guidance(apart, 3.0, together=False), X_T, 3, LABELS)
    assert len(together.calls) == 1, f"together there are {len(together.calls)} evaluations"
    x_t, t, labels = together.calls[0]
    assert labels is not None, "together the labels are missing"
    assert t == 3, f"together the evaluation is at t = {t}"
    rows = {(tuple(x), int(label)) for x, label in zip(x_t.tolist(), labels, strict=True)}
    assert len(x_t) == 2 * len(X_T), f"together there are {len(x_t)} samples, not {2 * len(X_T)}"
    assert rows == {(tuple(x), each) for i, x in enumerate(X_T.tolist()) for each in pair(i)}
    assert len(apart.calls) == 2, f"apart there are {len(apart.calls)} evaluations"
    for x_t, t, _ in apart.calls:
        assert np.array_equal(x_t, X_T), "apart, an evaluation is of another batch"
        assert t == 3, f"apart, an evaluation is at t = {t}"


def pair(i: int) -> tuple[int, int]:
    return int(LABELS[i]), NO_LABEL


def test_one_batched_evaluation_equals_two(impl: Implementation):
    """Eq. guidance.guess when a larger batch may change the order of summation.

    The sum of n terms has an error of (n - 1) u of their size, each product of u, in both.
    """
    weights = np.sin(np.arange(64.0)).reshape(8, 8)
    x_t = np.cos(np.arange(24.0)).reshape(3, 8)

    def matrix(x: Array, t: int, labels: Times | None) -> Array:
        given = np.full(len(x), NO_LABEL) if labels is None else labels
        return x @ weights * given[:, None]

    one, two = (
        impl.guided(Guidance(matrix, 3.0, together=together), x_t, 3, LABELS)
        for together in (True, False)
    )
    size = float((np.abs(x_t) @ np.abs(weights)).max()) * NO_LABEL
    terms = 2 * (8 + 1) * float(np.finfo(np.float64).epsneg)  # and the product with the label
    line = 2 * 4 * impl.unit_roundoff
    check_largest("prediction", one, two, (terms + line) * (1 + 3.0) * 2 * size)


@pytest.mark.parametrize("t", [*range(1, 6), 1001, 4001])
@pytest.mark.parametrize("interval", [(2, 4), (3, 3), (1, 5), (2, 4000)])
def test_guidance_interval_leaves_other_timesteps_conditional(impl: Implementation, interval, t):
    """Eq. guidance.guess with scale 1 there, bit for bit; the interval includes both ends.

    A table of scales in float32 would round 3.3.
    """
    inside = interval[0] <= t <= interval[1]
    got = impl.guided(Guidance(predictions, 3.3, interval=interval), X_T, t, LABELS)
    want = impl.guided(Guidance(predictions, 3.3 if inside else 1.0), X_T, t, LABELS)
    assert equal(got, want), f"at t = {t}, {'inside' if inside else 'outside'}"


@given(rescale=st.floats(0, 1, width=32), scale=SCALES.filter(lambda scale: scale not in (0, 1)))
@example(rescale=0.7, scale=3.0)
@example(rescale=1.0, scale=7.5)
@example(rescale=0.0, scale=0.5)
def test_rescaling_restores_the_standard_deviation_of_each_sample(
    impl: Implementation, rescale, scale
):
    """Eq. guidance.rescale: for each sample, over all its elements, including the mean.

    A prediction has an error of 4 u of its size m. The mean adds 3 u m, the difference from it 2 u
    m, and squares, sum, quotient and root 3 u of the standard deviation f, at most m: 12 u m in
    all. So the ratio q of two standard deviations has an error of 12 u (1 + q) m / f + u q, and the
    factor computed from it 6 u (1 + q) more.
    """
    event = X_T.reshape(3, 3, 1)

    def shaped(x_t: Array, t: int, labels: Times | None) -> Array:
        return predictions(x_t[..., 0], t, labels)[..., None]

    got = impl.guided(Guidance(shaped, scale, rescale), event, 3, LABELS)[..., 0]
    labelled, unlabelled = predictions(X_T, 3, LABELS), predictions(X_T, 3, None)
    for i, (with_label, without) in enumerate(zip(labelled, unlabelled, strict=True)):
        ends = [(mpf(y), mpf(z)) for y, z in zip(with_label, without, strict=True)]
        prediction = [z + mpf(scale) * (y - z) for y, z in ends]
        found = std(prediction)
        ratio = std([y for y, _ in ends]) / found
        factor = 1 - mpf(rescale) + mpf(rescale) * ratio
        m = (1 + scale) * (np.abs(with_label) + np.abs(without)).max()
        unit = impl.unit_roundoff * m * (4 * factor + 18 * (1 + ratio) * m / found)
        for j, each in enumerate(prediction):
            check("rescaled prediction", (i, j), got, factor * each, unit)


def test_constant_prediction_is_not_rescaled(impl: Implementation):
    """Eq. guidance.rescale with b = 0: nothing to restore, and no division by zero."""

    def flat(x_t: Array, t: int, labels: Times | None) -> Array:
        return np.full_like(x_t, 0.5) if labels is None else np.full_like(x_t, 2.0)

    guidance, want = Guidance(flat, 3.0, rescale=0.75, together=False), 0.5 + 3 * (2.0 - 0.5)
    for rows in (1, 3, 65):
        arguments = guidance, np.resize(X_T, (rows, 3)), 3, np.resize(LABELS, rows)
        for at in in_each_precision(impl):
            for _ in range(2):
                got = at.impl.guided(*arguments)
                assert (got == want).all(), f"it becomes {got[0, 0]}"


def test_constant_prediction_with_gradients_is_not_rescaled(impl: Implementation):
    """Eq. guidance.rescale: the same, where gradients are recorded."""
    flat = Guidance(lambda x_t, t, labels: np.full_like(x_t, 2.0), 3.0, rescale=0.75)
    found = impl.differentiate("guided", (flat, X_T, 3, LABELS), [X_T])
    assert (found.outputs[0] == 2).all()


def std(values: list[mpf]) -> mpf:
    mean = sum(values) / len(values)
    return mp.sqrt(sum((each - mean) ** 2 for each in values) / len(values))


CLASSES: mixture.Mixture = mixture.BUMPS  # one component per label


@pytest.mark.parametrize("t", range(1, len(STEEP) + 1))
@given(scale=SCALES)
@example(scale=3.0)
def test_guided_score_combines_class_and_mixture_scores(impl: Implementation, t, scale):
    """Eq. guidance.score: the guided score combines those of a class and of the mixture.

    Their weights are the scale and 1 minus the scale. A network trained with label dropout predicts
    the mixture without a label. The denoisers are rounded from 60 digits, to u; the prediction adds
    4 u and the conversion 16 u kappa.
    """
    x_t, labels = np.float64([[-1.0], [0.25], [2.5]]), np.array([0, 2, 1])

    def denoiser(x_t: Array, t: int, labels: Times | None) -> Array:
        rows = [NO_LABEL] * len(x_t) if labels is None else labels
        every = [CLASSES if row == NO_LABEL else CLASSES[row : row + 1] for row in rows]
        found = [[mixture.denoiser(STEEP, *case, t)] for case in zip(every, x_t[:, 0], strict=True)]
        return np.array(found, np.float64)

    prediction = impl.guided(Guidance(denoiser, scale), x_t, t, labels)
    got = impl.convert(STEEP, "x0", "score", prediction, x_t, np.full(3, t))
    both = [denoiser(x_t, t, each) for each in (labels, None)]
    scaled, var = kernel(STEEP, 0, t)
    for where in elements(got):
        x, label = float(x_t[where]), labels[where[0]]
        of_class = mixture.score(STEEP, CLASSES[label : label + 1], x, t)
        of_all = mixture.score(STEEP, CLASSES, x, t)
        g, sizes = mpf(scale), [abs(mpf(each[where])) for each in both]
        size = (scaled * (1 + g) * sum(sizes) + abs(mpf(x))) / var
        allowed = (allowance(impl.unit_roundoff, kappa(STEEP, 0, t), times=2)) * size
        check("score", where, got, g * of_class + (1 - g) * of_all, allowed)


@pytest.mark.parametrize("name", ["eps", "v"])
@given(scale=SCALES)
@example(scale=3.0)
def test_guidance_commutes_with_conversion(impl: Implementation, name, scale):
    """Eq. guidance.commutes: each target is affine in x0_hat, and the weights sum to 1."""
    t = np.full(3, 3)

    def of(x0_hat: Array) -> Array:
        return impl.convert(STEEP, "x0", name, x0_hat, X_T, t)

    got = of(impl.guided(Guidance(predictions, scale), X_T, 3, LABELS))
    pair = of(predictions(X_T, 3, LABELS)), of(predictions(X_T, 3, None))
    unit = float(allowance(impl.unit_roundoff, kappa(STEEP, 0, 3), times=3))
    size = 2 * (1 + scale) * max(float(np.abs(each).max()) for each in (*pair, X_T))
    check_largest(name, got, scale * pair[0] + (1 - scale) * pair[1], unit * size)


DROPOUT = 0.125
STEPS = 28_000


def test_labels_are_dropped_with_the_given_probability(impl: Implementation, ledger: Ledger):
    """Eq. gaussian-oracle.mixture-denoiser needs label dropout; its counts are exact binomials.

    They are counted for all labels, for each label, for pairs in a batch and for pairs in two
    steps. Labels that are not dropped do not change.
    """
    claim = ledger.claim("guidance.label-dropout", DROPOUT, scalars=STEPS)
    labels = np.arange(STEPS) % NO_LABEL
    first, second = (impl.drop_labels(labels, DROPOUT, claim.seed + i) for i in range(2))
    for left in (first, second):
        assert left.shape == labels.shape, f"{labels.shape} labels come back as {left.shape}"
        assert (left[left != NO_LABEL] == labels[left != NO_LABEL]).all(), "a label has changed"
    gone = first == NO_LABEL
    by_label = [int(gone[labels == label].sum()) for label in range(NO_LABEL)]
    claim.check(
        [
            label_count("dropped", gone, DROPOUT),
            binomials(np.array(by_label), np.full(NO_LABEL, DROPOUT), STEPS // NO_LABEL),
            label_count("neighbours dropped", gone[::2] & gone[1::2], DROPOUT**2),
            label_count("dropped in two steps", gone & (second == NO_LABEL), DROPOUT**2),
        ]
    )


def label_count(name: str, found: Array, probability: float) -> Finding:
    """Test the number of true entries, which is binomial."""
    count = np.array([int(found.sum())])
    return binomials(count, np.array([probability]), len(found))._replace(name=name)


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_label_dropout_at_probability_zero_and_one(impl: Implementation, probability):
    """The limits of label dropout are deterministic."""
    labels = np.arange(4096) % NO_LABEL
    left = impl.drop_labels(labels, probability, seed=0)
    assert np.array_equal(left, np.full_like(labels, NO_LABEL) if probability else labels)
