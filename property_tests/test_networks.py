"""The contracts of a noise predictor: any size, no image sees another, and all of it learns."""

from typing import NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from .protocol import Array, Implementation, Times

ORACLE = "the network itself on a changed batch"


class Question(NamedTuple):
    """Noisy images and their times."""

    x_t: Array
    t: Times


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Odd, unequal and tiny sizes; batch == channels == height == width among them."""
    shape = draw(st.sampled_from([(3, 3, 3, 3), (2, 1, 8, 8), (4, 1, 5, 7), (2, 3, 1, 2)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32), label="seed"))
    return Question(rng.standard_normal(shape), rng.integers(1, 1001, shape[0]))


@given(question=questions())
def test_output_is_zero_at_initialization(impl: Implementation, question: Question):
    """A zero-initialised last layer: the answer has the images' shape and is 0 everywhere."""
    assert not impl.network(*question, perturbed=False).any()


@given(question=questions())
def test_evaluation_is_deterministic(impl: Implementation, question: Question):
    """No dropout and no other noise in evaluation, and the answer is not 0 any more."""
    answer = impl.network(*question, perturbed=True)
    assert answer.any()
    assert np.array_equal(answer, impl.network(*question, perturbed=True))


@given(question=questions(), data=st.data())
def test_images_of_a_batch_are_independent(impl: Implementation, question: Question, data):
    """Changing all other images and times leaves an answer bit for bit as it was."""
    x_t, t = question
    row = data.draw(st.integers(0, len(t) - 1), label="row")
    others = np.arange(len(t)) != row
    changed = np.where(others[:, None, None, None], 1 - 2 * x_t, x_t)
    answer = impl.network(x_t, t, perturbed=True)[row]
    again = impl.network(changed, np.where(others, 1001 - t, t), perturbed=True)[row]
    assert np.array_equal(answer, again), f"image {row} sees others"


@given(question=questions(), data=st.data())
def test_batch_order_does_not_matter(impl: Implementation, question: Question, data):
    """network(x[order]) is network(x)[order], up to the rounding of another place in the batch.

    A hundredth of the distance to the nearest other answer tells that from another image's answer.
    """
    x_t, t = question
    order = np.array(data.draw(st.permutations(range(len(t))), label="order"))
    there = impl.network(x_t[order], t[order], perturbed=True)
    own = impl.network(x_t, t, perturbed=True)[order]
    for row in range(len(t)):
        off = np.abs(there[row] - own[row]).max()
        apart = min(np.abs(there[row] - own[i]).max() for i in range(len(t)) if i != row)
        assert off < apart / 100, f"image {order[row]} answers otherwise in place {row}: {off:.3g}"


@given(question=questions())
def test_output_depends_on_the_timestep(impl: Implementation, question: Question):
    """The same image at another level gets another answer, the next level or far away."""
    x_t, t = question
    answer = impl.network(x_t, t, perturbed=True)
    for far in (1, 128, 256, 512):
        later = impl.network(x_t, (t - 1 + far) % 1000 + 1, perturbed=True)
        for row in range(len(t)):
            said = f"image {row} at t = {t[row]} and {far} levels on"
            assert not np.array_equal(answer[row], later[row]), said


@given(question=questions())
def test_every_parameter_has_a_gradient(impl: Implementation, question: Question):
    """A parameter without a gradient is one that was wired to nothing."""
    found = impl.gradients(*question)
    assert found
    for name, slope in found.items():
        assert 0 < slope < np.inf, f"the gradient of {name} is {slope}"
