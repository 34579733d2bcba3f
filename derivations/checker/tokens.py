"""Tokenizer of LaTeX formulas: tokens with offsets, and a cursor over them."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

TOKEN = re.compile(
    r"(?P<skip>\s+|\\[,;:!]|\\\\|&|\\q?quad(?![A-Za-z])|\\(?:begin|end)\{aligned\}"
    r"|\\(?:left|right|bigl?|bigr|Bigl?|Bigr)(?![A-Za-z]))"
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<word>\\mathrm\{[A-Za-z]+\})|(?P<command>\\[A-Za-z]+|\\\|)"
    r"|(?P<letter>[A-Za-z])|(?P<sign>[-+*/^_=<>(){}\[\],;'!|])"
)
CONTINUATION = re.compile(r"\s*&?\s*([-+=<>]|\\(le|ge|cdot|times)(?![A-Za-z]))")
OPENING, CLOSING, MAX_DEPTH = "({[", ")}]", 40


class FormulaError(ValueError):
    """An error in a formula, with its offset in the text."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset


class Token(NamedTuple):
    text: str
    kind: str  # number, word, command, letter, sign or end
    offset: int


def tokens(text: str) -> list[Token]:
    """Split into tokens without spaces, alignment and bracket sizes; the last token is the end."""
    found = []
    offset = depth = 0
    while offset < len(text):
        match = TOKEN.match(text, offset)
        if match is None:
            raise FormulaError(offset, f"{text[offset]!r} has no meaning in a formula")
        depth += (match[0] in OPENING) - (match[0] in CLOSING)
        if depth > MAX_DEPTH:
            raise FormulaError(
                offset, f"brackets are nested more than {MAX_DEPTH} deep; split the formula"
            )
        if match.lastgroup == "number" and found and found[-1].kind == "number":
            raise FormulaError(offset, r"two adjacent numbers; write \cdot between them")
        if match[0] == "\\\\" and not CONTINUATION.match(text, match.end()):
            raise FormulaError(offset, "a continued line starts with a sign, or with & and a sign")
        if match.lastgroup != "skip":
            found.append(Token(match[0], match.lastgroup or "", offset))
        offset = match.end()
    return [*found, Token("", "end", len(text))]


class Cursor:
    """A position among the tokens of a formula."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.at = 0

    @property
    def here(self) -> str:
        return self.tokens[self.at][0]

    @property
    def kind(self) -> str:
        return self.tokens[self.at][1]

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1][0]

    def expect(self, token: str, description: str = "") -> None:
        if self.here != token:
            raise self.error(f"expected {description or token}, found {self.here or 'the end'}")
        self.at = min(self.at + 1, len(self.tokens) - 1)

    def error(self, message: str, at: int | None = None) -> FormulaError:
        return FormulaError(self.tokens[self.at if at is None else at][2], message)

    def braced(self, parse: Callable[[], Any]) -> Any:
        self.expect("{")
        result = parse()
        self.expect("}")
        return result
