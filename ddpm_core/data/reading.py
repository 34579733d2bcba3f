"""What was read from a source of images, and what was left out, with the reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

FORMAT = "format not supported"
UNREADABLE = "unreadable"
BROKEN_LINK = "broken link"
OTHER_SIZE = "other size"
HIDDEN = "hidden"
NOT_AN_IMAGE = "not an image"
OWN = "written by ddpm-core"

LOST = (FORMAT, UNREADABLE, BROKEN_LINK, OTHER_SIZE)  # images that were meant to be read
LOST_AT_MOST = 0.01  # fraction that is left out unasked

IN_A_LINE, IN_A_LIST, IN_AN_ERROR = 3, 100, 20  # names that are listed


@dataclass(frozen=True)
class Reading:
    """Number of images that were used, and the files that were left out, by reason."""

    source: str = ""  # the folder; "" of a source that leaves nothing out
    used: int = 0
    skipped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()  # decisions that a user must know, a sentence each
    warnings: tuple[str, ...] = ()  # which every picture shows as well

    @property
    def line(self) -> str:
        """One line: images used, files skipped by reason with the first names."""
        parts = [
            f"{len(names):,} {reason} ({listed(names, IN_A_LINE)})"
            for reason, names in self.skipped.items()
        ]
        many = sum(map(len, self.skipped.values()))
        skipped = f"skipped {many:,}: {'; '.join(parts)}" if parts else "no file skipped"
        return f"{self.source}: {self.used:,} images used, {skipped}"

    @property
    def remarks(self) -> list[str]:
        """The line of a folder, the notes and the warnings: what a command prints."""
        line = [self.line] if self.source else []
        return [*line, *(f"NOTE: {each}" for each in self.notes), *self.warnings]

    def to_json(self) -> dict[str, Any]:
        """Return the record as JSON values, with the first names of each reason."""
        skipped = {
            reason: {"files": len(names), "first": list(names[:IN_A_LIST])}
            for reason, names in self.skipped.items()
        }
        return {
            "used": self.used,
            "skipped": skipped,
            "notes": list(self.notes),
            "warnings": list(self.warnings),
        }


def listed(names: Sequence[str], most: int) -> str:
    """Join the first names, and say how many more there are."""
    more = f", and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
