"""The exit code of a run of the suite, and the line that explains it."""

from typing import Any

import pytest

from property_tests.evidence import ending
from property_tests.evidence.ending import end

OPTIONS = {"ddpm_report": "shown", "ddpm_budget": "9", "ddpm_require": None, "ddpm_accept": False}


def row(outcome: str = "passed", **changed: Any) -> dict[str, Any]:
    return {
        **{
            "check": "test_a.py::test_b",
            "outcome": outcome,
            "control": False,
            "options": "",
            "verdict": "",
        },
        **{"answered": ["q_step"], "claims": [], "effect": None, **changed},
    }


def ended(monkeypatch, *rows: dict[str, Any], status: int = 0, overspent: bool = False) -> Any:
    """Return the lines and the exit code of a run with these rows."""
    monkeypatch.setattr(ending.report, "write", lambda rows, folder: ["one line"])
    monkeypatch.setattr(ending.report, "overspent", lambda rows: overspent)
    failed = sum(each["outcome"] == "failed" for each in rows)
    named = {str(i): each for i, each in enumerate(rows)}
    return end(named, OPTIONS.__getitem__, status, failed)


NOT_ANSWERED = row("not offered", answered=[])
FORMULA, DIGITS, CONVENTION = (
    row("failed", verdict=each) for each in ("formula", "digits", "convention")
)


@pytest.mark.parametrize(
    ("rows", "status", "code", "first"),
    [
        ([row(), NOT_ANSWERED], 0, 0, "one line"),
        ([NOT_ANSWERED], 0, 5, "nothing was compared: the adapter answered no call"),
        ([row("failed", answered=[]), NOT_ANSWERED], 1, 1, "nothing was compared"),
        ([row("failed", control=True)], 1, 1, "one line"),
        ([row(), row("not run")], 0, 1, "--ddpm-budget 9 was spent: 1 check was not run"),
        ([FORMULA, row("not run"), row("not run")], 1, 1, "--ddpm-budget 9 was spent: 2 checks"),
        ([CONVENTION, DIGITS, FORMULA], 1, 1, "one line"),
        ([CONVENTION, DIGITS, row()], 1, 6, "one line"),
        ([CONVENTION, row()], 1, 7, "one line"),
        ([DIGITS, row("failed", control=True)], 1, 1, "one line"),
        ([row("not run")], 2, 2, "one line"),
    ],
)
def test_exit_code_tells_the_worst_that_happened(monkeypatch, rows, status, code, first):
    lines, found = ended(monkeypatch, *rows, status=status)
    assert found == code
    assert lines[0].startswith(first)


def test_overspent_run_fails(monkeypatch):
    assert ended(monkeypatch, row(), overspent=True)[1] == 1
    assert ended(monkeypatch, DIGITS, status=1, overspent=True)[1] == 1


def test_test_of_another_project_that_fails_keeps_exit_code_1(monkeypatch):
    """It has no row, so that more tests failed than checks."""
    ended(monkeypatch, DIGITS)  # replaces the report
    assert end({"one": DIGITS}, OPTIONS.__getitem__, 1, 1)[1] == 6
    assert end({"one": DIGITS}, OPTIONS.__getitem__, 1, 2)[1] == 1
