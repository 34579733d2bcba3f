"""The messages of the property suite to the author of an implementation."""

import signal
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.adapters.ddpm_core import DdpmCore
from property_tests.evidence import diagnosis, evidence
from property_tests.known_bugs.likelihood import LinearInterpolation
from property_tests.protocol import Gaussian
from property_tests.protocol.contract import Checked, TimeLimitError, time_limit
from property_tests.protocol.nouns import DIGITS, FORMULA
from property_tests.statistics.noise_key import files_of
from property_tests.statistics.residuals import residual_findings
from property_tests.statistics.tolerances import check
from property_tests.strategies import GENTLE

T, T3 = np.array([1, 2], np.int64), np.array([3, 2, 2], np.int64)
TIME_LIMIT = "property_tests.protocol.contract.time_limit.__wrapped__.__defaults__"
X_0, NOISE = np.float64([[0.5], [1.0]]), np.float64([[1.0], [-0.5]])


class MissingRoot(DdpmCore):
    def q_sample(self, betas, x_0, t, noise):
        alpha_bar = np.cumprod([1.0, *(1 - np.float64(betas))])[t].reshape(-1, 1)
        return np.sqrt(alpha_bar) * x_0 + (1 - alpha_bar) * noise


class HalfTheVariance(DdpmCore):
    """Half of the posterior variance at t = 2, and all else correct."""

    def q_posterior(self, betas, x_0, x_t, s, t):
        mean, var = super().q_posterior(betas, x_0, x_t, s, t)
        return Gaussian(mean, np.where(t == 2, 0.5, 1.0).reshape(-1, 1) * var)


def test_known_bug_is_named_and_grouped_by():
    seen = evidence.start()
    Checked(MissingRoot()).q_sample(GENTLE, X_0, T, NOISE)
    seen.verdict = FORMULA
    found = diagnosis.diagnose(seen, MissingRoot())
    assert "q_sample has the output of F02" in found.cause
    assert ("looks like a known bug", found.cause) in found.sections


def test_each_part_of_an_output_is_described():
    """The mean is correct, and of the variance the two elements at t = 2 are half as large."""
    seen = evidence.start()
    Checked(HalfTheVariance()).q_posterior(GENTLE, np.zeros((3, 1)), np.ones((3, 1)), T3 - 1, T3)
    seen.verdict = FORMULA
    found = diagnosis.diagnose(seen, HalfTheVariance())
    assert found.cause == "q_posterior: var"
    ((title, sentence),) = found.sections
    assert title == "the last calls"
    assert "q_posterior: mean is correct, except for its last digits" in sentence
    assert "q_posterior: var differs in 2 of 3 elements, most at (1, 0): got 4.4" in sentence


class TwoCauses(DdpmCore):
    """A linear interpolation of the variance, and another error in the samples with s = 0."""

    def learned_kernel(self, betas, x0_hat, x_t, interpolation, s, t):
        arguments = betas, x0_hat, x_t, interpolation, s, t
        mean, var = LinearInterpolation().learned_kernel(*arguments)
        return Gaussian(mean, np.where(s.reshape(-1, 1) == 0, 0.0, var))


def test_known_bug_is_named_beside_another_cause():
    """It is not named where it explains less than half of the wrong elements."""
    for s, named in (((0, 1, 1), True), ((0, 0, 1), False)):
        seen, s = evidence.start(), np.array(s)
        x, half = np.zeros((3, 1)), np.full((3, 1), 0.5)
        Checked(TwoCauses()).learned_kernel(GENTLE, x, x, half, s, s + 1)
        seen.verdict = FORMULA
        found = diagnosis.diagnose(seen, TwoCauses())
        assert (found.cause == "learned_kernel: var") != named
        what = "in 2 of 3 wrong elements, the output of P05-learned-range-linear"
        assert (what in found.cause) == named


def test_diagnosis_is_that_of_the_example_with_the_largest_error():
    """A later example that fails by less does not replace it."""
    seen = evidence.start()
    for noise in (NOISE, 2.0**-30 * NOISE):
        got = Checked(MissingRoot()).q_sample(GENTLE, X_0, T, noise)
        with pytest.raises(AssertionError):
            check("x_t", (0, 0), got, DdpmCore().q_sample(GENTLE, X_0, T, noise)[0, 0], 0.0)
    seen.verdict = FORMULA
    assert "q_sample has the output of F02" in diagnosis.diagnose(seen, MissingRoot()).cause


def test_lost_digits_are_not_compared_with_known_bugs():
    seen = evidence.start()
    Checked(MissingRoot()).q_sample(GENTLE, X_0, T, NOISE)
    seen.verdict = DIGITS
    assert diagnosis.diagnose(seen, MissingRoot()) == (
        [("lost digits", diagnosis.ROUNDING)],
        "q_sample",
    )


@pytest.mark.parametrize(
    ("got", "exact", "sentence"),
    [
        (0.03, 0.06, "x at (0,) is 0.5 times the exact value: got 0.03, exact 0.06, error 0.03"),
        (0.03 * (1 + 1e-14), 0.03, "x at (0,) loses precision: got 0.0300000"),
        (1e-4, 0.0, "x at (0,) must be 0: got 0.0001, exact 0.0, error 0.0001"),
    ],
)
def test_error_is_described_in_words(got, exact, sentence):
    with pytest.raises(AssertionError) as failed:
        check("x", (0,), np.float64([got]), exact, 1e-18)
    assert str(failed.value).startswith(sentence)


