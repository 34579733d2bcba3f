"""Which guards a property meets in which functions of the library, found by running it once.

A guarded mutant differs from the source only where its guard holds. So a property can kill it only
if it meets the guard in that function of the source.
"""

import time
from contextlib import ExitStack
from typing import NamedTuple

from ..catalogue import Property, properties
from . import guards
from .inject import source_of
from .recording import recording
from .run import IMPL
from .targets import PROPERTIES


class Reach(NamedTuple):
    """A property, the guards that it meets in each function, and how long it runs."""

    tested: Property
    met: guards.Met
    seconds: float


REACHED: dict[str, tuple[Reach, ...]] = {}  # by file


def reach(file: str) -> tuple[Reach, ...]:
    """Return the reach of each property of a file of the suite, or file::property: run it once."""
    if file not in REACHED:
        with ExitStack() as stack:
            for name in PROPERTIES:
                module, source = source_of(f"ddpm_core.{name}")
                stack.enter_context(recording(module, name, source))
            REACHED[file] = tuple(map(_reach, properties([file], impl=IMPL)))
    return REACHED[file]


def _reach(tested: Property) -> Reach:
    began = time.perf_counter()
    guards.record()
    tested[1]()
    return Reach(tested, guards.recorded(), time.perf_counter() - began)
