"""Outcomes and exit codes of runs on adapters that offer a part, or are wrong."""

import json
from pathlib import Path

import pytest

SUITE, PACKAGE = Path(__file__).parent.parent / "property_tests", "property_tests"

ADAPTER = """
import numpy as np

class Partial:
    name, unit_roundoff = "partial", 2.0**-53
    def alpha_bar(self, betas):
        return np.concatenate([[1.0], np.cumprod(1 - np.array(betas))])
    def q_marginal(self, betas, x_0, t):
        return x_0, x_0 * 0
"""


def test_partial_implementation_passes_fails_and_omits(run_suite):
    """Verify that correct, wrong and missing methods pass, fail and are not offered."""
    files = [str(SUITE / "test_forward_process.py"), str(SUITE / "meta")]
    done = run_suite(*files, "-v", adapter=ADAPTER, attribute="Partial")
    out = done.stdout.str()
    assert "meta" not in out.replace(files[1], "")
    assert "test_alpha_bar_is_the_squared_scale_of_composed_steps PASSED" in out
    assert "test_marginal_is_the_composition_of_its_steps FORMULA" in out
    assert "test_kernel_is_the_composition_of_its_steps NOT OFFERED" in out
    assert done.ret == pytest.ExitCode.TESTS_FAILED


def test_samplers_that_ddpm_core_does_not_have_are_tested_for_others_alone(run_suite):
    """For ddpm-core they are not collected, since "not offered" would prevent a certificate."""
    file = str(SUITE / "test_stochastic_solvers.py")
    assert "not offered" not in run_suite(file).stdout.str()
    own = "property_tests.adapters.ddpm_core:DdpmCore"
    done = run_suite(file, "--ddpm-impl", own)
    done.stdout.fnmatch_lines(["ddpm_core: 20 not offered"])


@pytest.mark.parametrize("name", ["nowhere:Thing", "math"])
def test_unimportable_adapter_is_a_usage_error(run_suite, name):
    done = run_suite(str(SUITE), "--ddpm-impl", name)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert f"--ddpm-impl {name}:" in done.stderr.str()


PARTIAL = """
import numpy as np
from {package}.adapters.ddpm_core import DdpmCore
from {package}.meta.test_verdicts import Float32Table
from {package}.adapters.template import Template
from {package}.strategies import EARLY

class OneStep(DdpmCore):
    name = "one step"

    def q_step(self, betas, x_s, s, t):
        if not (s == t - 1).all():
            raise NotImplementedError("only from t - 1 to t")
        return super().q_step(betas, x_s, s, t)

    def q_marginal(self, betas, x_0, t):
        raise NotImplementedError("no marginal")

    def q_sample(self, betas, x_0, t, noise):
        if x_0.tolist() != EARLY.first.tolist():  # an example that is written down
            raise NotImplementedError("only three numbers")
        return super().q_sample(betas, x_0, t, noise)

class Wraps(DdpmCore):
    name = "wraps"

    def q_sample(self, betas, x_0, t, noise):
        return super().q_sample(betas, x_0, t % (len(betas) + 1), noise)

class Raises(DdpmCore):
    name = "raises"

    def q_sample(self, *arguments):
        raise KeyError("weights")
"""

FORWARD = "test_forward_process.py"


def ended(run_suite, attribute: str, *checks: str) -> tuple[int, list[str]]:
    """Return the exit code and the lines of the summary of these checks."""
    paths = [str(SUITE / each) for each in checks]
    adapter = PARTIAL.format(package=PACKAGE)
    done = run_suite(*paths, "-v", adapter=adapter, attribute=attribute)
    return int(done.ret), [*done.outlines]


def test_declined_examples_are_discarded_and_counted(run_suite, tmp_path):
    """One call that is not answered ends its example, not the check; too few never pass."""
    names = ("kernel_is_the_composition_of_its_steps", "sample_is_mean_plus_scaled_noise")
    checks = [f"{FORWARD}::test_{name}" for name in (*names, "marginal_" + names[0][7:])]
    code, lines = ended(run_suite, "OneStep", *checks)
    assert code == 0
    rows = json.loads((tmp_path / "verification" / "report.json").read_text(encoding="utf-8"))
    found = {each["check"].partition("::")[2]: each for each in rows["checks"]}
    steps = found["test_kernel_is_the_composition_of_its_steps"]
    assert steps["outcome"] == "passed"
    assert steps["compared"] >= 30
    assert steps["discarded"] > 0
    images = found["test_sample_is_mean_plus_scaled_noise"]
    assert images["outcome"] == "too few"
    assert images["compared"] == 1
    assert images["missing"].endswith("not offered for others: q_sample (only three numbers)")
    marginal = found["test_marginal_is_the_composition_of_its_steps"]
    assert (marginal["outcome"], marginal["compared"]) == ("not offered", 0)
    (line,) = [each for each in lines if each.startswith("not offered, so not tested: ")]
    assert "tested: q_marginal; offered in part: q_sample, q_step" in line
    assert any("TOO FEW" in each for each in lines)


@pytest.mark.parametrize(
    ("attribute", "check", "code", "title"),
    [
        ("Float32Table", f"{FORWARD}::test_sample_is_mean_plus_scaled_noise", 6, "lost digits"),
        ("Template", "test_posterior.py::test_mean_and_variance_match_bayes", 6, "lost digits"),
        ("Wraps", "test_contract.py::test_timesteps_out_of_range_are_refused", 7, "other conv"),
        ("Raises", f"{FORWARD}::test_sample_is_mean_plus_scaled_noise", 1, "wrong formulas"),
    ],
)
def test_exit_code_tells_the_worst_verdict(run_suite, attribute, check, code, title):
    found, lines = ended(run_suite, attribute, check)
    assert found == code
    assert sum(each.startswith(title) for each in lines) == 1


def test_tests_beside_the_suite_may_have_a_parameter_named_options(run_suite, tmp_path):
    """Only checks of the suite run with the options of an adapter."""
    mine = tmp_path / "test_mine.py"
    decorated = "@pytest.mark.parametrize('options', ['a'])\ndef test_mine(options): pass\n"
    mine.write_text(f"import pytest\n\n{decorated}", encoding="utf-8")
    done = run_suite(str(SUITE / "test_images.py"), str(mine))
    assert "INTERNALERROR" not in done.stdout.str()
    assert done.ret == pytest.ExitCode.OK
