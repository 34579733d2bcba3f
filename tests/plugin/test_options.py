"""Another project's pytest is as before: its options are its own, and torch stays unloaded.

The suite is imported here, because pytester unloads what is imported in its runs.
"""

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from ddpm_core.plugin import options
from property_tests import conftest as _suite  # noqa: F401
from property_tests.adapters import ddpm_core as _adapter  # noqa: F401

pytest_plugins = ("pytester",)
SUITE = Path(__file__).resolve().parents[2] / "property_tests"

FOREIGN = """
def pytest_addoption(parser):
    parser.addoption("--report", action="store_true")
    parser.addoption("--impl", choices=["cpu", "gpu"])
"""
THEIRS = """
def test_options(pytestconfig):
    assert pytestconfig.getoption("--impl") == pytestconfig.getoption("impl") == "gpu"
    assert pytestconfig.getoption("--report") is True
    assert pytestconfig.getoption("--ddpm-report") == "verification"
    assert pytestconfig.getoption("--ddpm-noise-epoch") == "7"
"""


def test_options_of_another_project_are_its_own(pytester):
    pytester.makeconftest(FOREIGN)
    pytester.makepyfile(THEIRS)
    done = pytester.runpytest_inprocess("--impl", "gpu", "--report", "--noise-epoch", "7")
    done.assert_outcomes(passed=1)


def test_free_names_are_aliases(pytester):
    done = pytester.runpytest_inprocess("--impl", "nowhere:Thing", "--report", "shown")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert done.stderr.str().startswith("ERROR: --ddpm-impl nowhere:Thing: no module nowhere")
    pytester.makepyfile("def test_it(pytestconfig): assert pytestconfig.option.ddpm_report == 'a'")
    pytester.runpytest_inprocess("--report", "a").assert_outcomes(passed=1)


def test_unrelated_run_imports_neither_torch_nor_hypothesis(tmp_path):
    """Hypothesis's own plugin imports Hypothesis later, at the end of a run."""
    loaded = "{'torch', 'hypothesis'} & sys.modules.keys()"
    test = f"import sys\ndef test_it(): assert not {loaded}\n"
    (tmp_path / "test_theirs.py").write_text(test, encoding="utf-8")
    program = (
        "import sys, pytest; code = pytest.main(['-p', 'no:cacheprovider', 'test_theirs.py']); "
        "assert 'ddpm_core.pytest_plugin' in sys.modules; assert 'torch' not in sys.modules; "
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "added"),
    [
        (["ddpm_core.property_tests"], [".", "suite"]),
        (["ddpm_core.property_tests.test_posterior::test_a"], [".", "suite"]),
        (["ddpm_core"], [".", "suite"]),
        (["ddpm_core.property_tests", "tests"], ["suite"]),
        (["ddpm_core.property_tests_of_others", "numpy"], []),
    ],
)
def test_conftest_of_an_installed_suite_is_loaded_early(tmp_path, words, added):
    """And that of the current folder, as if the suite had not been named."""
    (tmp_path / "tests").mkdir()
    folders = {".": str(tmp_path), "suite": str(tmp_path / "site")}
    given = SimpleNamespace(pyargs=True, file_or_dir=list(words))
    options.name_folder_of_suite(given, words, tmp_path / "site", tmp_path)
    assert given.file_or_dir == [*words, *(folders[each] for each in added)]
    given = SimpleNamespace(pyargs=False, file_or_dir=list(words))
    options.name_folder_of_suite(given, words, tmp_path / "site", tmp_path)
    assert given.file_or_dir == words


@pytest.mark.parametrize(
    ("word", "pyargs", "suite"),
    [
        ("ddpm_core.property_tests", True, True),
        ("ddpm_core.property_tests", False, False),
        ("site/test_ema.py::test_it", False, True),
        ("site", True, True),
        ("tests", True, False),
    ],
)
def test_suite_without_its_packages_is_refused_with_the_command(
    tmp_path, monkeypatch, word, pyargs, suite
):
    arguments = SimpleNamespace(pyargs=pyargs), ["-q", word], tmp_path / "site", tmp_path
    options.require_extra(*arguments)
    monkeypatch.setattr(options, "find_spec", lambda name: None if name == "mpmath" else name)
    with pytest.raises(pytest.UsageError) if suite else nullcontext() as refused:
        options.require_extra(*arguments)
    if refused is not None:
        assert str(refused.value) == (
            "the property suite needs mpmath: pip install 'ddpm-core[verify]'"
        )


BESIDE = """
import random

def pytest_addoption(parser):
    parser.addoption("--report", action="append", default=[])  # as pytest-reporter has it
    parser.addoption("--impl", choices=["cpu", "gpu"])

def pytest_collection_modifyitems(items):
    random.Random(1).shuffle(items)

def pytest_runtest_setup():
    random.seed(0)  # as pytest-randomly does
"""


def test_suite_runs_beside_another_project_and_with_warnings_as_errors(pytester):
    """All of the suite is collected, without our configuration."""
    own = str(pytester.makeini("[pytest]"))
    pytester.makeconftest(BESIDE)
    pytester.makepyfile("def test_it(pytestconfig): assert pytestconfig.option.report == ['a']")
    strict = ["-W", "error", "-W", "ignore:Module already imported", "--strict-markers"]
    done = pytester.runpytest_inprocess(
        *(".", str(SUITE), "-k", "test_it or test_ema or test_clock", "--impl", "gpu"),
        *("--report", "a", "--hypothesis-profile", "dev", "-c", own),
        *(*strict, "--import-mode=importlib"),
    )
    assert done.ret == 0
    done.stdout.fnmatch_lines(["ddpm_core: * passed", "not offered, so not tested: nothing"])
    assert (pytester.path / "verification" / "report.json").is_file()


def test_spent_budget_leaves_checks_of_the_suite_alone(pytester):
    pytester.makepyfile("def test_it(): pass")
    done = pytester.runpytest_inprocess(
        *(".", str(SUITE / "test_ema.py"), "--ddpm-budget", "1e-9", "--ddpm-report", "shown"),
        *("-W", "ignore:Module already imported", "--import-mode=importlib"),
    )
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["--ddpm-budget 1e-9 was spent: * checks were not run"])
    done.stdout.fnmatch_lines(["report: *; no certificate: *", "*1 passed, * not run*"])
