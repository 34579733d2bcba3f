"""Checks of every row of a covering array, and the samples that they use."""

from collections.abc import Callable

import numpy as np

from ..evidence.evidence import example
from ..protocol import Array
from .covering import Options, Row, covering_array, uncovered


def each_row(options: Options, check_row: Callable[[Row], None]) -> None:
    """Check every row of a covering array; afterwards no pair may be missing."""
    done = []
    for row in covering_array(options):
        with example():  # a row that is not offered is not compared
            try:
                check_row(row)
            except Exception as error:
                error.add_note(f"options: {row}")
                raise
        done.append(row)
    missing = uncovered(options, done)
    assert not missing, f"never together: {missing}"


def rows_of(count: int) -> list[Array]:
    """Return six arrays of so many samples."""
    numbers = np.arange(6 * 3 * 4).reshape(6, 3, 2, 2)
    return [*((each * 7 % 31 - 15) / 8.0 for each in numbers[:, :count])]


def data_of(grey_levels: int | None, samples: int) -> Array:
    """Return samples, of grey levels if there are any."""
    x_0 = rows_of(samples)[0] / 2
    if grey_levels is None:
        return x_0
    spread = np.round((x_0 + 1) * (grey_levels - 1) / 2).clip(0, grey_levels - 1)
    return 2 * spread / (grey_levels - 1) - 1
