"""Slips of the pen: every text that differs from a formula by one classic mistake."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from .equations import Equation
from .parser import parse
from .tokens import FormulaError

SWAPS = (  # (what is done, what is written, what is written instead)
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
TURNED = (("<", ">"), (r"\le ", r"\ge "), (">", "<"))


class Mutant(NamedTuple):
    """One slip."""

    name: str
    slip: str
    text: str
    equation: Equation | None  # None where the reader refuses the text
    refusal: str


def mutants(equation: Equation) -> Iterator[Mutant]:
    """Every slip in one equation; of an inequality only its sign is turned."""
    text = equation.formula.text
    seen = {text}
    assert equation.relation is not None
    if set(equation.relation.signs) != {"="}:
        slips = [("the sign is turned", text.replace(a, b, 1)) for a, b in TURNED if a in text]
    else:
        slips = [*_swapped(text), *_without_roots(text), *_upside_down(text)]
    for slip, changed in slips:
        if changed not in seen:
            seen.add(changed)
            yield _read(equation, slip, changed)


def _read(equation: Equation, slip: str, text: str) -> Mutant:
    try:
        relation = parse(text, equation.formula.page.declared)
    except FormulaError as error:
        return Mutant(equation.name, slip, text, None, str(error))
    formula = replace(equation.formula, text=text, relation=relation)
    return Mutant(equation.name, slip, text, replace(equation, formula=formula), "")


def _swapped(text: str) -> Iterator[tuple[str, str]]:
    for slip, pattern, instead in SWAPS:
        for match in re.finditer(pattern, text):
            new = match.expand(instead) if isinstance(instead, str) else instead(match)
            yield slip, text[: match.start()] + new + text[match.end() :]


def _without_roots(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"\\sqrt(?=\{)", text):
        end = _closing(text, match.end())
        inside = text[match.end() + 1 : end]
        yield "a root is dropped", f"{text[: match.start()]}({inside}){text[end + 1 :]}"


def _upside_down(text: str) -> Iterator[tuple[str, str]]:
    for match in re.finditer(r"\\frac(?=\{)", text):
        middle = _closing(text, match.end())
        end = _closing(text, middle + 1)
        above, below = text[match.end() : middle + 1], text[middle + 1 : end + 1]
        turned = text[: match.end()] + below + above + text[end + 1 :]
        yield "a fraction is turned", turned


def _closing(text: str, opening: int) -> int:
    depth = 0
    for place in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if depth == 0:
            return place
    raise AssertionError(f"no closing brace in {text}")
