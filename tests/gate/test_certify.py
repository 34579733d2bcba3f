"""What a run of the suite leaves: a certificate, or the reason why there is none."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ddpm_core.gate import certificate, certify
from ddpm_core.gate.certificate import Project
from ddpm_core.gate.certify import Certifying, information, narrowed, predicate
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
        "-n2 --dist loadfile --report out --color=yes --durations 5 --tb short",
        "--numprocesses auto --pyargs ddpm_core.property_tests --rootdir=/somewhere",
        "-ra --strict-markers --strict-config --import-mode=importlib",
    ],
)
def test_how_a_run_goes_is_free(line):
    assert narrowed(line.split()) is None


@pytest.mark.parametrize(
    "word",
    [
        *("-k", "-kposterior", "-m", "-x", "--exitfirst", "--maxfail=1", "--lf", "--ff", "--sw"),
        *("--deselect=a", "--ignore=b", "-p", "-pno:cacheprovider", "-o", "-c", "--collect-only"),
        *("--hypothesis-profile=dev", "--hypothesis-seed=0", "--noise-epoch=1", "--reruns", "-W"),
        *("--runxfail", "-qx"),
    ],
)
def test_what_a_run_is_made_of_is_not(word):
    assert narrowed(["-q", word, "property_tests"]) == word


class Config(SimpleNamespace):
    """As much of pytest's configuration as is read."""

    impl: str | None = None
    addopts: tuple[str, ...] = ()

    def getoption(self, name: str) -> str | None:
        assert name == "--impl"
        return self.impl

    def getini(self, name: str) -> tuple[str, ...]:
        assert name == "addopts"
        return self.addopts

    @property
    def pluginmanager(self) -> SimpleNamespace:
        return SimpleNamespace(get_plugins=lambda: [SimpleNamespace(__file__=self.plugin)])

    plugin: str | None = None  # the file of one that was loaded


