"""A call of a method with several options, and its outputs as arrays."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..evidence.evidence import NOT_ANSWERED
from ..protocol import Array, Implementation
from ..statistics.tolerances import equal
from .inputs import Inputs

Thunk = Callable[[], Any]


@dataclass(frozen=True)
class Call:
    """Calls of a method with several options; their outputs have one entry per row first."""

    make: Callable[[Implementation, Inputs], Iterator[Thunk]]
    rows: bool = True  # one entry per row, which depends on that row alone
    ranks: str = "fixed"  # "elements", "samples" and "events" take events of any shape
    later_betas: bool = False  # whether betas beyond every t count, such as T itself

    def __call__(self, impl: Implementation, c: Inputs) -> list[Array]:
        """Return all outputs, in NaN for an option that is not offered for these inputs."""
        outputs: list[list[Array] | None] = []
        skipped: BaseException | None = None
        for thunk in self.make(impl, c):
            try:
                outputs.append(arrays(thunk()))
            except NOT_ANSWERED as not_offered:
                outputs.append(None)
                skipped = not_offered
        answered = [each for each in outputs if each is not None]
        if not answered and skipped is not None:
            raise skipped
        missing = [np.full(c.x.shape, np.nan)] * len(answered[0])
        return [each for output in outputs for each in (missing if output is None else output)]


def arrays(found: Any) -> list[Array]:
    """Return an output as arrays: the fields of a tuple, the bytes of a text."""
    if isinstance(found, tuple | list) and not all(isinstance(each, int) for each in found):
        return [each for part in found for each in arrays(part)]
    if isinstance(found, str | bytes):
        return [np.frombuffer(found.encode() if isinstance(found, str) else found, np.uint8)]
    return [np.asarray(found)]


def last_axis_first(found: Any) -> list[Array]:
    """Move the rows of outputs (terms, rows) to the front."""
    return [each.T for each in arrays(found)]


def rows_second(found: Any) -> list[Array]:
    return [each.swapaxes(0, 1) for each in arrays(found)]


def reused(impl: Implementation) -> AbstractContextManager[None]:
    """Return the context of reused objects, if there is one."""
    try:
        return impl.reused_objects()
    except NOT_ANSWERED:  # not offered: every call constructs its own objects
        return nullcontext()


def same(got: list[Array], want: list[Array], what: str) -> None:
    """Fail unless both lists hold the same numbers, where both options are offered."""
    assert len(got) == len(want), f"{what}: {len(got)} outputs, not {len(want)}"
    for i, (here, there) in enumerate(zip(got, want, strict=True)):
        if any(each.size and (each != each).all() for each in (here, there)):
            continue
        assert here.shape == there.shape, f"{what}: output {i} is {here.shape}, not {there.shape}"
        differs = np.argwhere(here != there)
        assert equal(here, there), (
            f"{what}: output {i} at {tuple(map(int, differs[0]))} is {here[tuple(differs[0])]!r}, "
            f"not {there[tuple(differs[0])]!r}"
        )
