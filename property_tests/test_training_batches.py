"""The order of training data: every epoch holds each sample once, in an order of its own."""

import numpy as np
import pytest

from .protocol import Array, Implementation

ORACLE = "permutations"

COUNT = 24
EPOCHS = 40


def epochs(impl: Implementation, batch_size: int, seed: int = 3) -> Array:
    """Return the concatenated batches as one row per epoch."""
    steps = range(-(-COUNT * EPOCHS // batch_size))
    batches = [impl.training_batch(COUNT, seed, step, batch_size) for step in steps]
    assert all(batch.shape == (batch_size,) for batch in batches)
    return np.concatenate(batches)[: COUNT * EPOCHS].reshape(EPOCHS, COUNT)


@pytest.mark.parametrize("batch_size", [1, 5, 24, 65])
def test_every_epoch_holds_each_sample_once(impl: Implementation, batch_size: int):
    """Ho et al. (2020), Algorithm 1, line 2, without replacement, in batches of any size."""
    found = epochs(impl, batch_size)
    assert (np.sort(found, axis=1) == np.arange(COUNT)).all()
    assert np.array_equal(found, epochs(impl, 7)), "the order depends on the batch size"


def test_every_epoch_has_an_order_of_its_own(impl: Implementation):
    """No two of 80 epochs, with two seeds, are equal: by chance with probability 5.1e-21."""
    orders = np.concatenate([epochs(impl, 8, seed) for seed in (3, 4)])
    assert len(np.unique(orders, axis=0)) == 2 * EPOCHS


def test_a_batch_depends_on_its_arguments_alone(impl: Implementation):
    """A resumed run draws what an unbroken one does."""
    forward = [impl.training_batch(COUNT, 3, step, 7) for step in range(20)]
    backward = [impl.training_batch(COUNT, 3, step, 7) for step in reversed(range(20))]
    assert np.array_equal(forward, backward[::-1])
