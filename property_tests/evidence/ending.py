"""The end of a run: its report, its lines for the terminal and its exit code."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..protocol import Implementation
from . import deviations, report

Rows = Mapping[str, Mapping[str, Any]]

WORST_FIRST = (2, 3, 4, 1, 5, 6, 7, 0)  # exit codes; the first three are the same for all options
COMPARED = ("passed", "failed", "deviates")  # outcomes of checks that compared something


def end(
    rows: Rows, option: Callable[[str], Any], status: int, failed: int
) -> tuple[list[str], int]:
    """Write the report; return the lines for the terminal and the exit code.

    option: the options of the run by name. status, failed: pytest's exit code and number of
    failures, which may include tests that are not of the suite. An implementation with several
    options has a report for each of them in a folder of its name; the worst exit code counts.
    """
    names = sorted({each["options"] for each in rows.values()})
    groups = {
        name: {key: each for key, each in rows.items() if each["options"] == name} for name in names
    }
    if len(groups) == 1:
        return _end(rows, option, Path(option("ddpm_report")), status, failed)
    others, lines, codes = failed - _failures(rows), [], []
    for name, group in groups.items():
        folder = Path(option("ddpm_report")) / name
        more, code = _end(group, option, folder, status, others + _failures(group))
        lines += ["", f"options {name}", *more]
        codes.append(code)
    return lines, min(codes, key=WORST_FIRST.index)


def _end(
    rows: Rows, option: Callable[[str], Any], folder: Path, status: int, failed: int
) -> tuple[list[str], int]:
    """Write the report of one implementation."""
    valid = False
    try:
        lines = report.write(rows, folder)
        valid = not report.overspent(rows)
    except OSError as error:
        lines = [f"--ddpm-report {folder}: nothing was written, {error}"]
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        return lines, status
    reasons = [*_not_run(rows, option("ddpm_budget")), *unmet(rows, option("ddpm_require"))]
    if reasons or not valid:
        return [*reasons, *lines], pytest.ExitCode.TESTS_FAILED
    if nothing_compared(rows):
        none = pytest.ExitCode.NO_TESTS_COLLECTED
        lines = ["nothing was compared: the adapter answered no call", *lines]
        return lines, status if failed else none
    if not _all_have_verdicts(rows, failed):
        return lines, status
    if option("ddpm_accept"):
        count = deviations.accept(Path(option("ddpm_deviations")), rows)
        return [f"deviations written to {option('ddpm_deviations')}: {count}", *lines], 0
    return lines, report.exit_code(rows)


def _failures(rows: Rows) -> int:
    return sum(each["outcome"] == "failed" for each in rows.values())


def _not_run(rows: Rows, budget: str | None) -> list[str]:
    count = sum(row["outcome"] == "not run" for row in rows.values())
    checks = "1 check was" if count == 1 else f"{count} checks were"
    return [f"--ddpm-budget {budget} was spent: {checks} not run"] if count else []


def _all_have_verdicts(rows: Rows, failed: int) -> bool:
    """Return whether only checks of the suite failed, and each of them has a verdict."""
    found = [each for each in rows.values() if each["outcome"] == "failed"]
    return len(found) == failed and all(each["verdict"] for each in found)


def parsed(text: str) -> int | list[str]:
    """Return the least number of checks, or the methods, that --ddpm-require names."""
    words = [word.strip() for word in text.split(",")]
    if text.strip().isdecimal():
        return int(text)
    unknown = [word for word in words if not callable(getattr(Implementation, word, None))]
    if unknown:
        raise pytest.UsageError(
            f"--ddpm-require {text}: the protocol has no method {unknown[0]!r}; use names of its "
            "methods, separated by commas, or a number of checks"
        )
    return words


def unmet(rows: Rows, required: str | None) -> list[str]:
    """Return what --ddpm-require asks for and the run did not compare, as a line."""
    compared = [each for each in own(rows) if each["outcome"] in COMPARED]
    wanted = [] if required is None else parsed(required)
    if isinstance(wanted, int):
        few = len(compared) < wanted
        return [f"--ddpm-require {wanted}: {len(compared)} checks were compared"] if few else []
    answered = {name for each in compared for name in each["answered"]}
    missing = [name for name in wanted if name not in answered]
    return [f"--ddpm-require: not compared: {', '.join(missing)}"] if missing else []


def nothing_compared(rows: Rows) -> bool:
    """Return whether the implementation answered no call at all."""
    return bool(own(rows)) and not any(each["answered"] for each in own(rows))


def own(rows: Rows) -> list[Mapping[str, Any]]:
    """Return the rows without controls of the suite itself."""
    return [each for each in rows.values() if not each["control"]]
