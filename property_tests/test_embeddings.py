"""The sinusoidal embedding of timesteps and the Fourier features, entry by entry."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .oracles.exact import mp, mpf
from .protocol import Array, Implementation
from .statistics.tolerances import check, elements

ORACLE = "sines and cosines in 60 digits"

FLOAT32 = 2.0**-24


EVEN = st.integers(1, 64).map(lambda half: 2 * half)
TIMESTEPS = st.lists(st.integers(0, 4000), min_size=1, max_size=8)


@pytest.mark.convention
@given(t=TIMESTEPS, width=EVEN)
def test_entries_are_sines_and_cosines_of_their_angles(impl: Implementation, t, width):
    """Eq. embeddings.sinusoidal, in the documented layout of the implementation.

    A value of at most 1 is rounded once to float32, to u32. The error of an angle of t f radians is
    4 u t: 3 u relative in log f, where f |log f| <= 1 / e, and 2.5 u for exp and the product.
    """
    got = impl.embedding(np.array(t, np.int64), width)
    check_entries(impl, got, t, width, impl.embedding_layout().max_period)


@pytest.mark.convention
@given(t=TIMESTEPS, width=EVEN, periods=st.permutations([100.0, 1000.0, 10_000.0, 2.0**20]))
@example(t=[937], width=6, periods=[100.0, 10_000.0])
def test_longest_period_is_an_argument(impl: Implementation, t, width, periods):
    """Eq. embeddings.sinusoidal for several periods in turn, with equal timesteps and widths."""
    for period in periods:
        got = impl.embedding_of_period(np.array(t, np.int64), width, period)
        check_entries(impl, got, t, width, period)


def check_entries(impl: Implementation, got: Array, t: list[int], width: int, period: float):
    half, interleaved = width // 2, impl.embedding_layout().interleaved
    frequencies = [mpf(period) ** (-mpf(i) / half) for i in range(half)]
    assert got.shape == (len(t), width)
    for row, timestep in enumerate(t):
        for i, frequency in enumerate(frequencies):
            angle = timestep * frequency
            sine, cosine = (2 * i, 2 * i + 1) if interleaved else (i, half + i)
            allowed = mpf(FLOAT32) + 4 * mpf(impl.unit_roundoff) * (1 + timestep)
            check("sine", (row, sine), got, mp.sin(angle), allowed)
            check("cosine", (row, cosine), got, mp.cos(angle), allowed)


@given(
    pixels=st.lists(st.floats(-1.0, 1.0, width=32), min_size=12, max_size=12),
    frequencies=st.lists(st.integers(-4, 8), max_size=3).map(tuple),
)
@example(pixels=[0.125 * i - 0.75 for i in range(12)], frequencies=(3, 0, 4))
@example(pixels=[0.125 * i - 0.75 for i in range(12)], frequencies=(-1, -3))  # periods above 2
def test_fourier_features_follow_the_image_channels(impl: Implementation, pixels, frequencies):
    """Eq. embeddings.fourier: x, then sin(2^k pi x) and cos(2^k pi x) of all channels for each k.

    pi and one product are rounded, 2 u of the angle; the sine itself to 2 u of at most 1.
    """
    x = np.array(pixels).reshape(2, 2, 1, 3)
    image, *features = np.split(
        impl.fourier_features(x, frequencies), 1 + 2 * len(frequencies), axis=1
    )
    assert np.array_equal(image, x)
    for i, k in enumerate(frequencies):
        for where in elements(x):
            angle = mpf(2) ** k * mp.pi * mpf(float(x[where]))
            allowed = 2 * mpf(impl.unit_roundoff) * (abs(angle) + 1)
            check(f"sine of frequency {k}", where, features[2 * i], mp.sin(angle), allowed)
            check(f"cosine of frequency {k}", where, features[2 * i + 1], mp.cos(angle), allowed)


def test_embeddings_of_all_timesteps_differ(impl: Implementation):
    """Eq. embeddings.sinusoidal is injective on 0..4000: neighbours differ in the first sine.

    The chord of one radian has the length 2 sin(1/2).
    """
    got = impl.embedding(np.arange(4001), 32)
    steps = np.linalg.norm(np.diff(got, axis=0), axis=1)
    assert steps.min() >= 2 * np.sin(0.5) - 4 * FLOAT32
    assert len(np.unique(got, axis=0)) == 4001
