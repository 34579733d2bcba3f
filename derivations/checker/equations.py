"""A page as data: its symbols, its named equations with their rows, and every other formula."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .syntax import Relation, Symbol

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]*)\)")


class PageError(ValueError):
    """What is wrong, with file, line and column in front."""


@dataclass(frozen=True)
class Formula:
    """One formula where it stands."""

    page: "Page"
    offset: int  # in the text of the page
    text: str
    relation: Relation | None  # None for what is marked prose
    equation: str | None  # the name of the section that it stands in
    tag: str | None = None
    prose: str = ""  # why no machine reads it

    @property
    def where(self) -> str:
        """file:line:column, for people and editors."""
        return self.page.where(self.offset)


@dataclass(frozen=True)
class Equation:
    """A named formula with its five rows."""

    formula: Formula
    name: str
    rows: Mapping[str, str]
    assumptions: tuple[Relation, ...]

    @property
    def relation(self) -> Relation | None:
        """What it states; None where it is prose."""
        return self.formula.relation

    @property
    def is_definition(self) -> bool:
        """Whether it gives its left side a meaning, instead of saying what is so."""
        return self.rows["Uses"].startswith("definition")

    @property
    def is_identity(self) -> bool:
        """Whether it is meant to be so whatever its symbols stand for."""
        return self.rows["Uses"].startswith("identity")

    @property
    def uses(self) -> tuple[str, ...]:
        """Names of the equations that its derivation starts from."""
        return tuple(text for text, _ in LINK.findall(self.rows["Uses"]))

    @property
    def code(self) -> tuple[str, ...]:
        """module:function, each."""
        return tuple(re.findall(r"`([^`]+)`", self.rows["Code"]))

    @property
    def checks(self) -> tuple[str, ...]:
        """file::test, each."""
        return tuple(re.findall(r"`([^`]+)`", self.rows["Checked by"]))


@dataclass
class Page:
    """One file of derivations."""

    path: Path
    text: str
    declared: dict[str, str]  # name: kind
    patterns: dict[str, Symbol] = field(default_factory=dict)  # name: as the table shows it
    equations: dict[str, Equation] = field(default_factory=dict)
    formulas: list[Formula] = field(default_factory=list)  # those of the equations too

    @property
    def stem(self) -> str:
        """The name that it shares with a module and with its tests."""
        return self.path.stem

    def where(self, offset: int) -> str:
        before = self.text[:offset]
        column = offset - (before.rfind("\n") + 1) + 1
        return f"derivations/{self.path.name}:{before.count(chr(10)) + 1}:{column}"

    def wrong(self, offset: int, sentence: str) -> PageError:
        return PageError(f"{self.where(offset)}: {sentence}")
