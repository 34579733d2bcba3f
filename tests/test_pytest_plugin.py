"""The pytest plugin of the suite: one row per check, the exit status, and the last lines."""

from types import SimpleNamespace
from typing import Any

import pytest

from ddpm_core import pytest_plugin
from ddpm_core.plugin.adapter import Adapters
from ddpm_core.plugin.budget import Budget
from ddpm_core.pytest_plugin import EVIDENCE, Collector, Worker

pytest_plugins = ("pytester",)


SLOW_SUITE = """
import os, signal
def test_first(): pass
def test_second():
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    os.kill(os.getpid(), signal.SIGINT)
def test_third(): pass
"""


def test_interrupted_check_does_not_pass(pytester):
    """Its row is dropped, and the first line of the summary reports the interruption."""
    pytester.makeconftest(
        """
import pytest
@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    row = {"suite": "small", "check": item.name}
    report = yield
    report.ddpm_evidence = row
    return report
"""
    )
    ending = "def end(rows, option, status, failed):\n    print(sorted(r['check'] + ' ' + r['outcome'] for r in rows.values()))\n    return ['whole'], status\n"  # noqa: E501 - a file
    empty = dict.fromkeys(("small/__init__", "small/evidence/__init__"), "")
    pytester.makepyfile(**empty, **{"small/evidence/ending": ending})
    pytester.makepyfile(SLOW_SUITE)
    pytester.syspathinsert()
    done = pytester.runpytest_subprocess("-s", "-p", "no:cacheprovider")
    assert done.ret == pytest.ExitCode.INTERRUPTED
    done.stdout.fnmatch_lines(["*'test_first passed'*", "interrupted: the report contains only *"])
    assert "test_second" not in done.stdout.str().partition("test_first passed")[2].splitlines()[0]


def report(when: str = "call", outcome: str = "passed", **more: Any) -> SimpleNamespace:
    """One phase of a check, as pytest reports it; it lasts a quarter of a second."""
    outcomes = {each: outcome == each for each in ("passed", "failed", "skipped")}
    row = {EVIDENCE: {"check": "test_mean"}, "nodeid": "a::test_mean"}
    crash = {"longrepr": "", "sections": []}
    return SimpleNamespace(**{**row, **crash, **outcomes, "when": when, "duration": 0.25, **more})


class Suite(SimpleNamespace):
    """The module of the suite for the end of a run, and the evidence that it is given."""

    def __init__(self, **more: Any) -> None:
        super().__init__(given=None, code=0, **more)

    def end(self, rows, option, status, failed):
        self.given = (rows, option("ddpm_report"))
        return ["one line"], self.code or status


@pytest.fixture
def suite(monkeypatch) -> Suite:
    made = Suite()
    monkeypatch.setattr(Collector, "_suite", lambda self: made)
    certified = SimpleNamespace(stale=[], outcome=lambda rows, folder, status: f"status {status}")
    monkeypatch.setattr(pytest_plugin, "Certification", lambda config: certified)
    return made


def collected(*phases: SimpleNamespace, status: int = 0) -> tuple[Collector, SimpleNamespace]:
    """Return the collector and the session after a run with these phases."""
    options = {"ddpm_report": "shown", "ddpm_budget": "9"}
    plugins = SimpleNamespace(get_plugins=list)
    collector = Collector(SimpleNamespace(getoption=options.__getitem__, pluginmanager=plugins))
    for phase in phases:
        collector.pytest_runtest_logreport(phase)
    session = SimpleNamespace(exitstatus=status, testsfailed=0)
    collector.pytest_sessionfinish(session)
    return collector, session


FOREIGN = SimpleNamespace(nodeid="b::test_other", when="call", passed=True)  # without a row
FAILED = SimpleNamespace(reprcrash=SimpleNamespace(message="mean is 2"))


