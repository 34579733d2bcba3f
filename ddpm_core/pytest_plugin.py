"""pytest plugin of the property suite: its options, its report and its certificate.

With xdist, or from an installed package, the process that ends a run never imports the suite. So
each check sends its evidence with pytest's own report. This plugin collects the evidence, writes
the report of any run, and writes the certificate of a complete run without failures.
"""

import importlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from ddpm_core.gate.bytecode import stale
from ddpm_core.gate.certificate import Project
from ddpm_core.gate.certify import Certification

UNFINISHED = "unfinished"  # outcome of a check during which the run was interrupted
EVIDENCE = "property_tests"  # the user property under which a check sends its row


def pytest_addoption(parser: Any) -> None:
    """Add --impl, --noise-epoch and --report."""
    group = parser.getgroup("ddpm-core property suite")
    group.addoption(
        "--impl",
        default=None,
        metavar="MODULE:ATTRIBUTE",
        help="adapter to test, a class or an instance (default: ddpm-core's own)",
    )
    group.addoption(
        "--noise-epoch",
        default="0",
        metavar="NAME",
        help="key of the noise of all Monte Carlo claims (default: 0)",
    )
    group.addoption(
        "--report",
        default="verification",
        metavar="FOLDER",
        help="folder for report.json and report.html (default: verification)",
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
    """Register the collector, in the main process, or its counterpart in an xdist worker."""
    worker = hasattr(config, "workerinput")
    plugin = Worker(config) if worker else Collector(config)
    config.pluginmanager.register(plugin, "ddpm_core_collector")


class Worker:
    """xdist worker: reports at its end whether its checks ran stale bytecode."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.ran = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.ran |= EVIDENCE in dict(report.user_properties)

    def pytest_sessionfinish(self) -> None:
        if self.ran:
            self.config.workeroutput[EVIDENCE] = stale(Project.own())


class Collector:
    """Rows of a run, one per check; prints nothing if no check of the suite ran."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.rows: dict[str, dict[str, Any]] = {}
        self.lines: list[str] = []
        self.certification = Certification(config)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Update the row of a check: the worst outcome of its phases, and their total seconds."""
        for key, evidence in report.user_properties:
            if key == EVIDENCE:
                row = self.rows.setdefault(report.nodeid, {"outcome": UNFINISHED, "seconds": 0.0})
                row |= evidence | {"seconds": row["seconds"] + report.duration}
                if report.when == "call" and report.passed:
                    row["outcome"] = "passed"
                if report.failed:
                    row["outcome"], row["failure"] = "failed", _reason(report)
                elif hasattr(report, "wasxfail"):
                    row["outcome"], row["deviation"] = "deviates", report.wasxfail
                elif report.skipped:
                    row["outcome"], row["missing"] = "not offered", _missing(report)

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write report and certificate; fail if no report is written or alpha is overspent."""
        unfinished = [name for name, row in self.rows.items() if row["outcome"] == UNFINISHED]
        for name in unfinished:  # the run was interrupted during it
            del self.rows[name]
        interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
        if not self.rows:
            if unfinished and interrupted:
                self.lines = ["interrupted before the first check finished: no report written"]
            return
        folder, valid = Path(self.config.getoption("--report")), False
        try:
            self.lines = self._suite().write(self.rows, folder)
            valid = not self._suite().overspent(self.rows)
        except OSError as error:
            self.lines = [f"--report {folder}: nothing was written, {error}"]
        if not valid and session.exitstatus == 0:
            session.exitstatus = 1
        if interrupted and self.lines:
            self.lines.insert(0, "interrupted: the report contains only the checks that finished")
        if self.lines:
            self.lines[-1] += "; " + self.certification.outcome(
                self.rows, folder, session.exitstatus
            )

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect what an xdist worker reports at its end."""
        self.certification.stale.append(getattr(node, "workeroutput", {}).get(EVIDENCE) or "")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print a summary of the report in five lines."""
        for line in self.lines:
            terminalreporter.write_line(line)

    def _suite(self) -> Any:
        """Return the suite's report module, from wherever the suite was run."""
        return importlib.import_module(next(iter(self.rows.values()))["suite"] + ".evidence.report")


def _missing(report: Any) -> str:
    """Return the name of the method that the adapter does not offer."""
    found = re.search(r"not offered: (\w+)", str(report.longrepr))
    return found[1] if found else str(report.longrepr)


def _reason(report: Any) -> str:
    """Return the message of a failure with the sections that the suite adds."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash is not None else str(report.longrepr)
    return "\n".join([message, *(f"{name}: {text}" for name, text in report.sections)])
