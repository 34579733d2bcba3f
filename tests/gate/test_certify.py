"""Certificates written by a run of the suite, and the reasons for writing none."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ddpm_core.gate import certificate, certify
from ddpm_core.gate.certificate import Project
from ddpm_core.gate.certify import Certification, information, narrowing_option, predicate
from tests.gate import miniature

PASSED = {
    "outcome": "passed",
    "control": False,
    "claims": [],
    "comparisons": 1,
    "worst": 0.5,
    "mutants": [],
    "examples": 1,
}
ROWS: dict[str, dict[str, Any]] = {name: {**PASSED, "check": name} for name in miniature.CHECKS}


@pytest.mark.parametrize(
    "line",
    [
        "",
        "property_tests",
        "-q -v -rA -n 2 property_tests tests",
        "-n2 --dist loadfile --color=yes --durations 5 --tb short",
        "--ddpm-report out --ddpm-budget 9 --junitxml=junit.xml",
        "--numprocesses auto --pyargs ddpm_core.property_tests --rootdir=/somewhere",
        "-ra --strict-markers --strict-config --import-mode=importlib",
    ],
)
def test_options_that_do_not_change_the_checks_are_accepted(line):
    assert narrowing_option(line.split()) is None


@pytest.mark.parametrize(
    "word",
    [
        *("-k", "-kposterior", "-m", "-x", "--exitfirst", "--maxfail=1", "--lf", "--ff", "--sw"),
        *("--deselect=a", "--ignore=b", "-p", "-pno:cacheprovider", "-o", "-c", "--collect-only"),
        *("--hypothesis-profile=dev", "--hypothesis-seed=0", "--ddpm-noise-epoch=1", "-W"),
        *("--runxfail", "-qx", "--reruns"),
    ],
)
def test_options_that_change_the_checks_are_reported(word):
    assert narrowing_option(["-q", word, "property_tests"]) == word


class Config(SimpleNamespace):
    """The part of pytest's configuration that is read."""

    impl: str | None = None
    addopts: tuple[str, ...] = ()

    def getoption(self, name: str) -> str | None:
        assert name == "ddpm_impl"
        return self.impl

    def getini(self, name: str) -> tuple[str, ...]:
        assert name == "addopts"
        return self.addopts

    @property
    def pluginmanager(self) -> SimpleNamespace:
        return SimpleNamespace(get_plugins=lambda: [SimpleNamespace(__file__=self.plugin)])

    plugin: str | None = None  # the file of a loaded plugin


