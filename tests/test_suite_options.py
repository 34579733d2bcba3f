"""A factory with a table of options is tested with each of them, as another implementation."""

import json
from pathlib import Path

import pytest

from property_tests.evidence import ending

FILE = Path(__file__).parent.parent / "property_tests" / "test_forward_process.py"
CHECK = f"{FILE.name}::test_alpha_bar_is_the_squared_scale_of_composed_steps"
FACTORY = """
import numpy as np
from property_tests.protocol import Deviation

class Scaled:
    unit_roundoff = 2.0**-53
    options = {
        "right": {"factor": 1.0},
        "digits": {"factor": 1 + 2**-40},
        "wrong": {"factor": 1.1, "known": True},
    }

    def __init__(self, factor, known=False):
        self.factor, self.name = factor, f"times {factor:.4g}"
        if known:
            self.deviations = {CHECK: Deviation("It does so.", "1.1 of 1", "f.py, f", "formula")}

    def alpha_bar(self, betas):
        return np.concatenate([[1.0], np.cumprod(1 - self.factor * np.array(betas))])
""".replace("CHECK", repr(CHECK))


def run(run_suite, options: str = "", *words: str) -> pytest.RunResult:
    return run_suite(str(FILE), "-v", *words, adapter=FACTORY, attribute=f"Scaled{options}")


def test_each_check_runs_with_all_options_and_each_has_a_summary_and_report(run_suite, tmp_path):
    """The worst of the exit codes counts; deviations are those of the adapter with its options."""
    done = run(run_suite)
    assert done.ret == 6
    for name, outcome in (("right", "PASSED"), ("digits", "DIGITS"), ("wrong", "DEVIATES")):
        done.stdout.fnmatch_lines([f"*::test_alpha_bar*composed_steps[[]{name}] {outcome}*"])
    done.stdout.fnmatch_lines(
        [
            "options digits",
            "times 1 [[]digits]: 1 failed (1 digits), * not offered",
            "options right",
            "times 1 [[]right]: * not offered, 1 passed",
            "options wrong",
            "times 1.1 [[]wrong]: 1 deviates, * not offered",
        ]
    )
    found = json.loads((tmp_path / "verification" / "digits" / "report.json").read_bytes())
    names = [each["check"] for each in found["checks"]]
    assert CHECK in names
    assert all("digits" not in name for name in names), "names are those of any other adapter"


def test_check_without_an_implementation_runs_with_each_of_the_options(run_suite):
    """A complete run has one: that the table of calls lists every method."""
    file = FILE.parent / "test_circumstances.py"
    words = [str(file), "-v", "-k", "every_method_has_a_call"]
    done = run_suite(*words, adapter=FACTORY, attribute="Scaled")
    assert done.ret == 5, "it compares nothing"
    for name in ("right", "digits", "wrong"):
        done.stdout.fnmatch_lines([f"*every_method_has_a_call[[]{name}] PASSED*"])


def test_one_of_the_options_is_an_ordinary_run(run_suite, tmp_path):
    done = run(run_suite, "[right]")
    assert done.ret == 0
    done.stdout.fnmatch_lines([f"*::{CHECK.partition('::')[2]} PASSED*", "times 1: *1 passed"])
    assert (tmp_path / "verification" / "report.json").exists()


def test_deviations_of_the_command_line_are_those_of_one_of_the_options(run_suite):
    done = run(run_suite, "", "--ddpm-deviations", "known.toml")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    sentence = "--ddpm-deviations known.toml lists those of one implementation: name its options"
    assert f"{sentence}, as in --ddpm-impl adapter_of_a_test:Scaled[right]" in done.stderr.str()


@pytest.mark.parametrize(
    ("codes", "worst"), [((0, 6), 6), ((7, 6), 6), ((7, 0), 7), ((0, 1), 1), ((5, 6), 5)]
)
def test_worst_exit_code_of_the_options_counts(monkeypatch, codes, worst):
    rows = {str(i): {"options": str(i), "outcome": "passed"} for i in range(len(codes))}
    folders, left = [], [*codes]

    def end(group, option, folder, status, failed):
        folders.append(folder)
        return [], left.pop(0)

    monkeypatch.setattr(ending, "_end", end)
    lines, code = ending.end(rows, lambda name: "here", 0, 0)
    assert (code, [*map(str, folders)]) == (worst, ["here/0", "here/1"])
    assert lines == ["", "options 0", "", "options 1"]
