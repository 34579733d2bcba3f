"""Options of the property suite, and what its checks come to, declared where pytest looks first.

With xdist, or from an installed package, the process that ends a run never loads the suite: each
check sends what it saw along with pytest's own report, and here all of it comes together: the
report of any run, and the certificate of one that was complete and green.
"""

import importlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ddpm_core.gate.bytecode import stale
from ddpm_core.gate.certificate import Project
from ddpm_core.gate.certify import Certifying

UNFINISHED = "unfinished"  # of a check in which the run was interrupted
EVIDENCE = "property_tests"  # the user property under which a check sends its row


def pytest_addoption(parser: Any) -> None:
    """--impl chooses what is put to the test; --report says where the result is written."""
    group = parser.getgroup("ddpm-core property suite")
    group.addoption(
        "--impl",
        default=None,
        metavar="MODULE:ATTRIBUTE",
        help="adapter to test, a class or an instance; by default ddpm-core's own",
    )
    group.addoption(
        "--noise-epoch",
        default="0",
        metavar="NAME",
        help="another name draws other noise in every Monte Carlo claim",
    )
    group.addoption(
        "--report",
        default="verification",
        metavar="FOLDER",
        help="where report.json and report.html are written (default: verification)",
    )


def pytest_load_initial_conftests(early_config: Any) -> None:
    """Register the profiles of an installed suite before Hypothesis reads --hypothesis-profile.

    With --pyargs, pytest loads the conftest.py of the suite later than that.
    """
    options, suite = early_config.known_args_namespace, "ddpm_core.property_tests"
    if options.pyargs and any(name.startswith(suite) for name in options.file_or_dir):
        with suppress(ModuleNotFoundError):  # pytest reports a missing package itself
            importlib.import_module(f"{suite}.profiles").load_gate()


def pytest_configure(config: Any) -> None:
    """Gather rows in the one process that hears of every check."""
    worker = hasattr(config, "workerinput")
    plugin = Telling(config) if worker else Gathering(config)
    config.pluginmanager.register(plugin, "ddpm_core_gathering")


class Telling:
    """In a process of xdist: whether the code that its checks ran is that of the files."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.ran = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.ran |= EVIDENCE in dict(report.user_properties)

    def pytest_sessionfinish(self) -> None:
        if self.ran:
            self.config.workeroutput[EVIDENCE] = stale(Project.own())


class Gathering:
    """The rows of a run; silent where no check of the suite ran."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.rows: dict[str, dict[str, Any]] = {}
        self.lines: list[str] = []
        self.certifying = Certifying(config)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """A check's row, with the worst outcome of its phases and the seconds of all of them."""
        for key, seen in report.user_properties:
            if key == EVIDENCE:
                row = self.rows.setdefault(report.nodeid, {"outcome": UNFINISHED, "seconds": 0.0})
                row |= seen | {"seconds": row["seconds"] + report.duration}
                if report.when == "call" and report.passed:
                    row["outcome"] = "passed"
                if report.failed:
                    row["outcome"], row["failure"] = "failed", _reason(report)
                elif hasattr(report, "wasxfail"):
                    row["outcome"], row["deviation"] = "deviates", report.wasxfail
                elif report.skipped:
                    row["outcome"], row["missing"] = "not offered", _missing(report)

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write report and certificate; a run without a report, or that overspent alpha, fails."""
        unfinished = [name for name, row in self.rows.items() if row["outcome"] == UNFINISHED]
        for name in unfinished:  # the run was interrupted in it
            del self.rows[name]
        interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
        if not self.rows:
            if unfinished and interrupted:
                self.lines = ["interrupted before any check had finished: no report is written"]
            return
        folder, sound = Path(self.config.getoption("--report")), False
        try:
            self.lines = self._suite().write(self.rows, folder)
            sound = not self._suite().overspent(self.rows)
        except OSError as error:
            self.lines = [f"--report {folder}: nothing was written, {error}"]
        if not sound and session.exitstatus == 0:
            session.exitstatus = 1
        if interrupted and self.lines:
            self.lines.insert(0, "interrupted: the report holds what had finished, and no more")
        if self.lines:
            self.lines[-1] += "; " + self.certifying.outcome(self.rows, folder, session.exitstatus)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """What a process of xdist has to say at its end."""
        self.certifying.stale.append(getattr(node, "workeroutput", {}).get(EVIDENCE) or "")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say in five lines what the report says."""
        for line in self.lines:
            terminalreporter.write_line(line)

    def _suite(self) -> Any:
        """The suite's own report module, wherever its checks were run from."""
        return importlib.import_module(next(iter(self.rows.values()))["suite"] + ".evidence.report")


def _missing(report: Any) -> str:
    """The method that a check asked for in vain."""
    found = re.search(r"not offered: (\w+)", str(report.longrepr))
    return found[1] if found else str(report.longrepr)


def _reason(report: Any) -> str:
    """The sentence of a failure, and what the suite adds to it."""
    crash = getattr(report.longrepr, "reprcrash", None)
    said = crash.message if crash is not None else str(report.longrepr)
    return "\n".join([said, *(f"{name}: {text}" for name, text in report.sections)])