def test_residual_is_described_by_the_implementation():
    """A residual is too small if the standard deviation that divides it is too large."""
    u = np.random.default_rng(0).standard_normal((4000, 5))
    found = {each.name: each.effect for each in residual_findings(u / np.sqrt(2.0))}
    assert found["variance"].startswith(
        ("the implementation's variance is 2", "the implementation's variance is 1.9")
    )
    assert found["mean"].startswith("mean off by")


def test_method_that_timed_out_is_not_called_again(monkeypatch):
    class Sleeps(DdpmCore):
        calls = 0

        def q_sample(self, *arguments):
            type(self).calls += 1
            time.sleep(60)

    monkeypatch.setattr(TIME_LIMIT, (0.2,))
    impl = Checked(Sleeps())
    with pytest.raises(TimeLimitError, match=r"did not return within 0\.2 s$"):
        impl.q_sample(GENTLE, X_0, T, NOISE)
    with pytest.raises(
        TimeLimitError, match=r"did not return within 0\.2 s and is not called again"
    ):
        impl.q_sample(GENTLE, X_0, T, NOISE)
    assert Sleeps.calls == 1


def test_noise_is_keyed_by_the_file_of_an_adapter_of_any_type():
    """An instance may be of one of Python's own types, some of which have no file."""
    here, theirs = Path(__file__), Path(sys.modules[DdpmCore.__module__].__file__)
    assert files_of(MissingRoot(), None) == [here]
    assert files_of(object(), f"{__name__}:instance") == [here]
    assert set(files_of(DdpmCore(), f"{__name__}:DdpmCore")) == {here, theirs}


@pytest.fixture
def alarms() -> Iterator[list[float]]:
    """Times at which the alarm of another plugin rings, such as that of pytest-timeout."""
    rung: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(time.monotonic()))
    yield rung
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("after", [0.05, 0.3])
def test_alarm_of_another_plugin_rings_at_its_time(alarms, after):
    """During a call, whose limit is longer, and after one; a limit that is nearer still holds."""
    start = time.monotonic()
    signal.setitimer(signal.ITIMER_REAL, after)
    with time_limit("a call", 0.2):
        time.sleep(0.1)
    assert len(alarms) == (after < 0.1)
    if after > 0.2:
        with pytest.raises(TimeLimitError), time_limit("a call", 0.02):
            time.sleep(10)
    while not alarms and time.monotonic() < start + 2:
        time.sleep(0.01)
    assert after <= alarms[0] - start < after + 0.2
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_repeating_alarm_of_another_plugin_repeats(alarms):
    signal.setitimer(signal.ITIMER_REAL, 5.0, 3.0)
    with time_limit("a call", 0.2):
        pass
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    assert 4 < left <= 5
    assert interval == 3


def test_hypothesis_recognizes_both_timeouts_as_one_failure(monkeypatch):
    """Hypothesis reports a different error, or one from another line, as flaky."""

    class Sleeps(DdpmCore):
        def q_sample(self, *arguments):
            time.sleep(60)

    monkeypatch.setattr(TIME_LIMIT, (0.2,))
    impl = Checked(Sleeps())

    @given(t=st.integers(1, 9))
    def sample_at(t):
        impl.q_sample(GENTLE, X_0, np.array([t, t]), NOISE)

    with pytest.raises(TimeLimitError):
        sample_at()


class Answers(DdpmCore):
    """Our answers, changed by a function of the call."""

    def __init__(self, change):
        self.change = change

    def q_posterior(self, betas, x_0, x_t, s, t):
        return self.change(super().q_posterior, betas, x_0, x_t, s, t)


def next_call(calls=count(1)):  # noqa: B008 - the state that is left over
    return next(calls)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda f, b, x, y, s, t: f(b, x, y, s + 1, t + 1),
            "the wrong clock, since it is the output at t +1",
        ),
        (
            lambda f, *call: (found := f(*call))._replace(var=np.sqrt(found.var)),
            "q_posterior: var: the wrong units, since it is a standard deviation instead of a",
        ),
        (
            lambda f, *call: (found := f(*call))._replace(mean=255.0 * found.mean),
            "q_posterior: mean: the wrong units, since all numbers are 255 times as large",
        ),
        (
            lambda f, *call: (found := f(*call))._replace(mean=(found.mean + 1) / 2),
            "q_posterior: mean: the wrong units, since it is numbers in [0, 1] instead of [-1, 1]",
        ),
        (
            lambda f, *call: (found := f(*call))._replace(mean=found.mean + next_call()),
            "q_posterior: state left over, since the same call again returns other numbers",
        ),
    ],
    ids=["clock", "deviation", "factor", "range", "state"],
)
def test_wrong_clock_units_and_state_are_recognized(change, sentence):
    seen, impl = evidence.start(), Answers(change)
    samples = np.float64([[0.5], [1.0], [-0.25], [2.0]])
    t = np.array([2, 3, 4, 5], np.int64)
    Checked(impl).q_posterior(GENTLE, samples, samples[::-1].copy(), t - 1, t)
    seen.verdict = FORMULA
    found = [
        text for title, text in diagnosis.diagnose(seen, impl).sections if title == "looks like"
    ]
    assert len(found) == 1
    assert sentence in found[0]
