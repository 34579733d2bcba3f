"""LaTeX as tokens, each with its offset, and where a formula stops being one."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

TOKEN = re.compile(
    r"(?P<skip>\s+|\\[,;:!]|\\\\|&|\\q?quad(?![A-Za-z])|\\(?:begin|end)\{aligned\}"
    r"|\\(?:left|right|bigl?|bigr|Bigl?|Bigr)(?![A-Za-z]))"
    r"|(?P<number>\d+(?:\.\d+)?)|(?P<word>\\mathrm\{[A-Za-z]+\})|(?P<command>\\[A-Za-z]+|\\\|)"
    r"|(?P<letter>[A-Za-z])|(?P<sign>[-+*/^_=<>(){}\[\],;'!|])"
)
GOES_ON = re.compile(r"\s*&?\s*([-+=<>]|\\(le|ge|cdot|times)(?![A-Za-z]))")
OPENING, CLOSING, DEEPEST = "({[", ")}]", 40


class FormulaError(ValueError):
    """What is wrong with a formula, and at which offset of its text."""

    def __init__(self, offset: int, sentence: str) -> None:
        super().__init__(sentence)
        self.offset = offset


class Token(NamedTuple):
    text: str
    kind: str  # number, word, command, letter, sign or end
    offset: int


def tokens(text: str) -> list[Token]:
    """All of them but spaces, alignment and the sizes of brackets; the last one is the end."""
    found = []
    offset = depth = 0
    while offset < len(text):
        match = TOKEN.match(text, offset)
        if match is None:
            raise FormulaError(offset, f"{text[offset]!r} has no meaning in a formula")
        depth += (match[0] in OPENING) - (match[0] in CLOSING)
        if depth > DEEPEST:
            raise FormulaError(offset, f"brackets stand in {DEEPEST} others; split the formula")
        if match.lastgroup == "number" and found and found[-1].kind == "number":
            raise FormulaError(offset, r"two numbers stand side by side; write \cdot between them")
        if match[0] == "\\\\" and not GOES_ON.match(text, match.end()):
            raise FormulaError(offset, r"a line goes on with & and a sign, or a sign")
        if match.lastgroup != "skip":
            found.append(Token(match[0], match.lastgroup or "", offset))
        offset = match.end()
    return [*found, Token("", "end", len(text))]


class Cursor:
    """A place among the tokens of a text."""

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

    def expect(self, token: str, named: str = "") -> None:
        if self.here != token:
            raise self.wrong(f"expected {named or token}, found {self.here or 'the end'}")
        self.at = min(self.at + 1, len(self.tokens) - 1)

    def wrong(self, sentence: str, at: int | None = None) -> FormulaError:
        return FormulaError(self.tokens[self.at if at is None else at][2], sentence)

    def braced(self, inside: Callable[[], Any]) -> Any:
        self.expect("{")
        result = inside()
        self.expect("}")
        return result
