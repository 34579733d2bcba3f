"""How far a piece of work is: a bar on a terminal, and where there is none a line now and then."""

import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

EVERY = 30.0  # seconds between two lines, of which a short piece of work prints none


def progress(of: Iterable[Item] | int, name: str | None, unit: str) -> "tqdm[Item]":
    """A tqdm over items, or of a number of them, whose `update` is told what is done; silent
    without a name."""
    items, total = (None, of) if isinstance(of, int) else (of, None)
    if name is None or sys.stderr.isatty():
        return tqdm(items, name, total, unit=unit, disable=name is None)
    form = "{desc}: {n:,} of {total:,} {unit}s, {remaining} left"
    lines = {"file": _Lines(), "mininterval": EVERY, "delay": EVERY, "bar_format": form}
    # miniters: with more, tqdm has a thread that writes a line of its own every ten seconds
    return tqdm(items, name, total, unit=unit, leave=False, miniters=1, **lines)


class _Lines:
    """Standard error as a file that keeps what a terminal would write over."""

    def write(self, text: str) -> None:
        """A line of its own, unless it is of the spaces that wipe a terminal's."""
        if text := text.strip():
            print(text, file=sys.stderr)

    def flush(self) -> None:
        """Now."""
        sys.stderr.flush()
