"""A run passes only if each listed deviation exists, is offered and fails."""

from pathlib import Path

import pytest

from property_tests.evidence import deviations

SUITE, PACKAGE = Path(__file__).parent.parent / "property_tests", "property_tests"
FILE = "test_forward_process.py"
ALPHA_BAR = "test_alpha_bar_is_the_squared_scale_of_composed_steps"
CLOCK = "test_contract.py::test_timesteps_out_of_range_are_refused"

ADAPTER = """
import numpy as np
from {package}.protocol import Deviation

class Listed:
    name, unit_roundoff = "listed", 2.0**-53
    deviations = {{
        key: Deviation("It does so.", "1 of 2 at t = 3", "f.py, f", verdict)
        for key, verdict in {listed}.items()
    }}

    def alpha_bar(self, betas):
        return np.concatenate([[1.0], np.cumprod(1 - {factor} * np.array(betas))])

    def q_sample(self, betas, x_0, t, noise):
        if (t < 0).any():
            raise ValueError("t")
        return x_0
"""


def run(run_suite, *keys, files, factor=1.0, **verdicts):
    listed = {key: "convention" if CLOCK in key else "formula" for key in keys} | verdicts
    source = ADAPTER.format(package=PACKAGE, listed=listed, factor=factor)
    paths = [str(SUITE / each) for each in files]
    return run_suite(*paths, "-v", adapter=source, attribute="Listed")


def test_listed_check_that_fails_counts_as_a_deviation(run_suite):
    """A key may name one parameter: q_sample refuses -1 here and takes T + 1. That no check has the
    last key only a run of the whole suite can tell."""
    keys = f"{FILE}::{ALPHA_BAR}", f"{CLOCK}[q_sample-5]", "test_ema.py::test_gone"
    done = run(run_suite, *keys, files=[f"{FILE}::{ALPHA_BAR}", CLOCK], factor=1.1)
    assert done.ret == pytest.ExitCode.OK
    assert f"{ALPHA_BAR} DEVIATES" in done.stdout.str()
    done.stdout.fnmatch_lines(["listed: 2 deviates, 2 not offered, 1 passed"])


def test_listed_check_that_passes_or_is_not_offered_fails(run_suite):
    files = [f"{FILE}::{ALPHA_BAR}", f"{FILE}::test_kernel_is_the_composition_of_its_steps"]
    done = run(run_suite, *files, files=files)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.stdout.fnmatch_lines(["a listed deviation passes: remove it from the list (It does so.)"])
    done.stdout.fnmatch_lines(["a deviation, but not offered: q_step*", "*2 failed*"])


def test_deviation_with_another_verdict_fails(run_suite):
    """A deviation that was accepted as lost digits must not hide a wrong formula."""
    key = f"{FILE}::{ALPHA_BAR}"
    done = run(run_suite, files=[key], factor=1.1, **{key: "digits"})
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    sentence = "a deviation listed as digits, but its verdict is formula"
    assert sentence in done.stdout.str()
    done = run(run_suite, files=[key], factor=1 + 2**-40, **{key: "digits"})
    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines(["listed: 1 deviates"])


def test_unknown_deviation_key_is_a_usage_error(run_suite):
    done = run(run_suite, "test_ema.py::test_gone", files=["."])
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "deviations['test_ema.py::test_gone']" in done.stderr.str()


def test_deviations_have_reason_effect_and_location():
    """Verify a complete sentence and a figure, without the releases installed."""
    tables = [deviations.read(file) for file in (SUITE / "adapters").glob("*.toml")]
    listed = [each for table in tables for each in table.values()]
    assert len(listed) > 50
    for each in listed:
        assert each.reason.endswith(".")
        assert any(letter.isdigit() for letter in each.effect) or "error" in each.effect, each
        assert ".py" in each.upstream


PLAIN = """
import numpy as np

class Plain:
    name, unit_roundoff = "plain", 2.0**-53

    def alpha_bar(self, betas):
        return np.concatenate([[1.0], np.cumprod(1 - {factor} * np.array(betas))])
"""


def accepting(run_suite, factor: float, *options: str):
    adapter = PLAIN.format(factor=factor)
    given = [str(SUITE / FILE), "--ddpm-deviations", "known.toml", *options]
    return run_suite(*given, adapter=adapter, attribute="Plain")


def test_accepted_deviations_are_written_expected_and_explained(run_suite, tmp_path):
    """What fails is written with its effect; then the run passes, until the verdict changes."""
    file, key = tmp_path / "known.toml", f"{FILE}::{ALPHA_BAR}"
    done = accepting(run_suite, 1 + 2**-40, "--ddpm-accept")
    assert done.ret == pytest.ExitCode.OK
    done.stdout.fnmatch_lines(["deviations written to known.toml: 1"])
    listed = deviations.read(file)
    assert listed.keys() == {key}
    assert listed[key].verdict == "digits"
    assert "times the allowance" in listed[key].effect
    deviations.write(file, {key: listed[key]._replace(reason='A "reason".', upstream="f.py, f")})
    assert accepting(run_suite, 1 + 2**-40).ret == pytest.ExitCode.OK
    assert accepting(run_suite, 1.1).ret == pytest.ExitCode.TESTS_FAILED  # a formula
    assert accepting(run_suite, 1.0).ret == pytest.ExitCode.TESTS_FAILED  # nothing
    assert accepting(run_suite, 1.1, "--ddpm-accept").ret == pytest.ExitCode.OK
    assert deviations.read(file)[key][::2] == ('A "reason".', "f.py, f")
    assert deviations.read(file)[key].verdict == "formula"
    assert accepting(run_suite, 1.0, "--ddpm-accept").ret == pytest.ExitCode.OK
    assert deviations.read(file) == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[a", "known.toml: "),
        ('["x"]\nverdict = "digits"', '["x"] must have verdict, effect, reason, upstream'),
        ('x = "digits"', '["x"] must have verdict'),
        (
            '["x"]\nverdict = "small"\neffect = ""\nreason = ""\nupstream = ""',
            "a verdict of formula, digits, convention",
        ),
    ],
)
def test_unreadable_deviations_are_an_error_of_usage(run_suite, tmp_path, text, sentence):
    (tmp_path / "known.toml").write_text(text, encoding="utf-8")
    done = accepting(run_suite, 1.0)
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in done.stderr.str()


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--ddpm-require", "alpha_bar"], 0, ""),
        (["--ddpm-require", "1"], 0, ""),
        (["--ddpm-require", "alpha_bar, q_step"], 1, "--ddpm-require: not compared: q_step"),
        (["--ddpm-require", "2"], 1, "--ddpm-require 2: 1 checks were compared"),
        (["--ddpm-require", "q_stp"], 4, "the protocol has no method 'q_stp'"),
        (["-k", "kernel"], 5, "nothing was compared: the adapter answered no call"),
        (["--ddpm-accept"], 4, "--ddpm-accept needs --ddpm-deviations FILE"),
    ],
)
def test_run_without_what_is_required_fails(run_suite, options, code, sentence):
    adapter = PLAIN.format(factor=1.0)
    done = run_suite(str(SUITE / FILE), *options, adapter=adapter, attribute="Plain")
    assert done.ret == code
    assert sentence in done.stdout.str() + done.stderr.str()
