"""Data model of a page: its symbols, its named equations with their rows, all other formulas."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .markdown import Cell, Section
from .syntax import Relation, Symbol

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")


class PageError(ValueError):
    """An error on a page; the message starts with file, line and column."""


@dataclass(frozen=True)
class Formula:
    """One formula and its position on the page."""

    page: "Page"
    offset: int  # into the text of the page
    text: str
    relation: Relation | None  # None if the formula is marked as prose
    equation: str | None  # name of the section it belongs to
    tag: str | None = None
    prose: str = ""  # reason why the formula is not parsed

    @property
    def where(self) -> str:
        """file:line:column, as editors understand it."""
        return self.page.where(self.offset)


@dataclass(frozen=True)
class Equation:
    """A named formula with its five rows."""

    formula: Formula
    name: str
    cells: Mapping[str, Cell]
    assumptions: tuple[Relation, ...]

    @property
    def rows(self) -> dict[str, str]:
        """Text of each row."""
        return {name: cell.text for name, cell in self.cells.items()}

    @property
    def relation(self) -> Relation | None:
        """The parsed statement; None if the formula is prose."""
        return self.formula.relation

    @property
    def is_definition(self) -> bool:
        """Whether the equation defines its left side; otherwise it is a statement to be proved."""
        return self.rows["Uses"].startswith("definition")

    @property
    def is_identity(self) -> bool:
        """Whether the equation is declared to hold for any values of its symbols."""
        return self.rows["Uses"].startswith("identity")

    @property
    def uses(self) -> tuple[str, ...]:
        """Names of the equations that the derivation starts from."""
        return tuple(text for text, _ in LINK.findall(self.rows["Uses"]))

    @property
    def code(self) -> tuple[str, ...]:
        """References of the form module:function."""
        return tuple(re.findall(r"`([^`]+)`", self.rows["Code"]))

    @property
    def checks(self) -> tuple[str, ...]:
        """References of the form file::test."""
        return tuple(re.findall(r"`([^`]+)`", self.rows["Checked by"]))


@dataclass
class Page:
    """One Markdown file of the derivations."""

    path: Path
    text: str
    declared: dict[str, str]  # name: kind
    sections: list[Section] = field(default_factory=list)
    patterns: dict[str, Symbol] = field(default_factory=dict)  # name: its form in the symbol table
    equations: dict[str, Equation] = field(default_factory=dict)
    formulas: list[Formula] = field(default_factory=list)  # includes those of the equations

    @property
    def stem(self) -> str:
        """File name without suffix, shared with a module and its tests."""
        return self.path.stem

    @property
    def title(self) -> str:
        """Heading of the first section."""
        return self.sections[0].heading.text

    def line_start(self, offset: int) -> int:
        """Return where the line of that offset starts."""
        return self.text.rfind("\n", 0, offset) + 1

    def where(self, offset: int) -> str:
        """Return file:line:column."""
        before = self.text[:offset]
        column = offset - self.line_start(offset) + 1
        return f"derivations/{self.path.name}:{before.count(chr(10)) + 1}:{column}"

    def wrong(self, offset: int, sentence: str) -> PageError:
        """Return an error with its position."""
        return PageError(f"{self.where(offset)}: {sentence}")