def last_line(
    project: Project,
    folder: Path,
    rows: dict[str, Any] = ROWS,
    status: int = 0,
    words: tuple[str, ...] = (),
    **config: Any,
) -> str:
    """Return the line printed at the end of a run with these rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "own", classmethod(lambda cls: project))
        run = Certification(Config(invocation_params=SimpleNamespace(args=words), **config))
    (folder / "report.json").write_text("{}")
    return run.outcome(rows, folder, status)


def test_complete_run_without_failures_certifies(project, path, tmp_path):
    assert last_line(project, tmp_path) == f"certificate: {path}"
    written = certificate.read(path)
    assert certificate.mismatch(written, project) is None
    assert written["predicate"]["worst"] == {"check": "test_mean", "fraction_of_allowance": 0.5}
    assert len(written["predicate"]["report"]["sha256"]) == 64
    run = written["predicate"]["information"]
    assert (run["commit"], run["dirty"]) == (None, None), "not a checkout"
    assert run["time"].startswith("20")


def with_outcome(outcome: str) -> dict[str, Any]:
    return {**ROWS, "test_half": {**ROWS["test_half"], "outcome": outcome}}


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ({"rows": with_outcome("failed")}, "test_half failed"),
        ({"rows": with_outcome("not offered")}, "test_half not offered"),
        ({"rows": with_outcome("deviates")}, "test_half deviates"),
        ({"rows": with_outcome("not run")}, "test_half not run"),
        ({"rows": {"test_mean": ROWS["test_mean"]}}, "test_half was not run"),
        ({"status": 1}, "the run ended with exit status 1"),
        ({"words": ("-x",)}, "-x on the command line changes what is run"),
        ({"addopts": ("-m", "quick")}, "-m on the command line changes what is run"),
        ({"impl": "theirs:Adapter"}, "--ddpm-impl theirs:Adapter chose the implementation"),
    ],
)
def test_other_run_states_why_it_does_not_certify(project, path, tmp_path, run, reason):
    assert last_line(project, tmp_path, **run) == f"no certificate: {reason}"
    assert not path.exists()


def test_failure_withdraws_the_certificate(project, path, tmp_path):
    last_line(project, tmp_path)
    assert "withdrawn" not in last_line(project, tmp_path, rows={"test_mean": ROWS["test_mean"]})
    theirs = last_line(project, tmp_path, rows=with_outcome("failed"), impl="theirs:Adapter")
    assert "withdrawn" not in theirs
    assert path.exists()
    line = last_line(project, tmp_path, rows=with_outcome("failed"))
    assert line == "no certificate, and the previous one is withdrawn: test_half failed"
    assert not path.exists()


def test_unwritable_certificate_gives_an_error_message(project, path, tmp_path):
    path.mkdir()
    (path / "full").write_text("")
    assert last_line(project, tmp_path).startswith("no certificate: [Errno ")


def test_failure_with_a_folder_in_place_of_the_certificate_gives_a_message(project, path, tmp_path):
    path.mkdir()
    line = last_line(project, tmp_path, rows=with_outcome("failed"))
    assert line == "no certificate: test_half failed"


def test_options_from_the_environment_count(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-q --maxfail=1")
    assert "no certificate: --maxfail=1 on the command line" in last_line(project, tmp_path)


def test_run_without_assertions_certifies_nothing(project, tmp_path, monkeypatch):
    flags = SimpleNamespace(optimize=1)
    monkeypatch.setattr(sys, "flags", flags)
    assert last_line(project, tmp_path) == "no certificate: python -O disables assertions"


def test_option_file_certifies_nothing(project, tmp_path):
    line = last_line(project, tmp_path, words=("property_tests", "@more"))
    assert line == "no certificate: @more on the command line changes what is run"


def test_foreign_plugin_certifies_nothing(project, tmp_path, monkeypatch):
    """A plugin that could rewrite outcomes: a conftest.py elsewhere, or PYTEST_PLUGINS."""
    foreign = tmp_path / "conftest.py"
    line = last_line(project, tmp_path, plugin=str(foreign))
    assert line == f"no certificate: {foreign} was loaded and could change the outcome of a check"
    own = project.suite.resolve() / "conftest.py"
    assert last_line(project, tmp_path, plugin=str(own)).startswith("certificate: ")
    assert last_line(project, tmp_path, plugin=str(tmp_path / "other.py")).startswith(
        "certificate: "
    )
    monkeypatch.setenv("PYTEST_PLUGINS", "evil")
    assert "PYTEST_PLUGINS=evil was loaded and" in last_line(project, tmp_path)


def test_stale_bytecode_certifies_nothing(project, tmp_path, monkeypatch):
    """In this process, or in an xdist worker, which reports it at its end."""
    monkeypatch.setattr(certify, "stale", lambda project: "stale bytecode here")
    assert last_line(project, tmp_path) == "no certificate: stale bytecode here"
    monkeypatch.undo()
    monkeypatch.setattr(Project, "own", classmethod(lambda cls: project))
    run = Certification(Config(invocation_params=SimpleNamespace(args=())))
    (tmp_path / "report.json").write_text("{}")
    run.stale += ["", "stale bytecode there"]
    assert run.outcome(ROWS, tmp_path, 0) == "no certificate: stale bytecode there"


def test_files_changed_during_the_run_certify_nothing(project, path, tmp_path, monkeypatch):
    monkeypatch.setattr(Project, "own", classmethod(lambda cls: project))
    run = Certification(Config(invocation_params=SimpleNamespace(args=())))
    (tmp_path / "report.json").write_text("{}")
    (project.package / "clock.py").write_text("STEP = 2.0")
    line = run.outcome(ROWS, tmp_path, 0)
    assert line == "no certificate: mini/clock.py changed while the suite ran"
    (project.suite / "policy.json").unlink()
    line = run.outcome(ROWS, tmp_path, 0)
    assert line == "no certificate: the files of package and suite cannot be read"
    assert not path.exists()


def test_predicate_summarizes_the_rows(tmp_path):
    claims = [
        {"alpha": 1e-9, "power": 0.9999999, "min_effect": 0.1},
        {"alpha": 2e-9, "power": 0.999999, "min_effect": 0.05},
    ]
    control = {**PASSED, "check": "c", "control": True, "worst": 9.0, "mutants": ["mutant"]}
    rows = {"a": {**PASSED, "check": "a", "claims": claims}, "c": control}
    (tmp_path / "report.json").write_text("{}")
    found = predicate(rows, tmp_path / "report.json")
    assert found["alpha_spent"] == pytest.approx(3e-9, rel=1e-12)
    assert (found["least_power"], found["least_effect"]) == (0.999999, 0.1)
    assert found["worst"]["check"] == "a", "controls are wrong on purpose"
    assert found["mutants"] == ["mutant"]
    assert found["executed"]["a"] == {"outcome": "passed", "claims": 2, "examples": 1}
    only_control = predicate({"c": control}, tmp_path / "report.json")
    assert only_control["worst"] is None
    assert json.dumps(only_control)


def test_checkout_gives_its_commit():
    found = information(Project.own())
    assert found["commit"] is None or len(found["commit"]) == 40
