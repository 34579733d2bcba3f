"""Outcome of the last run of the suite for each equation: green, red, amber or none."""

import json
from collections.abc import Mapping
from hashlib import sha256
from math import isfinite
from pathlib import Path
from typing import Any, NamedTuple

from ddpm_core.gate.certificate import CertificateError, Project, mismatch, read

from ..checker.equations import Equation

# The suite's own checks that read the text of a page, for each equation.
READ_THE_TEXT = (
    "test_derivations.py::test_code_computes_what_the_page_states",
    "test_derivations.py::test_simulation_follows_the_distribution_on_the_page",
)


class Outcome(NamedTuple):
    """A colour and the sentence that explains it."""

    colour: str  # "green", "red", "amber", "none"
    explanation: str


class ReportError(ValueError):
    """A report that cannot be read."""


class Outcomes:
    """Rows of report.json, and what has changed since they were written."""

    def __init__(self, report: Path) -> None:
        self.implementation, self.rows = _rows(report)
        self.not_certified = _not_certified(report) if self.rows else None

    @property
    def headline(self) -> str:
        """One sentence about the complete run."""
        if not self.rows:
            return "There is no report of the suite: run pytest property_tests."
        failed = sum(row["outcome"] == "failed" for row in self.rows)
        failures = f"{failed} failed" if failed else "none failed"
        reason = f"; {self.not_certified}" if self.not_certified else ""
        return f"Last run: {len(self.rows)} checks of {self.implementation}, {failures}{reason}."

    def check(self, reference: str) -> Outcome:
        """Return the outcome of one test with all of its parameters."""
        file, _, test = reference.partition("::")
        key = f"{Path(file).name}::{test}"
        if not file.startswith("property_tests/test_"):
            return Outcome("none", "not part of the suite's report")
        return self._judge([row for row in self.rows if _names(row, key)])

    def text_of(self, name: str) -> Outcome | None:
        """Return the outcome of the checks that evaluate the printed equation; None without any."""
        keys = {f"{test}[{name}]" for test in READ_THE_TEXT}
        rows = [row for row in self.rows if row["check"] in keys]
        return self._judge(rows) if rows else None

    def equation(self, equation: Equation) -> Outcome:
        """Return the worst outcome of the checks of an equation."""
        text = self.text_of(equation.name)
        found = [*map(self.check, equation.checks), *([text] if text else [])]
        found = [each for each in found if each.colour != "none"]
        if not found and not equation.formula.prose:
            return Outcome("none", "proved; no test of the suite covers it")
        if not found:
            return Outcome("none", "not machine-checked")
        return min(found, key=lambda each: ("red", "amber", "green").index(each.colour))

    def _judge(self, rows: list[Mapping[str, Any]]) -> Outcome:
        if not self.rows:
            return Outcome("none", "there is no report")
        if not rows:
            return Outcome("amber", "not in the last run")
        evidence = _evidence(rows)
        outcomes = {row["outcome"] for row in rows}
        if "failed" in outcomes:
            return Outcome("red", f"failed: {evidence}")
        if outcomes != {"passed"}:
            return Outcome("amber", f"{', '.join(sorted(outcomes))}: {evidence}")
        if self.not_certified:
            return Outcome("amber", f"passed, not certified for this code: {evidence}")
        return Outcome("green", f"passed: {evidence}")


def _names(row: Mapping[str, Any], key: str) -> bool:
    name: str = row["check"]
    return name == key or name.startswith(f"{key}[")


def _rows(report: Path) -> tuple[str, list[dict[str, Any]]]:
    if not report.is_file():
        return "", []
    try:
        whole = json.loads(report.read_bytes())
        return _text(whole["totals"]["implementation"]), [
            _row(each) for each in _list(whole["checks"])
        ]
    except (ValueError, LookupError, TypeError, ArithmeticError, RecursionError) as error:
        raise ReportError(
            f"{report} is not a report of the suite ({error!r}). Run pytest property_tests"
        ) from None


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a row that the site shows; raises if one is missing or malformed."""
    return {
        "check": _text(row["check"]),
        "outcome": _text(row["outcome"]),
        "claims": [
            {"n": int(claim["n"]), "p": None if claim["p"] is None else _number(claim["p"])}
            for claim in _list(row["claims"])
        ],
        "comparisons": int(row["comparisons"]),
        "worst": _number(row["worst"]),
    }


def _list(value: object) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"{value!r:.40} is not a list")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40} is not a string")
    value.encode()  # half of a surrogate pair cannot be written
    return value


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not isfinite(number := float(value)):
        raise TypeError(f"{value!r:.40} is not a finite number")
    return number


def _not_certified(report: Path) -> str | None:
    """Return why the run does not certify this code, as the gate would; None if it does."""
    try:
        whole = read(report.with_name("certificate.json"))
        if whole["predicate"].get("report") != {"sha256": sha256(report.read_bytes()).hexdigest()}:
            return "the certificate beside it belongs to another run"
        return mismatch(whole, Project.own())
    except CertificateError as error:
        return str(error)


def _evidence(rows: list[Mapping[str, Any]]) -> str:
    """Summarize the evidence in a few words."""
    claims = [claim for row in rows for claim in row["claims"]]
    numbers = sum(row["comparisons"] for row in rows)
    parts = [f"{len(rows)} run{'s' if len(rows) > 1 else ''}"]
    if claims:
        least = min((claim["p"] for claim in claims if claim["p"] is not None), default=None)
        n = sum(claim["n"] for claim in claims)
        parts.append(f"{n:,} scalars" + ("" if least is None else f", least p {least:.2g}"))
    if numbers:
        worst = max(row["worst"] for row in rows)
        parts.append(f"{numbers:,} numbers, the worst at {worst:.2g} of the rounding allowance")
    return "; ".join(parts)
