"""The checks in a project's own test function: the same checks, verdicts and deviations."""

import json
from pathlib import Path

import pytest

from property_tests.adapters.ddpm_core import DdpmCore
from property_tests.decorator import checks

pytest_plugins = ["pytester"]
SUITE, PACKAGE = Path(__file__).parent.parent / "property_tests", "property_tests"
ALPHA_BAR = "test_forward_process.py::test_alpha_bar_is_the_squared_scale_of_composed_steps"

PROJECT = """
import numpy as np
from hypothesis import settings
from {package} import checks

class Mine:
    name, unit_roundoff, factor = "mine", 2.0**-53, 1 + 2.0**-40

    def alpha_bar(self, betas):
        return np.concatenate([[1.0], np.cumprod(1 - self.factor * np.array(betas))])

    def loss(self, prediction, target):
        return ((prediction - target) ** 2).reshape(len(target), -1).mean(axis=1)

class Wrong(Mine):
    factor = 1.1

BEFORE = settings.get_current_profile_name()

@checks(Mine(), expected_failures={{"{alpha_bar}": "digits"}})
def test_mine(check):
    check()

@checks(Wrong(), expected_failures={{"{alpha_bar}": "digits"}})
def test_wrong(check):
    check()

def test_loss_leaves_the_profile_of_the_project():
    assert settings.get_current_profile_name() == BEFORE
"""


def test_cases_have_the_names_of_the_suite():
    """Those of the policy, which lists a complete run, and those of samplers that others have."""
    required = json.loads((SUITE / "policy.json").read_text(encoding="utf-8"))["required"]
    files = {file.name for file in SUITE.glob("test_*.py")}
    found = {each.id for each in checks(DdpmCore()).args[1]}
    elsewhere = {name for name in found if name.startswith("test_stochastic_solvers.py")}
    assert elsewhere
    assert found - elsewhere == {name for name in required if name.partition("::")[0] in files}


def test_checks_run_in_the_test_of_a_project(pytester):
    """A deviation is expected with its verdict; another one fails, and says what it is."""
    pytester.makepyfile(test_project=PROJECT.format(package=PACKAGE, alpha_bar=ALPHA_BAR))
    pytester.syspathinsert(SUITE.parent)
    only = "alpha_bar_is_the or mean_square_of_each or profile"
    done = pytester.runpytest_subprocess("-q", "--strict-markers", "-k", only)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert done.parseoutcomes().items() >= {"xfailed": 1, "failed": 1, "passed": 3}.items()
    done.stdout.fnmatch_lines(
        [
            "*a deviation listed as digits, but its verdict is formula: alpha_bar at (1,)*",
            f"*verdict: formula. {ALPHA_BAR}: alpha_bar_t is the squared scale of t composed*",
            "*derivation: *schedules.md#schedulesalpha-bar",
            "*the last calls: alpha_bar: alpha_bar differs in * elements, most at *",
            "FAILED test_project.py::test_wrong*",
        ]
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"test_gone.py::test_a": "digits"}, "the suite has no check of this name"),
        ({ALPHA_BAR: "small"}, "must be one of formula, digits, convention"),
    ],
)
def test_wrong_expected_failures_are_refused(given, sentence):
    with pytest.raises(ValueError, match=sentence):
        checks(DdpmCore(), given)
