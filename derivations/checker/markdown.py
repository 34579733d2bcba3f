"""Read the Markdown of a page: sections, formulas and tables, each with its position.

The checker and the site share this reader, so that every formula that is shown is checked.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

FOLDS = ("<details>", "</details>", "<summary>", "</summary>")
OTHER_MARKUP = re.compile(r"</?(\w+)[^>]*>|^\[[^\]]+\]:|\]\([^)\n]* [^)\n]*\)|\]\[", re.MULTILINE)
OTHER_MATH = re.compile(r"\$|^[ \t]*(```|~~~)", re.MULTILINE)


class MarkdownError(ValueError):
    """Markdown that the checker refuses; `offset` is its position on the page."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Latex(NamedTuple):
    """The text of a formula."""

    offset: int
    text: str
    is_block: bool
    comment: str = ""  # HTML comment directly before a block


class Cell(NamedTuple):
    """One cell of a table, or another text in one piece, such as a heading or a paragraph."""

    offset: int
    text: str
    formulas: tuple[Latex, ...]


class Section(NamedTuple):
    """A heading and everything up to the next one."""

    heading: Cell
    level: int  # 1 to 3
    tokens: Sequence[Token]  # without the heading
    formulas: Sequence[Latex]  # including those in the heading and in the tables
    rows: Sequence[Sequence[Cell]]  # of all tables


def read(text: str) -> Iterator[Section]:
    """Yield the sections of a page; raises MarkdownError at the first text that is refused."""
    page = _Page(text)
    tokens = parser().parse(text)
    starts = [i for i, each in enumerate(tokens) if _is_heading(each)]
    if starts[:1] != [0]:
        raise MarkdownError(0, "a page starts with a heading: # TITLE")
    sections = [page.section(tokens[i:j]) for i, j in pairwise([*starts, len(tokens)])]
    page.refuse_the_rest()
    yield from sections


def parser() -> MarkdownIt:
    """Return a parser of GitHub's Markdown, with $`...`$ as a token of the type `formula`."""
    found = MarkdownIt("commonmark", {"html": True}).enable("table")
    found.inline.ruler.before("backticks", "formula", _formula)
    return found


def _formula(state: StateInline, silent: bool) -> bool:
    if not state.src.startswith("$`", state.pos):
        return False
    end = state.src.find("`$", state.pos + 3)
    if end < 0:
        return False
    if not silent:
        token = state.push("formula", "", 0)
        token.content, token.meta = state.src[state.pos + 2 : end], {"start": state.pos + 2}
    state.pos = end + 2
    return True


def _comment(token: Token) -> str:
    is_comment = token.type == "html_block" and token.content.startswith("<!--")
    return token.content.strip() if is_comment else ""


def _is_heading(token: Token) -> bool:
    return token.type == "heading_open" and token.level == 0 and token.tag in ("h1", "h2", "h3")


class _Page:
    """Positions of the tokens of a page; markdown-it itself gives only line numbers."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._lines = [0, *(match.end() for match in re.finditer("\n", text)), len(text)]
        self._end = 0  # of the last text that was found; the cells of a row share a line
        self._rest: list[str] = []  # the text before `_copied` without its formulas and blocks
        self._copied = 0

    def section(self, tokens: Sequence[Token]) -> Section:
        heading = self._cell(tokens[1])
        formulas, rows = [*heading.formulas], list[list[Cell]]()
        for before, token in pairwise(tokens[2:]):
            if token.type == "tr_open":
                rows.append([])
            elif token.type == "tr_close":
                self._end_row()
            elif token.type == "inline":
                cell = self._cell(token)
                formulas += cell.formulas
                if before.type in ("td_open", "th_open"):
                    rows[-1].append(cell)
            elif token.type == "fence":
                block = self._block(token, _comment(before))
                if token.info == "math":
                    formulas.append(block)
        return Section(heading, int(tokens[0].tag[1]), tokens[3:], formulas, rows)

    def refuse_the_rest(self) -> None:
        """Refuse what other readers of Markdown could show as a formula, and hidden links."""
        rest = "".join([*self._rest, self.text[self._copied :]])
        for match in OTHER_MARKUP.finditer(rest):
            if match[0] not in FOLDS:
                rule = "write [text](page.md#place), and no HTML but details and summary"
                raise MarkdownError(match.start(), f"{match[0]} is not checked: {rule}")
        for match in OTHER_MATH.finditer(rest):
            raise _other_math(match.start(), match[0])

    def _cell(self, token: Token) -> Cell:
        assert token.map is not None
        offsets = []
        for i, line in enumerate(token.content.split("\n"), token.map[0]):
            start = self.text.find(line, max(self._end, self._lines[i]), self._lines[i + 1])
            if start < 0:
                raise MarkdownError(self._lines[i], r"write \mid in a table, not an escaped |")
            offsets.append(start)
            self._end = start + len(line)
        formulas = [
            self._latex(each, token.content, offsets)
            for each in token.children or ()
            if each.type == "formula"
        ]
        return Cell(offsets[0], token.content, tuple(formulas))

    def _latex(self, token: Token, content: str, offsets: Sequence[int]) -> Latex:
        *above, line = content[: token.meta["start"]].split("\n")
        offset = offsets[len(above)] + len(line)
        if not self.text.startswith(f"{token.content}`$", offset):
            raise MarkdownError(offset, "in a list or a quotation, write a formula on one line")
        self._blank(offset - 2, offset + len(token.content) + 2)
        return Latex(offset, token.content, False)

    def _block(self, token: Token, comment: str) -> Latex:
        assert token.map is not None
        start, end = (self._lines[i] for i in token.map)
        written = self.text[start:end].rstrip()
        if written != f"```{token.info}\n{token.content}```" or (
            "math" in token.info.lower() and token.info != "math"
        ):
            raise _other_math(self.text.index(token.markup, start), token.markup)
        self._blank(start, start + len(written))
        return Latex(start + len(f"```{token.info}\n"), token.content, True, comment)

    def _end_row(self) -> None:
        """Refuse a cell without a column, which no reader shows."""
        line = self.text[self._end :].partition("\n")[0]
        if line.strip(" |"):
            raise MarkdownError(
                self._end, f"{line.strip(' |')} is outside the columns of its table"
            )

    def _blank(self, start: int, end: int) -> None:
        """Replace what was parsed by spaces, which keeps all positions."""
        self._rest += [self.text[self._copied : start], " " * (end - start)]
        self._copied = end


def _other_math(offset: int, found: str) -> MarkdownError:
    rule = "write $`...`$ in a line, or a block from ```math to ```"
    return MarkdownError(offset, f"{found} starts nothing that is parsed; {rule}")
