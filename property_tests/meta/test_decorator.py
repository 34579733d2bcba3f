"""The checks in a project's own test function: the same checks, verdicts and deviations."""

import json
from pathlib import Path

import pytest

from ..adapters.ddpm_core import DdpmCore
from ..decorator import checks

pytest_plugins = ["pytester"]
SUITE, PACKAGE = Path(__file__).parent.parent, __package__.rpartition(".")[0]
ALPHA_BAR = "test_forward_process.py::test_alpha_bar_is_the_squared_scale_of_composed_steps"

PROJECT = """
import numpy as np
from hypothesis import settings
from {package} import checks

class Mine:
    name, unit_roundoff = "mine", 2.0**-53

    def alpha_bar(self, betas):
        return np.concatenate([[1.0], np.cumprod(1 - {factor} * np.array(betas))])

    def loss(self, prediction, target):
        return ((prediction - target) ** 2).reshape(len(target), -1).mean(axis=1)

BEFORE = settings.get_current_profile_name()

@checks(Mine(), expected_failures={expected})
def test_mine(check):
    check()

def test_profile_is_that_of_the_project():
    assert settings.get_current_profile_name() == BEFORE == "default"
"""


def run(pytester, expected: object, factor: float, *options: str) -> pytest.RunResult:
    source = PROJECT.format(package=PACKAGE, expected=expected, factor=factor)
    pytester.makepyfile(test_project=source)
    pytester.syspathinsert(SUITE.parent)
    return pytester.runpytest_subprocess("-q", "-rfEX", *options)


def test_cases_have_the_names_of_the_suite():
    """Those of the policy, which lists what a complete run has to contain."""
    required = json.loads((SUITE / "policy.json").read_text(encoding="utf-8"))["required"]
    files = {file.name for file in SUITE.glob("test_*.py")}
    found = {each.id for each in checks(DdpmCore()).args[1]}
    assert found == {name for name in required if name.partition("::")[0] in files}


def test_project_passes_with_its_deviation_listed(pytester):
    done = run(pytester, {ALPHA_BAR: "digits"}, 1 + 2**-40)
    assert done.ret == pytest.ExitCode.OK
    outcomes = done.parseoutcomes()
    assert outcomes["xfailed"] == 1
    assert outcomes["passed"] > 20
    assert "test_project.py: " not in done.stdout.str()


def test_failure_states_verdict_check_and_derivation(pytester):
    done = run(pytester, {ALPHA_BAR: "digits"}, 1.1, "-k", "alpha_bar_is_the")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(
        [
            "*a deviation listed as digits, but its verdict is formula: alpha_bar at (1,)*",
            f"*verdict: formula. {ALPHA_BAR}: alpha_bar_t is the squared scale of t composed*",
            "*derivation: *schedules.md#schedulesalpha-bar",
            "*the last calls: alpha_bar: alpha_bar differs in * elements, most at *",
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
