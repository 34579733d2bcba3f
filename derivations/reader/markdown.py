"""Render the sections of a page, which the checker's reader found, as HTML."""

from collections.abc import Iterator, Sequence
from typing import Any

from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from markupsafe import Markup

from ..checker.markdown import Section, parser
from ..checker.pages import ROWS
from .formulas import Formulas

STATUS = ("<!-- status -->", "<!-- /status -->")  # around the table that the site replaces


class Markdown:
    """Renderer of GitHub's Markdown with formulas, and with links from page to page."""

    def __init__(self, formulas: Formulas) -> None:
        self._parser = parser()
        # The type of the attribute is a protocol; RendererHTML, its value, has rules.
        rules: dict[str, Any] = self._parser.renderer.rules  # type: ignore[attr-defined]
        fence = rules["fence"]
        rules["formula"] = lambda tokens, i, *_: formulas.html(tokens[i].content, False)
        rules["fence"] = lambda tokens, i, *rest: (
            f'<div class="display">{formulas.html(tokens[i].content, True)}</div>'
            if tokens[i].info == "math"
            else fence(tokens, i, *rest)
        )
        rules["table_open"] = lambda *_: '<div class="scroll"><table>'
        rules["table_close"] = lambda *_: "</table></div>"
        rules["link_open"] = lambda tokens, i, *_: f'<a href="{_address(tokens[i])}">'

    def line(self, text: str) -> Markup:
        """Render one line, without a paragraph around it."""
        return self.html(self._parser.parseInline(text))

    def html(self, tokens: Sequence[Token]) -> Markup:
        """Render tokens; the checker lets no HTML pass but details and summary."""
        return Markup(self._parser.renderer.render(tokens, self._parser.options, {}))


def _address(link: Token) -> str:
    """Return the target of a link, of page.html in place of page.md."""
    file, mark, place = str(link.attrs["href"]).partition("#")
    if file.endswith(".md") and ":" not in file:
        file = html_name(file.removesuffix(".md"))
    return escapeHtml(f"{file}{mark}{place}")


def html_name(stem: str) -> str:
    """Return the name of the file that a page becomes."""
    return "index.html" if stem == "README" else f"{stem}.html"


def shown_tokens(section: Section) -> list[Token]:
    """Return the tokens of a section without the status table and the rows of an equation."""
    return list(_without_rows(_without_status(section.tokens)))


def _without_status(tokens: Sequence[Token]) -> Iterator[Token]:
    """Drop everything between the two comments around the status table."""
    inside = False
    for token in tokens:
        comment = token.content.strip() if token.type == "html_block" else ""
        inside = inside != (comment == STATUS[inside])
        if not inside:
            yield token


def _without_rows(tokens: Iterator[Token]) -> Iterator[Token]:
    """Drop the table that starts with the row Assumes."""
    table: list[Token] = []
    for token in tokens:
        if table or token.type == "table_open":
            table.append(token)
        else:
            yield token
        if token.type == "table_close":
            if ROWS[0] not in [each.content for each in table]:
                yield from table
            table = []
