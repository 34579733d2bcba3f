"""Typo mutations: every text that differs from a formula by one classic mistake."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from .equations import Equation
from .parser import parse
from .tokens import FormulaError

SWAPS = (  # (description, pattern in the text, replacement)
    ("a bar is dropped", r"\\bar\{\\alpha\}", r"\\alpha"),
    ("a bar is added", r"(?<!\{)\\alpha(?=_t)", r"\\bar{\\alpha}"),
    ("a tilde is dropped", r"\\tilde\{\\beta\}_\{s \\mid t\}", r"\\beta_{t \\mid s}"),
    ("a hat is dropped", r"\\hat\{(x|y|v|\\epsilon)\}", r"\1"),
    ("alpha for beta", r"\\beta(?=_(?:t|i|\{t))", r"\\alpha"),
    ("beta for alpha", r"(?<!\{)\\alpha(?=_(?:t|i|\{t))", r"\\beta"),
    ("t for s", r"_s(?![A-Za-z])", "_t"),
    ("s for t", r"_t(?![A-Za-z])", "_s"),
    ("t - 1 for t", r"(?<=\\bar\{\\alpha\})_t(?![A-Za-z])", "_{t-1}"),
    ("t for t - 1", r"t ?- ?1", "t"),
    ("x_t for x_0", r"x_0", "x_t"),
    ("x_0 for x_t", r"x_t", "x_0"),
    ("plus for minus", r"(?<=[^\s({=&]) - ", " + "),
    ("minus for plus", r"(?<=[^\s({=&]) \+ ", " - "),
    ("a sign is dropped", r"(?<== )-|(?<=\()-", ""),
    ("cube for square", r"\^2", "^3"),
    ("no square", r"\^2", ""),
    ("one more", r"(?<![\d_.^{])([1-9])(?![\d.])", lambda match: str(int(match[1]) + 1)),
    ("max for min", r"\\min", r"\\max"),
    ("cosine for sine", r"\\sin", r"\\cos"),
    ("sine for cosine", r"\\cos", r"\\sin"),
    ("no exponential", r"\\exp", ""),
    ("no logarithm", r"\\log", ""),
    ("a sum begins later", r"=1\}", "=2}"),
    ("product for sum", r"\\sum", r"\\prod"),
    ("sum for product", r"\\prod", r"\\sum"),
)
REVERSED = (("<", ">"), (r"\le ", r"\ge "), (">", "<"))


class Mutant(NamedTuple):
    """A formula with one typo mutation."""

    name: str
    mutation: str
    text: str
    equation: Equation | None  # None if the parser rejects the text
    error: str


def mutants(equation: Equation) -> Iterator[Mutant]:
    """Yield every typo mutation of an equation; an inequality only has its sign reversed."""
    text = equation.formula.text
    seen = {text}
    assert equation.relation is not None
    if set(equation.relation.signs) != {"="}:
        changes = [
            ("the sign is reversed", text.replace(a, b, 1)) for a, b in REVERSED if a in text
        ]
    else:
        changes = [*_swapped(text), *_without_roots(text), *_inverted_fractions(text)]
    for mutation, changed in changes:
        if changed not in seen:
            seen.add(changed)
            yield _parsed(equation, mutation, changed)


def _parsed(equation: Equation, mutation: str, text: str) -> Mutant:
    try:
        relation = parse(text, equation.formula.page.declared)
    except FormulaError as error:
        return Mutant(equation.name, mutation, text, None, str(error))
    formula = replace(equation.formula, text=text, relation=relation)
    return Mutant(equation.name, mutation, text, replace(equation, formula=formula), "")


def _swapped(text: str) -> Iterator[tuple[str, str]]:
    for mutation, pattern, replacement in SWAPS:
        for match in re.finditer(pattern, text):
            new = match.expand(replacement) if isinstance(replacement, str) else replacement(match)
            yield mutation, text[: match.start()] + new + text[match.end() :]


def _without_roots(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"\\sqrt(?=\{)", text):
        end = _closing(text, match.end())
        inside = text[match.end() + 1 : end]
        yield "a root is dropped", f"{text[: match.start()]}({inside}){text[end + 1 :]}"


def _inverted_fractions(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"\\frac(?=\{)", text):
        middle = _closing(text, match.end())
        end = _closing(text, middle + 1)
        numerator, denominator = text[match.end() : middle + 1], text[middle + 1 : end + 1]
        inverted = text[: match.end()] + denominator + numerator + text[end + 1 :]
        yield "a fraction is inverted", inverted


def _closing(text: str, opening: int) -> int:
    depth = 0
    for position in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    raise AssertionError(f"no closing brace in {text}")
