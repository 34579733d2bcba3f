"""What a function of the caller is given is its own, and what it returns is left as it is."""

from collections.abc import Callable
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
import pytest

from .calls import CALLS, inputs
from .calls.call import same
from .calls.inputs import exchanged, overwriting
from .protocol import Implementation

ORACLE = "copies of the arrays"


def holds_function(hint: Any) -> bool:
    """Return whether an argument of this type is a function, or a tuple with one."""
    if get_origin(hint) is Callable:
        return True
    fields = get_type_hints(hint).values() if hasattr(hint, "_fields") else get_args(hint)
    return any(map(holds_function, fields))


TAKE_FUNCTIONS = [
    name
    for name in CALLS
    if any(map(holds_function, get_type_hints(getattr(Implementation, name)).values()))
]


@pytest.mark.complete
@pytest.mark.convention
@pytest.mark.parametrize("method", TAKE_FUNCTIONS)
def test_functions_may_keep_their_arrays(impl: Implementation, method):
    """No method writes into arrays that it passed to a function, or got from it."""
    with exchanged() as arrays:
        CALLS[method](impl, inputs())
    for what, now, then in arrays:
        assert np.array_equal(now, then), f"{method} modified {what}"


@pytest.mark.complete
@pytest.mark.convention
@pytest.mark.parametrize("method", [each for each in TAKE_FUNCTIONS if each != "own_trajectory"])
def test_functions_may_overwrite_what_they_are_given(impl: Implementation, method):
    """A network that subtracts a mean in place gives the same result as one that does not.

    The step of a sampler may not: the loop reports the state that it was given.
    """
    want = CALLS[method](impl, inputs())
    with overwriting():
        got = CALLS[method](impl, inputs())
    same(got, want, f"{method} of functions that overwrite their arguments")
