"""The files that the pages name: each as a page of its own, and any stretch of it for a pane."""

import html
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from ..checker import verified_core
from ..checker.equations import Equation
from ..checker.links import BESIDE, NAME, Place, anchor, find
from .markdown import html_name

LIGHT, DARK = "default", "github-dark"  # styles of Pygments


class Sources:
    """Where each named thing stands, and how its lines look."""

    def __init__(self, named: Mapping[str, Equation]) -> None:
        self._address = {
            name: f"{html_name(each.formula.page.stem)}#{anchor(name)}"
            for name, each in named.items()
        }
        self._heads: dict[tuple[Path, int], list[str]] = defaultdict(list)  # line: equations
        self.files = {found(f"ddpm_core/{module}.py").path for module in verified_core.modules()}
        for name, equation in named.items():
            for reference in (*equation.code, *equation.checks):
                place = found(reference)
                self.files.add(place.path)
                if name not in self._heads[place.path, place.first]:
                    self._heads[place.path, place.first].append(name)

    def excerpt(self, place: Place) -> str:
        """Its real lines, each with a link to its place in the file; citations lead to the page."""
        lines = self._lines(place.path)[place.first - 1 : place.last]
        where = f"code/{page_name(place.path)}"
        return _numbered(self._cited(lines, ""), place.first, where, anchors=False)

    def page(self, path: Path) -> str:
        """The whole file; the equations of a function lead back from its first line."""
        lines = list(self._lines(path))
        for i in range(len(lines)):
            names = self._heads.get((path, i + 1), ())
            lines[i] += "".join(
                f' <a class="back" href="../{self._address[name]}">{name}</a>' for name in names
            )
        return _numbered(self._cited(lines, "../"), 1, "", anchors=True)

    def _cited(self, lines: Iterable[str], prefix: str) -> list[str]:
        def link(match: re.Match[str]) -> str:
            address = self._address.get(match[0])
            return f'<a href="{prefix}{address}">{match[0]}</a>' if address else match[0]

        return [
            "".join(
                part if part.startswith("<") or part.endswith("</a>") else NAME.sub(link, part)
                for part in re.split(r"(<a .*?</a>|<[^>]*>)", line)
            )
            for line in lines
        ]

    @staticmethod
    @cache
    def _lines(path: Path) -> tuple[str, ...]:
        text = path.read_text(encoding="utf-8")
        lexer = PythonLexer(stripnl=False, ensurenl=False)
        return tuple(highlight(text, lexer, HtmlFormatter(nowrap=True)).rstrip("\n").split("\n"))


def found(reference: str) -> Place:
    """Where it stands; check_pages has seen that it stands somewhere."""
    place = find(reference)
    if place is None:
        raise LookupError(reference)
    return place


def name_of(path: Path) -> str:
    """The file as a reader of the checkout calls it."""
    return path.relative_to(BESIDE).as_posix()


def page_name(path: Path) -> str:
    """The page of a file, in the folder code/."""
    return f"{name_of(path).removesuffix('.py').replace('/', '.')}.html"


def colours() -> str:
    """CSS of the code, for light and dark."""
    light, dark = (HtmlFormatter(style=each).get_style_defs(".code") for each in (LIGHT, DARK))
    return f"{light}\n@media screen and (prefers-color-scheme: dark) {{\n{dark}\n}}\n"


def _numbered(lines: Iterable[str], first: int, where: str, anchors: bool) -> str:
    rows = []
    for number, line in enumerate(lines, first):
        name = f' id="L{number}"' if anchors else ""
        rows.append(f'<a class="lineno"{name} href="{where}#L{number}">{number}</a>{line}')
    return '<pre class="code" tabindex="0">' + "\n".join(rows) + "</pre>"


def text(value: object) -> str:
    """Safe in HTML."""
    return html.escape(str(value))
