"""Noise prediction networks: any image size, independent samples, gradients everywhere."""

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from .protocol import Array, Implementation, Times
from .statistics.tolerances import equal

ORACLE = "the network itself on a modified batch"


class Inputs(NamedTuple):
    """Noisy images and their timesteps."""

    x_t: Array
    t: Times


@st.composite
def batches(draw: st.DrawFn) -> Inputs:
    """Draw odd, unequal and tiny sizes, including batch == channels == height == width."""
    shape = draw(st.sampled_from([(3, 3, 3, 3), (2, 1, 8, 8), (4, 1, 5, 7), (2, 3, 1, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32), label="seed"))
    return Inputs(rng.standard_normal(shape), rng.integers(1, 1001, shape[0]))


@given(batch=batches())
def test_output_is_zero_at_initialization(impl: Implementation, batch: Inputs):
    """The last layer is initialized to zero: the output has the images' shape and is 0."""
    assert not impl.network(*batch, perturbed=False).any()


@given(batch=batches())
def test_evaluation_is_deterministic(impl: Implementation, batch: Inputs):
    """There is no dropout or other noise in evaluation mode, and the output is not 0."""
    output = impl.network(*batch, perturbed=True)
    assert output.any()
    assert equal(output, impl.network(*batch, perturbed=True))


@given(batch=batches(), data=st.data())
def test_images_of_a_batch_are_independent(impl: Implementation, batch: Inputs, data):
    """Changing all other images and timesteps leaves an output unchanged bit for bit."""
    x_t, t = batch
    row = data.draw(st.integers(0, len(t) - 1), label="row")
    others = np.arange(len(t)) != row
    changed = np.where(others[:, None, None, None], 1 - 2 * x_t, x_t)
    output = impl.network(x_t, t, perturbed=True)[row]
    again = impl.network(changed, np.where(others, 1001 - t, t), perturbed=True)[row]
    assert equal(output, again), f"image {row} depends on others"


@given(batch=batches(), data=st.data())
def test_batch_order_does_not_matter(impl: Implementation, batch: Inputs, data):
    """network(x[order]) is network(x)[order], up to rounding that depends on the position.

    A hundredth of the distance to the nearest other output separates rounding from wrong images.
    """
    x_t, t = batch
    order = np.array(data.draw(st.permutations(range(len(t))), label="order"))
    there = impl.network(x_t[order], t[order], perturbed=True)
    own = impl.network(x_t, t, perturbed=True)[order]
    for row in range(len(t)):
        off = np.abs(there[row] - own[row]).max()
        apart = min(np.abs(there[row] - own[i]).max() for i in range(len(t)) if i != row)
        assert off < apart / 100, f"image {order[row]} differs in position {row}: {off:.3g}"


@given(batch=batches())
def test_output_depends_on_the_timestep(impl: Implementation, batch: Inputs):
    """The same image at another timestep, near or far, gives another output."""
    x_t, t = batch
    output = impl.network(x_t, t, perturbed=True)
    for far in (1, 128, 256, 512):
        later = impl.network(x_t, (t - 1 + far) % 1000 + 1, perturbed=True)
        for row in range(len(t)):
            message = f"image {row} at t = {t[row]} and {far} timesteps later"
            assert not np.array_equal(output[row], later[row]), message


@given(batch=batches())
def test_every_parameter_has_a_gradient(impl: Implementation, batch: Inputs):
    """A parameter without a gradient has no effect on the output."""
    found = impl.gradients(*batch)
    assert found
    for name, slope in found.items():
        assert 0 < slope < np.inf, f"the gradient of {name} is {slope}"
