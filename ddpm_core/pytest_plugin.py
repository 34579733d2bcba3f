"""pytest plugin of the property suite: its options, its report and its certificate.

With xdist, or from an installed package, the process that ends a run never imports the suite. So
each check sends its evidence with pytest's own report. This plugin collects the evidence, writes
the report of any run, and writes the certificate of a complete run without failures.
"""

import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ddpm_core.gate.bytecode import stale
from ddpm_core.gate.certificate import Project
from ddpm_core.gate.certify import Certification
from ddpm_core.plugin.adapter import Adapters
from ddpm_core.plugin.budget import Budget, is_not_run
from ddpm_core.plugin.junit import name_class
from ddpm_core.plugin.options import add_aliases, add_options, name_folder_of_suite, require_extra

UNFINISHED = "unfinished"  # outcome of a check during which the run was interrupted
MARKERS = (  # of checks, which other projects import for @checks
    "complete: a property that the dev profile leaves out",
    "elsewhere: a property of what ddpm-core itself does not have",
    "convention: a property that implementations decide differently: refusals, layouts, end points",
)
EVIDENCE = "ddpm_evidence"  # attribute of a report with the row of its check


def pytest_addoption(parser: Any) -> None:
    add_options(parser)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(
    early_config: Any, parser: Any, args: list[str]
) -> Iterator[None]:
    """Load the conftest.py of an installed suite early; add aliases if their names are free."""
    options, current = early_config.known_args_namespace, early_config.invocation_params.dir
    for prepare in (require_extra, name_folder_of_suite):
        prepare(options, args, Project.own().suite, current)
    yield
    add_aliases(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: Any) -> None:
    """Load the adapter of --ddpm-impl; register the collector, or its counterpart in a worker."""
    for marker in MARKERS:
        config.addinivalue_line("markers", marker)
    adapters = Adapters(config.getoption("ddpm_impl"))
    worker = hasattr(config, "workerinput")
    plugin = Worker(config) if worker else Collector(config)
    config.pluginmanager.register(plugin, "ddpm_core_collector")
    config.pluginmanager.register(adapters, "ddpm_core_adapters")
    config.pluginmanager.register(Budget(config), "ddpm_core_budget")


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Report checks that a spent budget omitted in a column of their own."""
    return ("not run", "-", "NOT RUN") if hasattr(report, EVIDENCE) and is_not_run(report) else None


class Worker:
    """xdist worker: reports at its end whether its checks ran stale bytecode."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.ran = False

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.ran |= hasattr(report, EVIDENCE)

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

    @pytest.hookimpl(tryfirst=True)  # before the reports of other plugins
    def pytest_runtest_logreport(self, report: Any) -> None:
        """Update the row of a check: the worst outcome of its phases, and their total seconds."""
        evidence = getattr(report, EVIDENCE, None)
        if evidence is None:
            return
        row = self.rows.setdefault(report.nodeid, {"outcome": UNFINISHED, "seconds": 0.0})
        row |= evidence | {"seconds": row["seconds"] + report.duration}
        name_class(self.config, report, row)
        if report.when == "call" and report.passed:
            row["outcome"] = "passed"
        if report.failed:
            row["outcome"], row["failure"] = "failed", _reason(report)
        elif hasattr(report, "wasxfail"):
            row["outcome"], row["deviation"] = "deviates", report.wasxfail
        elif is_not_run(report):
            row["outcome"] = "not run"
        elif report.skipped:
            row["outcome"], row["missing"] = _skipped(report)

    def pytest_sessionfinish(self, session: Any) -> None:
        """Write report and certificate, and choose the exit code."""
        unfinished = [name for name, row in self.rows.items() if row["outcome"] == UNFINISHED]
        for name in unfinished:  # the run was interrupted during it
            del self.rows[name]
        interrupted = session.exitstatus == pytest.ExitCode.INTERRUPTED
        if not self.rows:
            if unfinished and interrupted:
                self.lines = ["interrupted before the first check finished: no report written"]
            return
        option = self.config.getoption
        self.lines, session.exitstatus = self._suite().end(
            self.rows, option, session.exitstatus, session.testsfailed
        )
        if interrupted and self.lines:
            self.lines.insert(0, "interrupted: the report contains only the checks that finished")
        if self.lines:
            self.lines[-1] += "; " + self.certification.outcome(
                self.rows, Path(option("ddpm_report")), session.exitstatus
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
        """Return the suite's module for the end of a run, from wherever the suite was run."""
        return importlib.import_module(next(iter(self.rows.values()))["suite"] + ".evidence.ending")


def _skipped(report: Any) -> tuple[str, str]:
    """Return the outcome of a check that was skipped, and what the adapter does not offer."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    found = re.search(r"(not offered|too few): (.*)", reason)
    return (found[1], found[2]) if found else ("not offered", reason)


def _reason(report: Any) -> str:
    """Return the message of a failure with the sections that the suite adds."""
    crash = getattr(report.longrepr, "reprcrash", None)
    message = crash.message if crash is not None else str(report.longrepr)
    return "\n".join([message, *(f"{name}: {text}" for name, text in report.sections)])
