"""Classifier-free guidance: a straight line through two guesses, and what asks for them."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .oracles import mixture
from .oracles.exact import kappa, kernel, mp, mpf
from .protocol import NO_LABEL, Array, ConditionalDenoiser, Guidance, Implementation, Times
from .statistics.monte_carlo import Ledger
from .statistics.statistics import Finding, binomials
from .statistics.tolerances import allowance, check, check_largest, elements
from .strategies import STEEP

ORACLE = "the line through both predictions in 60 digits; the score of a mixture by differentiation"

# Batch == width; the columns of both guesses differ in spread, and so do the samples.
X_T = np.float64([[0.5, -1.25, 2.0], [3.0, 0.375, -0.75], [1.0, -2.0, 0.25]])
LABELS = np.array([2, 0, 7])
SCALES = st.floats(0, 16, width=32)


def predictions(x_t: Array, t: int, labels: Times | None) -> Array:
    """Of each sample: a wave of its own if it has no label, a line by its label if it has one."""
    given = np.full(len(x_t), NO_LABEL) if labels is None else labels
    label = given[:, None]
    return np.where(label == NO_LABEL, np.sin(3 * x_t + t), x_t / (1 + label) - label / 4)


class Asked:
    """A denoiser that keeps what it was called with."""

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
    """Eq. guidance.guess: at 0 the guess without a label, at 1 with it, at 3 twice as far beyond.

    Three roundings stand before the sum, each of at most scale * (|with| + |without|).
    """
    got = impl.guided(Guidance(predictions, scale, together=together), X_T, 3, LABELS)
    labelled, unlabelled = predictions(X_T, 3, LABELS), predictions(X_T, 3, None)
    for where in elements(got):
        y, z, g = mpf(labelled[where]), mpf(unlabelled[where]), mpf(scale)
        size = (1 + g) * (abs(y) + abs(z))
        check("guess", where, got, z + g * (y - z), 4 * impl.unit_roundoff * size)


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_guidance_does_not_change_a_learned_variance(impl: Implementation, together, scale):
    """Eq. guidance.guess is of the guess: a variance stays what it is said to be with the label."""
    got = impl.guided_interpolation(Guidance(predictions, scale, together=together), X_T, 3, LABELS)
    check_largest("interpolation", got, predictions(X_T, 3, LABELS), 0.0)


@pytest.mark.parametrize("case", ["scale 0", "scale 1", "no labels"])
def test_single_prediction_takes_a_single_evaluation(impl: Implementation, case):
    """Eq. guidance.guess at its ends, bit for bit: one call, of this batch, of the right branch."""
    scale = {"scale 0": 0.0, "scale 1": 1.0, "no labels": 3.0}[case]
    labels = None if case == "no labels" else LABELS
    asked = Asked()
    got = impl.guided(Guidance(asked, scale, rescale=0.5), X_T, 3, labels)
    want = predictions(X_T, 3, LABELS if case == "scale 1" else None)
    assert np.array_equal(got, want), f"{case} returns the guess of another branch"
    assert len(asked.calls) == 1, f"{case} asks {len(asked.calls)} times"
    x_t, t, _ = asked.calls[0]
    assert np.array_equal(x_t, X_T), f"{case} asks of another batch"
    assert t == 3, f"{case} asks at t = {t}"


def test_both_predictions_take_one_batched_evaluation_or_two(impl: Implementation):
    """Eq. guidance.guess: together they are one batch of twice the size, with both labels of each
    sample."""
    together, apart = Asked(), Asked()
    impl.guided(Guidance(together, 3.0), X_T, 3, LABELS)
    impl.guided(Guidance(apart, 3.0, together=False), X_T, 3, LABELS)
    assert len(together.calls) == 1, f"together they are {len(together.calls)} calls"
    x_t, t, labels = together.calls[0]
    assert labels is not None, "together they are asked without labels"
    assert t == 3, f"together they are asked at t = {t}"
    rows = {(tuple(x), int(label)) for x, label in zip(x_t.tolist(), labels, strict=True)}
    assert len(x_t) == 2 * len(X_T), f"together they are {len(x_t)} samples of {len(X_T)}"
    assert rows == {(tuple(x), each) for i, x in enumerate(X_T.tolist()) for each in pair(i)}
    assert len(apart.calls) == 2, f"apart they are {len(apart.calls)} calls"
    for x_t, t, _ in apart.calls:
        assert np.array_equal(x_t, X_T), "apart, a call is of another batch"
        assert t == 3, f"apart, a call is at t = {t}"


def pair(i: int) -> tuple[int, int]:
    return int(LABELS[i]), NO_LABEL


def test_one_batched_evaluation_equals_two(impl: Implementation):
    """Eq. guidance.guess with a denoiser whose sums a larger batch may take in another order: n
    terms are summed to (n - 1) u of their size, each product to u, in both."""
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
    check_largest("guess", one, two, (terms + line) * (1 + 3.0) * 2 * size)


@pytest.mark.parametrize("t", range(1, 6))
def test_guidance_interval_leaves_other_timesteps_conditional(impl: Implementation, t):
    """Eq. guidance.guess with scale 1 there, bit for bit; both ends of the interval are inside."""
    inside = 2 <= t <= 4
    got = impl.guided(Guidance(predictions, 3.0, interval=(2, 4)), X_T, t, LABELS)
    want = impl.guided(Guidance(predictions, 3.0 if inside else 1.0), X_T, t, LABELS)
    assert np.array_equal(got, want), f"at t = {t}, {'inside' if inside else 'outside'}"


@given(rescale=st.floats(0, 1, width=32), scale=SCALES.filter(lambda scale: scale not in (0, 1)))
@example(rescale=0.7, scale=3.0)
@example(rescale=1.0, scale=7.5)
@example(rescale=0.0, scale=0.5)
def test_rescaling_restores_the_standard_deviation_of_each_sample(
    impl: Implementation, rescale, scale
):
    """Eq. guidance.rescale: sample by sample, over the whole event, mean and all.

    A guess is right to 4 u of its size m; the mean of three adds 3 u m, the difference from it 2 u
    m, and squares, sum, quotient and root 3 u of the deviation f, at most m: 12 u m in all. So the
    ratio q of two deviations is right to 12 u (1 + q) m / f + u q, and what is made of it to
    6 u (1 + q) more.
    """
    event = X_T.reshape(3, 3, 1)

    def shaped(x_t: Array, t: int, labels: Times | None) -> Array:
        return predictions(x_t[..., 0], t, labels)[..., None]

    got = impl.guided(Guidance(shaped, scale, rescale), event, 3, LABELS)[..., 0]
    labelled, unlabelled = predictions(X_T, 3, LABELS), predictions(X_T, 3, None)
    for i, (with_label, without) in enumerate(zip(labelled, unlabelled, strict=True)):
        ends = [(mpf(y), mpf(z)) for y, z in zip(with_label, without, strict=True)]
        guess = [z + mpf(scale) * (y - z) for y, z in ends]
        found = deviation(guess)
        ratio = deviation([y for y, _ in ends]) / found
        factor = 1 - mpf(rescale) + mpf(rescale) * ratio
        m = (1 + scale) * (np.abs(with_label) + np.abs(without)).max()
        unit = impl.unit_roundoff * m * (4 * factor + 18 * (1 + ratio) * m / found)
        for j, each in enumerate(guess):
            check("rescaled guess", (i, j), got, factor * each, unit)


def test_constant_prediction_is_not_rescaled(impl: Implementation):
    """Eq. guidance.rescale where b is 0: there is nothing to restore, and nothing is divided."""

    def flat(x_t: Array, t: int, labels: Times | None) -> Array:
        return np.full_like(x_t, 0.5) if labels is None else np.full_like(x_t, 2.0)

    got = impl.guided(Guidance(flat, 3.0, rescale=0.75, together=False), X_T, 3, LABELS)
    assert (got == 0.5 + 3 * (2.0 - 0.5)).all(), f"it becomes {got[0, 0]}"


def deviation(values: list[mpf]) -> mpf:
    mean = sum(values) / len(values)
    return mp.sqrt(sum((each - mean) ** 2 for each in values) / len(values))


CLASSES: mixture.Mixture = mixture.BUMPS  # one component for each label


@pytest.mark.parametrize("t", range(1, len(STEEP) + 1))
@given(scale=SCALES)
@example(scale=3.0)
def test_guided_score_combines_class_and_mixture_scores(impl: Implementation, t, scale):
    """Eq. guidance.score: at each level the guided slope of log q is that of the class times the
    scale, and that of all classes together times 1 minus it; without a label a network that is
    trained with dropped ones speaks of the mixture.

    The denoisers are cast from 60 digits, to u; the guess adds 4 u and the conversion 16 u kappa.
    """
    x_t, labels = np.float64([[-1.0], [0.25], [2.5]]), np.array([0, 2, 1])

    def denoiser(x_t: Array, t: int, labels: Times | None) -> Array:
        rows = [NO_LABEL] * len(x_t) if labels is None else labels
        every = [CLASSES if row == NO_LABEL else CLASSES[row : row + 1] for row in rows]
        found = [[mixture.denoiser(STEEP, *case, t)] for case in zip(every, x_t[:, 0], strict=True)]
        return np.array(found, np.float64)

    guess = impl.guided(Guidance(denoiser, scale), x_t, t, labels)
    got = impl.convert(STEEP, "x0", "score", guess, x_t, np.full(3, t))
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
    """Eq. guidance.commutes: each is a straight line of x0_hat, and the weights sum to 1."""
    t = np.full(3, 3)

    def of(x0_hat: Array) -> Array:
        return impl.convert(STEEP, "x0", name, x0_hat, X_T, t)

    got = of(impl.guided(Guidance(predictions, scale), X_T, 3, LABELS))
    pair = of(predictions(X_T, 3, LABELS)), of(predictions(X_T, 3, None))
    unit = float(allowance(impl.unit_roundoff, kappa(STEEP, 0, 3), times=3))
    size = 2 * (1 + scale) * max(float(np.abs(each).max()) for each in (*pair, X_T))
    check_largest(name, got, scale * pair[0] + (1 - scale) * pair[1], unit * size)


SHARE = 0.125
STEPS = 28_000


def test_labels_are_dropped_with_the_given_probability(impl: Implementation, ledger: Ledger):
    """Eq. gaussian-oracle.mixture-denoiser is learned from these: exact binomial counts, of all, of
    each label, of pairs in a batch and of pairs in two steps; kept labels stay what they are."""
    claim = ledger.claim("guidance.label-dropout", SHARE, scalars=STEPS)
    labels = np.arange(STEPS) % NO_LABEL
    first, second = (impl.drop_labels(labels, SHARE, claim.seed + i) for i in range(2))
    for kept in (first, second):
        assert kept.shape == labels.shape, f"{labels.shape} labels come back as {kept.shape}"
        assert (kept[kept != NO_LABEL] == labels[kept != NO_LABEL]).all(), "a kept label is changed"
    gone = first == NO_LABEL
    by_label = [int(gone[labels == label].sum()) for label in range(NO_LABEL)]
    claim.check(
        [
            share("dropped", gone, SHARE),
            binomials(np.array(by_label), np.full(NO_LABEL, SHARE), STEPS // NO_LABEL),
            share("neighbours dropped", gone[::2] & gone[1::2], SHARE**2),
            share("dropped in two steps", gone & (second == NO_LABEL), SHARE**2),
        ]
    )


def share(name: str, found: Array, probability: float) -> Finding:
    """The number of those found is binomial."""
    count = np.array([int(found.sum())])
    return binomials(count, np.array([probability]), len(found))._replace(name=name)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_label_dropout_at_probability_zero_and_one(impl: Implementation, share):
    """The ends of label dropout, which nothing random decides."""
    labels = np.arange(4096) % NO_LABEL
    kept = impl.drop_labels(labels, share, seed=0)
    assert np.array_equal(kept, np.full_like(labels, NO_LABEL) if share else labels)
