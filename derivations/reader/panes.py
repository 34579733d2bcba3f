"""The right pane: where an equation comes from, the lines that compute it, the tests on it."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from ..checker.equations import Equation, Page
from ..checker.links import anchor
from . import sources
from .markdown import Markdown, html_name
from .outcomes import Outcome, Outcomes
from .sources import Sources, text

PROOFS = {
    "definition": "a definition",
    "derivation": "by SymPy, in steps of its own",
    "calculation": "by SymPy: the sides are one expression",
    "z3": "by z3, for every world at once",
    "prose": "by no machine",
}
STATUS_ROW = re.compile(r"^\| \[([^\]]*)\][^|]*\| (\w+) \|", re.MULTILINE)


class Panes:
    """What stands beside each equation."""

    def __init__(self, pages: Mapping[str, Page], markdown: Markdown, outcomes: Outcomes) -> None:
        self.named = {
            name: each for page in pages.values() for name, each in page.equations.items()
        }
        self.proofs = dict(STATUS_ROW.findall(pages["README"].text))
        self.run = outcomes
        self.of = {name: outcomes.equation(each) for name, each in self.named.items()}
        self.sources = Sources(self.named)
        self._line = markdown.line
        self._users: dict[str, list[str]] = defaultdict(list)
        for name, equation in self.named.items():
            for used in equation.uses:
                self._users[used].append(name)

    def pane(self, equation: Equation, shown: set[str]) -> str:
        """HTML; code that this page has `shown` already stays folded."""
        return (
            f'<aside class="pane">{self._facts(equation)}{"".join(self._code(equation, shown))}'
            f"{''.join(self._checks(equation))}</aside>"
        )

    def link(self, name: str) -> str:
        """To the equation on its page."""
        page = html_name(self.named[name].formula.page.stem)
        return f'<a href="{page}#{anchor(name)}">{name}</a>'

    def status(self) -> str:
        """Every equation: how it is proved, what the last run showed."""
        rows = "".join(
            f"<tr><td>{dot(outcome)}{self.link(name)}</td><td>{self.proofs[name]}</td></tr>"
            for name, outcome in self.of.items()
        )
        return (
            "<table><thead><tr><th>Equation, and the last run</th><th>Proved by</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>"
        )

    def _facts(self, equation: Equation) -> str:
        users = ", ".join(map(self.link, self._users[equation.name])) or "none"
        rows = {
            "Assumes": self._line(equation.rows["Assumes"]),
            "Uses": self._line(equation.rows["Uses"]),
            "Used by": f'{users} (<a href="graph.html#{anchor(equation.name)}">graph</a>)',
            "Proved": PROOFS[self.proofs[equation.name]],
            "Source": self._line(equation.rows["Source"]),
        }
        facts = "".join(f"<dt>{key}</dt><dd>{value}</dd>" for key, value in rows.items())
        return f"<dl>{facts}</dl>"

    def _code(self, equation: Equation, shown: set[str]) -> Iterator[str]:
        for reference in equation.code:
            state = "" if reference in shown else " open"
            shown.add(reference)
            where, lines = self._stretch(reference, reference.partition(":")[2])
            yield f"<details{state}><summary>{where}</summary>{lines}</details>"

    def _checks(self, equation: Equation) -> Iterator[str]:
        for reference in equation.checks:
            outcome = self.run.check(reference)
            where, lines = self._stretch(reference, reference.partition("::")[2])
            said = f"<small>{text(outcome.said)}</small>"
            yield f"<details><summary>{dot(outcome)}{where}{said}</summary>{lines}</details>"
        outcome_of_text = self.run.text_of(equation.name)
        if outcome_of_text is not None:
            said = f"<small>{text(outcome_of_text.said)}</small>"
            yield f"<p>{dot(outcome_of_text)}the printed formula as an oracle of the code{said}</p>"

    def _stretch(self, reference: str, name: str) -> tuple[str, str]:
        """(its name and file, with a link; its lines)."""
        place = sources.found(reference)
        address = f"code/{sources.page_name(place.path)}#L{place.first}"
        file = f"{sources.name_of(place.path)}:{place.first}"
        named = (
            f'<a href="{address}">{name}</a> <i>{file}</i>'
            if name
            else f'<a href="{address}"><i>{file}</i></a>'
        )
        return named, self.sources.excerpt(place)


def dot(outcome: Outcome) -> str:
    """The colour, with words for those who do not see it."""
    said = text(outcome.said)
    return (
        f'<span class="dot {outcome.colour}" role="img" aria-label="{outcome.colour}: {said}" '
        f'title="{said}"></span>'
    )
