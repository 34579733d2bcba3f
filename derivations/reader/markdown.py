"""A page of Markdown as sections of HTML, one for each heading."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from ..checker.links import anchor
from ..checker.pages import ROWS
from .formulas import Formulas


class Section(NamedTuple):
    """What stands under one heading, and the heading."""

    level: int  # 1 to 3
    title: str
    anchor: str
    body: str  # HTML, without the heading and without the five rows of an equation


class Markdown:
    """What GitHub makes of the pages, with formulas, and with links from page to page."""

    def __init__(self, formulas: Formulas) -> None:
        self._parser = MarkdownIt("commonmark", {"html": True}).enable("table")
        self._parser.inline.ruler.before("backticks", "formula", _formula)
        # RendererHTML has it; the protocol that the attribute is typed with does not.
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

    def line(self, text: str) -> str:
        """One line, without a paragraph around it."""
        tokens = self._parser.parseInline(text)
        _point_links(tokens)
        return str(self._parser.renderer.render(tokens, self._parser.options, {}))

    def sections(self, text: str) -> Iterator[Section]:
        """The sections of a page, in their order."""
        tokens = self._parser.parse(text)
        _point_links(tokens)
        starts = [i for i, each in enumerate(tokens) if _is_heading(each)]
        for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
            title = tokens[start + 1].content
            body = list(_without_rows(tokens[start + 3 : end]))
            html = str(self._parser.renderer.render(body, self._parser.options, {}))
            yield Section(int(tokens[start].tag[1]), title, anchor(title), html)


def _formula(state: StateInline, silent: bool) -> bool:
    """GitHub's own form of a formula in a line: a code span between dollars."""
    if not state.src.startswith("$`", state.pos):
        return False
    end = state.src.find("`$", state.pos + 2)
    if end < 0:
        return False
    if not silent:
        state.push("formula", "", 0).content = state.src[state.pos + 2 : end]
    state.pos = end + 2
    return True


def _is_heading(token: Token) -> bool:
    return token.type == "heading_open" and token.level == 0 and token.tag in ("h1", "h2", "h3")


def _point_links(tokens: Sequence[Token]) -> None:
    """From page.md to page.html, at any depth."""
    for token in tokens:
        if token.type == "link_open":
            file, mark, place = str(token.attrs["href"]).partition("#")
            if file.endswith(".md") and ":" not in file:
                token.attrs["href"] = f"{html_name(file.removesuffix('.md'))}{mark}{place}"
        _point_links(token.children or ())


def html_name(stem: str) -> str:
    """The file that a page becomes."""
    return "index.html" if stem == "README" else f"{stem}.html"


def _without_rows(tokens: Sequence[Token]) -> Iterator[Token]:
    """The same tokens, without the table that begins with the row Assumes."""
    i = 0
    while i < len(tokens):
        if tokens[i].type == "table_open":
            close = next(j for j in range(i, len(tokens)) if tokens[j].type == "table_close")
            cells = [each.content for each in tokens[i:close] if each.type == "inline"]
            if ROWS[0] in cells:
                i = close + 1
                continue
        yield tokens[i]
        i += 1