@pytest.mark.parametrize(
    ("phases", "row"),
    [
        ([report("setup"), report(), report("teardown")], {"outcome": "passed"}),
        ([report(), report("teardown", "failed", longrepr="no disk")], {"failure": "no disk"}),
        (
            [report(outcome="failed", longrepr=FAILED, sections=[("similar bugs", "F02")])],
            {"outcome": "failed", "failure": "mean is 2\nsimilar bugs: F02"},
        ),
        (
            [report(outcome="skipped", longrepr="Skipped: not offered: q_step")],
            {"outcome": "not offered", "missing": "q_step"},
        ),
        ([report(outcome="skipped", longrepr="no torch")], {"missing": "no torch"}),
        (
            [report(outcome="skipped", wasxfail="It does so.")],
            {"outcome": "deviates", "deviation": "It does so."},
        ),
    ],
)
def test_row_has_the_worst_outcome_of_the_phases_and_their_time(suite, phases, row):
    collected(*phases)
    (found,), folder = suite.given[0].values(), suite.given[1]
    assert found.items() >= {"check": "test_mean", "seconds": 0.25 * len(phases), **row}.items()
    assert str(folder) == "shown"


def test_check_that_passes_when_it_is_rerun_passes(suite):
    """pytest-rerunfailures reports a failed attempt with an outcome of its own."""
    again = report(outcome="rerun", wasrerun=True)
    collected(report("setup"), again, report("teardown"), report("setup"), report())
    (found,) = suite.given[0].values()
    assert found["outcome"] == "passed"


def test_check_that_was_not_run_has_an_outcome_of_its_own(suite):
    spent = ("conftest.py", 1, "Skipped: not run: --ddpm-budget 9 was spent")
    skipped = report("setup", "skipped", longrepr=spent)
    assert pytest_plugin.pytest_report_teststatus(skipped) == ("not run", "-", "NOT RUN")
    assert pytest_plugin.pytest_report_teststatus(report()) is None
    collected(skipped, report("teardown"))
    (found,) = suite.given[0].values()
    assert found["outcome"] == "not run"
    assert "missing" not in found


@pytest.mark.parametrize(("status", "code", "ends"), [(0, 0, 0), (1, 6, 6), (3, 0, 3)])
def test_suite_chooses_the_exit_code_and_any_run_states_its_certificate(suite, status, code, ends):
    suite.code = code
    collector, session = collected(report(), status=status)
    assert session.exitstatus == ends
    assert collector.lines == [f"one line; status {ends}"]


def test_run_without_checks_of_the_suite_prints_nothing(suite):
    collector, session = collected(FOREIGN)
    assert (suite.given, collector.lines, session.exitstatus) == (None, [], 0)


def test_collector_and_worker_are_registered_in_their_processes(suite):
    registered, marks = [], []
    manager = SimpleNamespace(register=lambda plugin, name: registered.append(type(plugin)))
    config = SimpleNamespace(pluginmanager=manager, getoption=lambda name: None)
    config.addinivalue_line = lambda name, line: marks.append((name, line.partition(":")[0]))
    pytest_plugin.pytest_configure(config)
    assert marks == [("markers", name) for name in ("complete", "elsewhere", "convention")]
    config.workerinput = {}
    pytest_plugin.pytest_configure(config)
    assert registered == [Collector, Adapters, Budget, Worker, Adapters, Budget]


@pytest.mark.parametrize("ran", [True, False])
def test_worker_reports_stale_bytecode_if_it_ran_a_check(suite, monkeypatch, ran):
    monkeypatch.setattr(pytest_plugin, "stale", lambda project: "stale bytecode")
    worker = Worker(SimpleNamespace(workeroutput={}))
    if ran:
        worker.pytest_runtest_logreport(report())
    worker.pytest_runtest_logreport(FOREIGN)
    worker.pytest_sessionfinish()
    assert worker.config.workeroutput == ({EVIDENCE: "stale bytecode"} if ran else {})
    collector, _ = collected()
    collector.pytest_testnodedown(worker.config)
    assert collector.certification.stale == (["stale bytecode"] if ran else [""])
