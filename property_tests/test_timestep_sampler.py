"""Importance sampling of timesteps: their probabilities follow the newest terms of the bound."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .oracles.exact import mp, mpf
from .protocol import Implementation
from .statistics.precisions import in_each_precision
from .statistics.tolerances import check, check_largest

ORACLE = "the newest ten terms of each timestep, kept in lists; Eq. 18 of Nichol & Dhariwal"

HISTORY = 10
UNIFORM = mpf("0.001")

sizes = st.floats(0.0, 64.0, width=32)


@st.composite
def histories(draw: st.DrawFn) -> tuple[int, list[tuple[int, float]]]:
    """Draw T and (timestep, term) pairs, which may leave one timestep with nine terms."""
    T = draw(st.integers(1, 3))
    times = [t for t in range(1, T + 1) for _ in range(HISTORY)]
    times += draw(st.lists(st.integers(1, T), max_size=12))
    times = draw(st.permutations(times))
    if draw(st.integers(0, 3)) == 0:
        times.remove(draw(st.integers(1, T)))
    return T, [(t, draw(sizes) * draw(st.sampled_from([1, -1]))) for t in times]


def overwritten(T: int) -> tuple[int, list[tuple[int, float]]]:
    """Thirteen terms of each timestep, all different: the first three no longer count."""
    terms = [(1 + i % T, (-1.0) ** i * (1 + 0.1 * i + i % T)) for i in range(13 * T)]
    return T, terms


@given(history=histories(), batch=st.integers(1, 30))
@example(history=overwritten(3), batch=1)
@example(history=overwritten(3), batch=39)
@example(history=overwritten(2), batch=7)
@example(history=(2, [(1, 1.0)] * 10 + [(2, 1.0)] * 9), batch=4)
@example(history=(2, [(1, 1.0)] * 10 + [(2, 3.0)] * 10), batch=4)
@example(history=(2, [(1, 1.0)] * 10 + [(2, 3.0)] * 10 + [(1, 5.0)]), batch=1)
def test_probabilities_follow_the_newest_ten_terms(impl: Implementation, history, batch: int):
    """Eq. learned-variance.mixture: uniform until each timestep has ten, however they arrive.

    A root mean square of ten has 14 roundings at most, half of them by the root; then as for
    learned-variance.importance, and two for the mixture.
    """
    T, terms = history
    parts = [terms[i : i + batch] for i in range(0, len(terms), batch)]
    updates = [
        (np.array([t for t, _ in part], np.int64), np.float64([term for _, term in part]))
        for part in parts
    ]
    got = impl.importance(T, updates)
    every = {t: [mpf(term) for each, term in terms if each == t] for t in range(1, T + 1)}
    newest = {t: each[-HISTORY:] for t, each in every.items()}
    ready = all(len(each) == HISTORY for each in newest.values())
    roots = [mp.sqrt(sum(x * x for x in each) / HISTORY) for each in newest.values()]
    total = sum(roots)
    for i, root in enumerate(roots):
        importance = root / total if ready and total else mpf(1) / T
        want = (1 - UNIFORM) * importance + UNIFORM / T
        check("probability", (i,), got, want, (T + 16) * mpf(impl.unit_roundoff) * want)


@given(history=histories())
@example(history=(3, [(t, 0.0 if t == 2 else 5.0) for t in (1, 2, 3) for _ in range(HISTORY)]))
def test_no_timestep_is_lost(impl: Implementation, history):
    """Eq. learned-variance.mixture: at least 0.001 / T even if all terms are 0; the sum is 1."""
    T, terms = history
    updates = [(np.array([t], np.int64), np.float64([term])) for t, term in terms]
    got = impl.importance(T, updates)
    assert (got >= 0.001 / T * (1 - 8 * impl.unit_roundoff)).all()
    assert abs(got.sum() - 1) <= (T + 32) * impl.unit_roundoff


@pytest.mark.complete
def test_probabilities_of_many_timesteps_from_large_batches(impl: Implementation):
    """Eq. learned-variance.mixture for T = 1001, from one batch of all terms and from 77 of 169.

    Of ten or thirteen terms of each timestep, all different, the newest ten count. They are exact
    in every dtype. A root mean square of ten has 14 roundings.
    """
    T = 1001
    allowed = (T + 32) * impl.unit_roundoff
    check_largest("uniform", impl.importance(T, []) * T, np.ones(T), allowed)
    for rounds, parts in ((10, 1), (13, 1), (13, 77)):
        t = np.repeat(np.arange(1, T + 1), rounds)
        terms = 1.0 + np.tile(np.arange(rounds), T) / 8 + t % 7
        size = np.sqrt((terms.reshape(T, rounds)[:, -HISTORY:] ** 2).mean(axis=1))
        want = 0.999 * size / size.sum() + 0.001 / T
        pairs = list(zip(np.split(t, parts), np.split(terms, parts), strict=True))
        for at in in_each_precision(impl)[: 4 if parts > 1 else 1]:
            check_largest("probability", at.impl.importance(T, pairs) / want, np.ones(T), allowed)
        found = impl.differentiate("importance", (T, pairs), [want])
        check_largest("probability", found.outputs[0] / want, np.ones(T), allowed)
