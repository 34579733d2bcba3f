"""What is wrong, for the terminal: formulas first, by size of effect and grouped by cause."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ..protocol.nouns import CONVENTION, DIGITS, FORMULA, VERDICTS

Row = Mapping[str, Any]

SHOWN = 8  # causes of each verdict
TITLES = {
    FORMULA: "wrong formulas: the result is not that of the mathematics",
    DIGITS: "lost digits: the formula is right, and more digits are lost than need be",
    CONVENTION: "other conventions: a choice on which implementations differ",
}
EXIT_CODES = {FORMULA: 1, DIGITS: 6, CONVENTION: 7}  # of a run whose worst verdict is this


def failed(rows: Iterable[Row]) -> list[Row]:
    """Return the failed checks: formulas first, and the largest effect first."""
    found = [each for each in rows if each["outcome"] == "failed" and each["verdict"]]
    return sorted(found, key=lambda each: (VERDICTS.index(each["verdict"]), -_effect(each)))


def counts(rows: Iterable[Row]) -> list[str]:
    """Return the number of failed checks of each verdict, in words."""
    found = [each["verdict"] for each in failed(rows)]
    return [f"{found.count(each)} {each}" for each in VERDICTS if each in found]


def fault_lines(rows: Iterable[Row]) -> list[str]:
    """Return a paragraph for each cause, or only its first line for digits and conventions."""
    lines: list[str] = []
    for verdict, group in groupby(failed(rows), key=lambda each: each["verdict"]):
        causes = _by_cause([*group])
        lines += ["", TITLES[verdict]]
        for cause, checks in causes[:SHOWN]:
            lines += _paragraph(cause, checks, short=verdict != FORMULA)
        if len(causes) > SHOWN:
            rest = sum(len(checks) for _, checks in causes[SHOWN:])
            lines.append(f"  and {rest} checks with {len(causes) - SHOWN} other causes: see report")
    return [*lines, ""] if lines else []


def _by_cause(checks: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    causes: dict[str, list[Row]] = {}
    for each in checks:
        other = each["statement"] if each["verdict"] == CONVENTION else _first_line(each)
        causes.setdefault(each.get("cause") or other, []).append(each)
    return list(causes.items())


def _paragraph(cause: str, checks: Sequence[Row], short: bool) -> list[str]:
    first, more = checks[0], len(checks) - 1
    name = first["check"] + (f" and {more} more" if more else "")
    if short:
        return [f"  {cause}: {name}"]
    effect = f" (effect {first['effect']:.2g})" if first["effect"] is not None else ""
    why = f"Eq. {first['equation']}: " if first["equation"] else ""
    lines = [f"  {cause}{effect}", f"    {name}", f"    {why}{first['statement']}"]
    if cause != _first_line(first):
        lines.insert(2, f"    {_first_line(first)}")
    return [*lines, *([f"    {link}"] if (link := derivation(first["equation"])) else [])]


def derivation(equation: str) -> str:
    """Return the place of the first of these equations, beside the suite or in its package."""
    first = equation.split(" and ")[0]
    page, dot, _ = first.partition(".")
    if not dot:
        return ""
    file = Path(__file__).parents[2] / "derivations" / f"{page.replace('-', '_')}.md"
    place = file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
    return f"{place}#{first.replace('.', '')}"


def _first_line(check: Row) -> str:
    return str(check.get("message", "")).split("\n")[0]


def _effect(check: Row) -> float:
    return -1.0 if check["effect"] is None else float(check["effect"])
