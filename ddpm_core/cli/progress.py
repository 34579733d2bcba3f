"""Output of the commands: messages, and progress as a bar or as occasional lines."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

LINE_INTERVAL = 30.0  # seconds between two lines; shorter work prints none


def say(text: str, *, error: bool = False) -> None:
    """Print to standard output, or to standard error.

    Output errors (closed pipe, full disk) are ignored: they never affect the run or its exit code.
    """
    stream = sys.stderr if error else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:  # discard what follows too, or Python's own flush at exit would fail
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def progress(of: Iterable[Item] | int, name: str | None, unit: str) -> "tqdm[Item]":
    """Return a tqdm over items, or over a number of items that the caller counts with `update`.

    It draws a bar on a terminal and prints occasional lines elsewhere; name=None disables it.
    """
    items, total = (None, of) if isinstance(of, int) else (of, None)
    if name is None or sys.stderr.isatty():
        return tqdm(items, name, total, unit=unit, disable=name is None)
    form = "{desc}: {n:,} of {total:,} {unit}s, {remaining} left"
    lines = {
        "file": _Lines(),
        "mininterval": LINE_INTERVAL,
        "delay": LINE_INTERVAL,
        "bar_format": form,
    }
    # miniters > 1 would start tqdm's monitor thread, which prints a line every ten seconds.
    return tqdm(items, name, total, unit=unit, leave=False, miniters=1, **lines)


class _Lines:
    """File that prints each update of a progress bar as a line on standard error."""

    def write(self, text: str) -> None:
        """Print `text` as a line, unless it is only the spaces that clear a terminal's line."""
        if text := text.strip():
            say(text, error=True)

    def flush(self) -> None:
        """Flush standard error."""
        sys.stderr.flush()
