"""The report has a row for every check, also with xdist, and a diagnosis for every failure."""

import json
from pathlib import Path

import pytest

from property_tests.evidence.report import overspent, summary, totals
from property_tests.statistics.monte_carlo import ALPHA_CLAIM, ALPHA_RUN

pytest_plugins = ["pytester"]
SUITE, PACKAGE = Path(__file__).parent.parent / "property_tests", "property_tests"

BUGGY = """
from {suite}.known_bugs.registry import column, table
from {suite}.adapters.ddpm_core import DdpmCore

class Buggy(DdpmCore):
    name = "buggy"

    def q_sample(self, betas, x_0, t, noise):
        alpha_bar = column(table(betas)[t], x_0)
        return alpha_bar**0.5 * x_0 + (1 - alpha_bar) * noise

    def q_posterior(self, betas, x_0, x_t, s, t):
        back = super().q_posterior(betas, x_0, x_t, s, t)
        return back._replace(var=1.59 * back.var)

    def loss(self, prediction, target):
        raise NotImplementedError
"""


def test_report_names_failures_and_similar_bugs(pytester):
    """Run in a worker process, which must send every row."""
    pytester.makepyfile(buggy=BUGGY.format(suite=PACKAGE))
    pytester.syspathinsert(SUITE.parent)
    pytester.syspathinsert()
    sample = "test_forward_process.py::test_sample_is_mean_plus_scaled_noise"
    marginal = "test_forward_process.py::test_marginal_is_the_composition_of_its_steps"
    simulated = "test_posterior.py::test_residuals_of_simulated_pairs_are_standard_normal"
    offered = "test_losses.py::test_loss_is_the_mean_square_of_each_sample"
    done = pytester.runpytest_subprocess(
        f"--rootdir={SUITE.parent}",
        *(str(SUITE / each) for each in (sample, marginal, simulated, offered)),
        *("--ddpm-impl", "buggy:Buggy", "-n", "1", "--ddpm-report", "shown"),
    )
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    found = json.loads((pytester.path / "shown" / "report.json").read_text(encoding="utf-8"))
    rows = {each["check"]: each for each in found["checks"]}
    outcomes = {name: each["outcome"] for name, each in rows.items()}

    assert outcomes[sample] == "failed"
    assert "q_sample has the output of F02-q-sample-missing-sqrt" in rows[sample]["failure"]
    claims = [each for name, each in rows.items() if name.startswith(simulated)]
    assert len(claims) == 4
    for each in claims:
        assert each["outcome"] == "failed"
        assert "variance is 1.5" in each["failure"] or "is 1.6" in each["failure"]
        assert each["claims"][-1]["rejected"]
        assert each["claims"][-1]["n"] == 30_000
    assert outcomes[offered] == "not offered"
    assert found["totals"]["not_offered"] == ["loss"]
    right = rows[marginal]
    assert right["outcome"] == "passed"
    assert right["equation"] == "forward-process.marginal"
    assert 0 < right["worst"] < 1
    assert right["comparisons"] > 100

    page = (pytester.path / "shown" / "report.html").read_text(encoding="utf-8")
    assert "F02-q-sample-missing-sqrt" in page
    out = done.stdout.str()
    assert "looks like a known bug" in out
    assert "not offered, so not tested: loss" in out


def test_overspending_run_is_reported():
    def rows(claims: int) -> dict:
        claim = {"n": 1, "alpha": ALPHA_CLAIM, "power": 1.0, "p": 0.5, "equation": "a.b"}
        row = {"claims": [claim] * claims, "outcome": "passed", "comparisons": 0, "seconds": 0.0}
        row |= {"answered": [], "declined": {}, "compared": 1, "discarded": 0, "verdict": ""}
        return {"one": row | {"control": False, "implementation": "mine"}}

    most = round(ALPHA_RUN / ALPHA_CLAIM)
    assert not overspent(rows(most))
    assert overspent(rows(most + 1))
    assert "MORE THAN ALLOWED" in summary(totals(rows(most + 1)))[2]
    assert "MORE" not in summary(totals(rows(most)))[2]


def test_unwritable_report_fails_the_run(run_suite, tmp_path):
    (tmp_path / "taken").write_text("a file in place of the folder", encoding="utf-8")
    done = run_suite(str(SUITE / "test_images.py"), "--ddpm-report", "taken")
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines("--ddpm-report taken: nothing was written, *")
