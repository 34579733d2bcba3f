"""What a command says: sentences, and how far it is, by a bar or by a line now and then."""

import os
import sys
from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

EVERY = 30.0  # seconds between two lines, of which a short piece of work prints none


def say(text: str, *, error: bool = False) -> None:
    """Print, or write to standard error. Where nobody can read it, as of a pipe to `head` or a
    full disk, that changes nothing of the work or the exit code."""
    stream = sys.stderr if error else sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


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
            say(text, error=True)

    def flush(self) -> None:
        """Now."""
        sys.stderr.flush()
