"""The precision of the first call with a schedule decides nothing about the later ones."""

import numpy as np
import pytest

from .calls import CALLS, inputs
from .calls.call import reused, same
from .protocol import Array, Implementation
from .strategies import STEEP

ORACLE = "the same call with another schedule of the same first betas, bit for bit"

# A later beta changes none of the answers of these methods, so a new one is a schedule that no
# other test has called before.
OF_SCHEDULE = [
    name for name, call in CALLS.items() if call.rows and not call.later_betas and name != "ema"
]
NEW = {"float32": (*STEEP, 0.5703125), "bfloat16": (*STEEP, 0.5859375)}
DECLINED = (ValueError, TypeError, RuntimeError, AssertionError)  # a precision that it refuses


@pytest.mark.complete
@pytest.mark.parametrize("first", NEW)
@pytest.mark.parametrize("method", OF_SCHEDULE)
def test_first_call_in_another_precision_changes_no_later_answer(
    impl: Implementation, method, first
):
    """Nothing that the first call computes in its precision is kept for calls in another.

    The calls are in another precision, in its own, and in the other one again.
    """
    call, other = CALLS[method], impl.in_precision(first)
    want = copies(call(impl, inputs()))
    with reused(impl):
        new = inputs(betas=NEW[first])
        try:
            before = copies(call(other, new))
        except DECLINED:
            before = None
        same(call(impl, new), want, f"{method} after a first call in {first}")
        if before is not None:
            same(call(other, new), before, f"{method} in {first} after a call in its own precision")


def copies(outputs: list[Array]) -> list[Array]:
    return [np.array(each) for each in outputs]
