"""Timesteps of a batch: what they look up, what they multiply, and which ones are refused."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .protocol import Betas, Implementation, Times
from .statistics.precisions import in_each_precision
from .strategies import shapes

ORACLE = "indexing by hand; the order 0 <= s < t <= T, sample by sample"

T = 1000
timesteps = st.integers(0, T) | st.integers(-3, T + 3) | st.sampled_from([0, 1, T - 1, T])
batches = st.lists(st.tuples(timesteps, timesteps), max_size=5)


def array(values: list[int]) -> Times:
    return np.array(values, np.int64)


@given(size=st.integers(1, 9), data=st.data())
def test_each_sample_is_looked_up_at_its_own_timestep(impl: Implementation, size: int, data):
    """Eq. schedules.log-alpha-bar: the entry itself, of shape () for an int; also for no sample."""
    table = np.sqrt(2.0) * np.arange(size) - 1
    t = data.draw(st.lists(st.integers(0, size - 1), max_size=4), label="t")
    assert impl.look_up(table, array(t)).tolist() == [table[each] for each in t]
    for each in t:
        assert impl.look_up(table, each) == table[each]


@pytest.mark.parametrize("batch", [False, True])
@given(shape=shapes)
def test_a_coefficient_gets_one_entry_per_sample(impl: Implementation, batch: bool, shape):
    """Eq. forward-process.sample: each sample has its own coefficient, even if batch == width."""
    x = np.ones(shape)
    coef = np.sqrt(np.arange(1.0, shape[0] + 1)) if batch else np.float64(3.0)
    product = impl.coefficient(np.asarray(coef), x) * x
    assert product.shape == shape
    for i, row in enumerate(product):
        assert (row == np.broadcast_to(coef, shape[:1])[i]).all()


@pytest.mark.convention
@given(pairs=batches)
@example(pairs=[])
@example(pairs=[(0, T)])
@example(pairs=[(T - 1, T), (0, 1)])
@example(pairs=[(0, 1), (0, 5), (0, -3), (0, T + 1)])  # t at fault behind samples at its bounds
@example(pairs=[(0, T), (0, 5), (0, T + 2), (0, -1), (0, 3)])
@example(pairs=[(0, 5), (T - 1, T), (T, T)])
@example(pairs=[(0, 1), (-2, 7), (3, 9), (-1, 4)])
@example(pairs=[(0, 5), (6, 6), (8, 7)])
def test_the_first_invalid_pair_is_named(impl: Implementation, pairs):
    """Eq. schedules.alpha-between needs 0 <= s < t <= T; the message tells where that is not so."""
    s, t = ([pair[i] for pair in pairs] for i in range(2))
    said = impl.pair_refusal(array(s), array(t), T)
    at_fault = (
        *((i, late) for i, late in enumerate(t) if not 1 <= late <= T),
        *((i, early) for i, early in enumerate(s) if not 0 <= early <= T - 1),
        *((i, early) for i, (early, late) in enumerate(pairs) if early >= late),
    )
    if not at_fault:
        assert said == ""
        return
    i, value = at_fault[0]
    assert f"[{i}]" in said or f"sample {i}" in said, said
    assert f"= {value}" in said, said


@given(s=timesteps, t=timesteps)
@example(s=4, t=4)
@example(s=0, t=1)
@example(s=T - 1, t=T)
@example(s=-1, t=T + 1)
def test_an_int_counts_for_the_whole_batch(impl: Implementation, s: int, t: int):
    """Eq. schedules.alpha-between: an int is accepted exactly when that timestep is everywhere."""
    valid = 0 <= s < t <= T
    for early in (s, array([s, s])):
        for late in (t, array([t, t])):
            said = impl.pair_refusal(early, late, T)
            assert (said == "") == valid, f"s = {early}, t = {late}: {said!r}"


@pytest.mark.convention
@pytest.mark.parametrize("T", [4, 1001])
@pytest.mark.parametrize("rows", [1, 3, 65])
def test_timesteps_are_refused_in_every_precision(impl: Implementation, rows: int, T: int):
    """Eq. forward-process.step for a pair in the wrong order, and for one outside 0..T."""
    impl.pair_refusal(0, 1, T)  # or not offered
    for at in in_each_precision(impl):
        for arguments, wrong in refused(T, rows):
            for _ in range(2):
                with pytest.raises(ValueError, match=str(wrong)):
                    at.impl.q_step(*arguments)


@pytest.mark.convention
@pytest.mark.parametrize("T", [4, 1001])
@pytest.mark.parametrize("rows", [1, 3, 65])
def test_timesteps_are_refused_where_a_gradient_flows(impl: Implementation, rows: int, T: int):
    """Eq. forward-process.step: the same pairs."""
    impl.pair_refusal(0, 1, T)  # or not offered
    for arguments, wrong in refused(T, rows):
        x = arguments[1]
        with pytest.raises(ValueError, match=str(wrong)):
            impl.differentiate("q_step", arguments, [x, x])


def refused(T: int, rows: int) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield arguments of `q_step` with one wrong pair, which is the last, and its timestep."""
    betas: Betas = (2.0**-10,) * T
    x, valid = np.ones((rows, 2)), np.arange(rows) % 3
    for early, late, wrong in ((0, T + 1, T + 1), (-1, 1, -1), (3, 3, 3), (3, 2, 3)):
        s, t = valid.copy(), valid + 1
        s[-1], t[-1] = early, late
        yield (betas, x, s, t), wrong
        yield (betas, x, early, late), wrong
