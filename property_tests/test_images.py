"""Grey levels as diffused values."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from .oracles.exact import mpf
from .protocol import Implementation
from .statistics.tolerances import check, elements

ORACLE = "the affine map to [-1, 1], in 60 digits"


@pytest.mark.parametrize("grey_levels", [2, 17, 256])
@given(data=st.data())
def test_grey_levels_span_minus_one_to_one(impl: Implementation, grey_levels, data):
    """Eq. images.range: grey level k of L is 2 k / (L - 1) - 1, to two roundings in float32."""
    drawn = data.draw(
        st.lists(st.integers(0, grey_levels - 1), min_size=4, max_size=4), label="image"
    )
    images = np.array([0, grey_levels - 1, *drawn], np.uint8).reshape(2, 1, 1, 3)
    got = impl.to_unit_range(images, grey_levels)
    assert got.shape == images.shape
    for where in elements(got):
        want = 2 * mpf(int(images[where])) / (grey_levels - 1) - 1
        check("grey level", where, got, want, 3 * mpf(2.0**-24))
    assert (got.min(), got.max()) == (-1, 1)


def test_continuous_images_are_returned_as_they_are(impl: Implementation):
    """Eq. images.range holds for grey levels only: latents are not within [-1, 1]."""
    images = np.arange(24.0).reshape(4, 1, 2, 3) / 4 - 2.5  # exact in float32
    for indices in ([2, 0, 3], [1], [3, 3]):
        got = impl.continuous_images(images.copy(), np.array(indices))
        assert np.array_equal(got, images[indices]), f"indices {indices}"
