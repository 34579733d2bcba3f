"""Right pane of an equation: its assumptions and proof, the lines that compute it, its tests."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from markupsafe import Markup

from ..checker.equations import Equation, Page
from ..checker.links import anchor
from .markdown import Markdown
from .outcomes import Outcome, Outcomes
from .sources import Excerpt, Sources

PROOFS = {
    "definition": "a definition",
    "derivation": "by SymPy, in separate steps",
    "calculation": "by SymPy: both sides are the same expression",
    "z3": "by z3, for all values",
    "prose": "not machine-checked",
}
STATUS_ROW = re.compile(r"^\| \[([^\]]*)\][^|]*\| (\w+) \|", re.MULTILINE)


class Code(NamedTuple):
    """Lines that compute an equation."""

    excerpt: Excerpt
    opened: bool


class Check(NamedTuple):
    """A test of an equation and its last outcome."""

    excerpt: Excerpt
    outcome: Outcome


class Pane(NamedTuple):
    """Everything beside one equation."""

    anchor: str
    assumes: Markup
    uses: Markup
    users: Sequence[Equation]
    proved: str
    source: Markup
    code: Sequence[Code]
    checks: Sequence[Check]
    text: Outcome | None  # of the checks that evaluate the printed formula


class Panes:
    """The panes of all equations."""

    def __init__(self, pages: Mapping[str, Page], markdown: Markdown, outcomes: Outcomes) -> None:
        self.named = {
            name: each for page in pages.values() for name, each in page.equations.items()
        }
        self.proofs = dict(STATUS_ROW.findall(pages["README"].text))
        self.run = outcomes
        self.of = {name: outcomes.equation(each) for name, each in self.named.items()}
        self.sources = Sources(self.named)
        self._line = markdown.line
        self._users: dict[str, list[Equation]] = defaultdict(list)
        for equation in self.named.values():
            for used in equation.uses:
                self._users[used].append(equation)

    def pane(self, equation: Equation, shown: set[str]) -> Pane:
        """Return the pane; code that this page has `shown` already stays folded."""
        code = []
        for reference in equation.code:
            excerpt = self.sources.excerpt(reference, reference.partition(":")[2])
            code.append(Code(excerpt, reference not in shown))
            shown.add(reference)
        return Pane(
            anchor(equation.name),
            self._line(equation.rows["Assumes"]),
            self._line(equation.rows["Uses"]),
            self._users[equation.name],
            PROOFS[self.proofs[equation.name]],
            self._line(equation.rows["Source"]),
            code,
            [
                Check(
                    self.sources.excerpt(reference, reference.partition("::")[2]),
                    self.run.check(reference),
                )
                for reference in equation.checks
            ],
            self.run.text_of(equation.name),
        )

    def status(self) -> list[tuple[Equation, Outcome, str]]:
        """Return every equation, the outcome of the last run, and how it is proved."""
        return [(self.named[name], outcome, self.proofs[name]) for name, outcome in self.of.items()]