def ends(
    project: Project,
    folder: Path,
    rows: dict[str, Any] = ROWS,
    status: int = 0,
    words: tuple[str, ...] = (),
    **config: Any,
) -> str:
    """What is said at the end of a run with these rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Project, "own", classmethod(lambda cls: project))
        run = Certifying(Config(invocation_params=SimpleNamespace(args=words), **config))
    (folder / "report.json").write_text("{}")
    return run.outcome(rows, folder, status)


def test_a_complete_green_run_certifies(project, path, tmp_path):
    assert ends(project, tmp_path) == f"certificate: {path}"
    whole = certificate.read(path)
    assert certificate.mismatch(whole, project) is None
    assert whole["predicate"]["worst"] == {"check": "test_mean", "fraction_of_allowance": 0.5}
    assert len(whole["predicate"]["report"]["sha256"]) == 64
    when = whole["predicate"]["information"]
    assert (when["commit"], when["dirty"]) == (None, None), "there is no checkout here"
    assert when["time"].startswith("20")


def with_outcome(outcome: str) -> dict[str, Any]:
    return {**ROWS, "test_half": {**ROWS["test_half"], "outcome": outcome}}


@pytest.mark.parametrize(
    ("run", "says"),
    [
        ({"rows": with_outcome("failed")}, "test_half failed"),
        ({"rows": with_outcome("not offered")}, "test_half not offered"),
        ({"rows": with_outcome("deviates")}, "test_half deviates"),
        ({"rows": {"test_mean": ROWS["test_mean"]}}, "test_half was not run"),
        ({"status": 1}, "the run ended with exit status 1"),
        ({"words": ("-x",)}, "-x on the command line changes what is run"),
        ({"addopts": ("-m", "quick")}, "-m on the command line changes what is run"),
        ({"impl": "theirs:Adapter"}, "--impl theirs:Adapter chose the implementation"),
    ],
)
def test_another_run_says_why_it_does_not(project, path, tmp_path, run, says):
    assert ends(project, tmp_path, **run) == f"no certificate: {says}"
    assert not path.exists()


def test_a_failure_withdraws_what_was_certified(project, path, tmp_path):
    ends(project, tmp_path)
    assert "withdrawn" not in ends(project, tmp_path, rows={"test_mean": ROWS["test_mean"]})
    theirs = ends(project, tmp_path, rows=with_outcome("failed"), impl="theirs:Adapter")
    assert "withdrawn" not in theirs
    assert path.exists()
    said = ends(project, tmp_path, rows=with_outcome("failed"))
    assert said == "no certificate, and the former one is withdrawn: test_half failed"
    assert not path.exists()


def test_a_certificate_that_cannot_be_written_is_said_so(project, path, tmp_path):
    path.mkdir()
    (path / "full").write_text("")
    assert ends(project, tmp_path).startswith("no certificate: [Errno ")


def test_a_failure_beside_a_folder_of_that_name_is_no_traceback(project, path, tmp_path):
    path.mkdir()
    said = ends(project, tmp_path, rows=with_outcome("failed"))
    assert said == "no certificate: test_half failed"


def test_options_of_the_environment_count(project, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTEST_ADDOPTS", "-q --maxfail=1")
    assert "no certificate: --maxfail=1 on the command line" in ends(project, tmp_path)


def test_a_run_without_assertions_certifies_nothing(project, tmp_path, monkeypatch):
    flags = SimpleNamespace(optimize=1)
    monkeypatch.setattr(sys, "flags", flags)
    assert ends(project, tmp_path) == "no certificate: python -O leaves assertions out"


def test_options_in_a_file_are_not_read_and_certify_nothing(project, tmp_path):
    said = ends(project, tmp_path, words=("property_tests", "@more"))
    assert said == "no certificate: @more on the command line changes what is run"


def test_a_strangers_plugin_certifies_nothing(project, tmp_path, monkeypatch):
    """One that could rewrite outcomes: a conftest.py above, or a module that no option names."""
    strange = tmp_path / "conftest.py"
    said = ends(project, tmp_path, plugin=str(strange))
    assert said == f"no certificate: {strange} was loaded too, and may change what a check comes to"
    own = project.suite.resolve() / "conftest.py"
    assert ends(project, tmp_path, plugin=str(own)).startswith("certificate: ")
    assert ends(project, tmp_path, plugin=str(tmp_path / "other.py")).startswith("certificate: ")
    monkeypatch.setenv("PYTEST_PLUGINS", "evil")
    assert "PYTEST_PLUGINS=evil was loaded too" in ends(project, tmp_path)


def test_old_bytecode_certifies_nothing(project, tmp_path, monkeypatch):
    """Here, or in a process of xdist, which tells at its end."""
    monkeypatch.setattr(certify, "stale", lambda project: "here is old bytecode")
    assert ends(project, tmp_path) == "no certificate: here is old bytecode"
    monkeypatch.undo()
    monkeypatch.setattr(Project, "own", classmethod(lambda cls: project))
    run = Certifying(Config(invocation_params=SimpleNamespace(args=())))
    (tmp_path / "report.json").write_text("{}")
    run.stale += ["", "there is old bytecode"]
    assert run.outcome(ROWS, tmp_path, 0) == "no certificate: there is old bytecode"


def test_files_that_change_meanwhile_certify_nothing(project, path, tmp_path, monkeypatch):
    monkeypatch.setattr(Project, "own", classmethod(lambda cls: project))
    run = Certifying(Config(invocation_params=SimpleNamespace(args=())))
    (tmp_path / "report.json").write_text("{}")
    (project.package / "clock.py").write_text("STEP = 2.0")
    said = run.outcome(ROWS, tmp_path, 0)
    assert said == "no certificate: mini/clock.py changed while the suite ran"
    (project.suite / "policy.json").unlink()
    said = run.outcome(ROWS, tmp_path, 0)
    assert said == "no certificate: the files of package and suite cannot be read"
    assert not path.exists()


def test_the_figures_are_those_of_the_rows(tmp_path):
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
    assert found["worst"]["check"] == "a", "what controls are off by is on purpose"
    assert found["mutants"] == ["mutant"]
    assert found["executed"]["a"] == {"outcome": "passed", "claims": 2, "examples": 1}
    none = predicate({"c": control}, tmp_path / "report.json")
    assert none["worst"] is None
    assert json.dumps(none)


def test_a_checkout_names_its_commit():
    found = information(Project.own())
    assert found["commit"] is None or len(found["commit"]) == 40
