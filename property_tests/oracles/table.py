"""Which rounding errors are allowed: those of the implementation, or of any float32 program.

An implementation that stores logarithms in float64 keeps its digits; one that stores the products
alpha_bar_t in float32 loses some, and is right nevertheless. A check that fails is repeated with
the second allowance: if it passes, no formula is wrong (Eq. rounding.table-var).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from hypothesis.errors import UnsatisfiedAssumption

FLOAT32 = 2.0**-24  # unit roundoff
_of_a_table: ContextVar[bool] = ContextVar("of_a_table", default=False)


class NoDigitsError(UnsatisfiedAssumption):
    """A case in which a table in float32 loses all digits, so that any answer is allowed."""


def of_a_table() -> bool:
    """Return whether errors of a table of products in float32 are allowed."""
    return _of_a_table.get()


@contextmanager
def through_a_float32_table() -> Iterator[None]:
    """Allow the errors of a correct computation through a table of products in float32.

    Eq. rounding.table-var, rounding.table-data and rounding.table-state.
    """
    token = _of_a_table.set(True)
    try:
        yield
    finally:
        _of_a_table.reset(token)
