"""The exponential moving average, as a weighted sum of all preceding weights."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles.exact import mpf
from .protocol import Implementation
from .statistics.tolerances import check, check_largest, equal

ORACLE = "the weighted sum of all weights, in 60 digits"

DECAYS = st.sampled_from([0.0, 0.5, 0.9, 0.999])


@given(
    decay=DECAYS, steps=st.integers(1, 12), values=st.lists(st.floats(-4, 4, width=32), min_size=13)
)
def test_average_is_the_weighted_sum_of_all_weights(impl: Implementation, decay, steps, values):
    """Eq. ema.update: step k has the weight (1 - d_k) d_{k+1} ... d_n, the start d_1 ... d_n.

    Each of n updates rounds three times; no number exceeds the largest weight.
    """
    weights = np.array([values[: steps + 1], values[-steps - 1 :]]).T
    got = impl.ema(decay, weights, 10 * weights)
    assert got.weights.shape == (steps, 2)
    assert got.decays.shape == (steps,)
    size = mpf(float(np.abs(weights).max()))
    for n in range(1, steps + 1):
        d = [mpf(float(each)) for each in got.decays[:n]]
        for column in range(2):
            total, left = mpf(0), mpf(1)
            for k in reversed(range(n)):
                total += left * (1 - d[k]) * mpf(weights[k + 1, column])
                left *= d[k]
            total += left * mpf(weights[0, column])
            allowed = 3 * n * mpf(impl.unit_roundoff) * size
            check("average", (n - 1, column), got.weights, total, allowed)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_averaging_leaves_the_trained_weights(impl: Implementation, decay):
    """Eq. ema.update changes the average alone: training resumes from the weights that it left."""
    weights = np.float64([[0.5, -2.0], [1.5, 3.0], [-4.0, 0.25], [2.0, 1.0]])
    got = impl.trained_weights(decay, weights)
    assert equal(got, weights[1:]), f"{got.tolist()} are left of {weights[1:].tolist()}"


@given(decay=DECAYS, steps=st.integers(1, 12))
def test_buffers_are_copied(impl: Implementation, decay, steps):
    """Eq. ema.update applies to weights; buffers are those of the last step."""
    buffers = np.arange(2.0 * (steps + 1)).reshape(-1, 2)
    got = impl.ema(decay, buffers * 0, buffers).buffers
    assert np.array_equal(got, buffers[-1]), f"buffers are {got}, last seen {buffers[-1]}"


@pytest.mark.parametrize("kind", ["frozen", "count", "flag"])
@pytest.mark.parametrize("decay", [0.0, 0.25, 0.999])
def test_everything_that_a_network_holds_is_updated(impl: Implementation, kind, decay):
    """Eq. ema.update: parameters that are not trained are averaged, buffers of any type copied.

    The average of a frozen parameter is that of a trained one, bit for bit.
    """
    values = np.float64([[3, 0, 1], [0, 7, 1], [2, 5, 0], [1, 4, 2]])
    values = np.sign(values) if kind == "flag" else values
    got = impl.ema_of(kind, decay, values)
    want = impl.ema(decay, values, values).weights[-1] if kind == "frozen" else values[-1]
    assert np.array_equal(got, want), f"{kind}: {got}, not {want}"


@pytest.mark.complete
@given(decay=DECAYS)
def test_decay_is_constant_or_warms_up(impl: Implementation, decay):
    """Eq. ema.decay: d, or with warm-up min(d, (1 + k) / (10 + k)), as the adapter declares."""
    steps = int(10 / (1 - decay)) + 1
    got = impl.ema(decay, np.zeros((steps + 1, 1)), np.zeros((steps + 1, 1))).decays
    k = np.arange(steps)
    want = np.minimum(decay, (1 + k) / (10 + k)) if impl.ema_warms_up() else decay + 0.0 * k
    check_largest("decay", got, want, 2 * impl.unit_roundoff)
