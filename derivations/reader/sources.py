"""Source files that the pages name: a page for each file, and excerpts for the panes."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from ..checker import verified_core
from ..checker.equations import Equation
from ..checker.links import BESIDE, NAME, Place, anchor, find
from .markdown import html_name

LIGHT, DARK = "default", "github-dark"  # styles of Pygments


class Excerpt(NamedTuple):
    """Consecutive lines of a file, and the name of what they define."""

    page: str  # the page of the whole file
    first: int
    lines: list[Markup]
    name: str
    file: str  # with the number of the first line


class Sources:
    """Highlighted source files with links to the equations that they cite."""

    def __init__(self, named: Mapping[str, Equation]) -> None:
        self._address = {name: address(each) for name, each in named.items()}
        self._heads: dict[tuple[Path, int], list[str]] = defaultdict(list)  # line: equations
        self.files = {found(f"ddpm_core/{module}.py").path for module in verified_core.modules()}
        for name, equation in named.items():
            for reference in (*equation.code, *equation.checks):
                place = found(reference)
                self.files.add(place.path)
                if name not in self._heads[place.path, place.first]:
                    self._heads[place.path, place.first].append(name)

    def excerpt(self, reference: str, name: str) -> Excerpt:
        """Return the lines of a reference; citations in them are links to the pages."""
        place = found(reference)
        return Excerpt(
            f"code/{page_name(place.path)}",
            place.first,
            self._cited(self._lines(place.path)[place.first - 1 : place.last], ""),
            name,
            f"{name_of(place.path)}:{place.first}",
        )

    def page(self, path: Path) -> list[Markup]:
        """Return the lines of a file; the first line of a function has links to its equations."""
        back = Markup(' <a class="back" href="../{}">{}</a>')
        lines = list(self._lines(path))
        for i in range(len(lines)):
            names = self._heads.get((path, i + 1), ())
            lines[i] += "".join(back.format(self._address[name], name) for name in names)
        return self._cited(lines, "../")

    def _cited(self, lines: Iterable[str], prefix: str) -> list[Markup]:
        def link(match: re.Match[str]) -> str:
            target = self._address.get(match[0])
            return f'<a href="{prefix}{target}">{match[0]}</a>' if target else match[0]

        return [
            Markup(
                "".join(
                    part if part.startswith("<") or part.endswith("</a>") else NAME.sub(link, part)
                    for part in re.split(r"(<a .*?</a>|<[^>]*>)", line)
                )
            )
            for line in lines
        ]

    @staticmethod
    @cache
    def _lines(path: Path) -> tuple[str, ...]:
        """Return the lines as HTML, which Pygments has escaped."""
        text = path.read_text(encoding="utf-8")
        lexer = PythonLexer(stripnl=False, ensurenl=False)
        return tuple(highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip("\n").split("\n"))


def address(equation: Equation) -> str:
    """Return the address of an equation on the site."""
    return f"{html_name(equation.formula.page.stem)}#{anchor(equation.name)}"


def found(reference: str) -> Place:
    """Return the place of a reference, which check_pages has found before."""
    place = find(reference)
    if place is None:
        raise LookupError(reference)
    return place


def name_of(path: Path) -> str:
    """Return the path within the checkout."""
    return path.relative_to(BESIDE).as_posix()


def page_name(path: Path) -> str:
    """Return the name of a file's page in the folder code/."""
    return f"{name_of(path).removesuffix('.py').replace('/', '.')}.html"


def colours() -> str:
    """Return the CSS of highlighted code in light and dark."""
    light, dark = (HtmlFormatter(style=each).get_style_defs(".code") for each in (LIGHT, DARK))
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"
