"""Which guards a property meets in which functions of the library, found by running it once.

A guarded mutant differs from the source only where its guard holds. So a property can kill it only
if it meets the guard in that function of the source.
"""

import time
from contextlib import ExitStack
from functools import cache
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


@cache
def reach(file: str) -> tuple[Reach, ...]:
    """Run each property of a file of the suite, or file::property, and return what it meets."""
    found = []
    with ExitStack() as stack:
        for name in PROPERTIES:
            module, source = source_of(f"ddpm_core.{name}")
            stack.enter_context(recording(module, name, source))
        for each in properties([file], impl=IMPL):
            began = time.perf_counter()
            guards.record()
            each[1]()
            found.append(Reach(each, guards.recorded(), time.perf_counter() - began))
    return tuple(found)
