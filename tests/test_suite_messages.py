"""The messages of the property suite to the author of an implementation."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from property_tests.adapters.ddpm_core import DdpmCore
from property_tests.conftest import files_of
from property_tests.evidence import diagnosis, evidence
from property_tests.protocol.contract import Checked, TimeLimitError, time_limit
from property_tests.statistics.residuals import residual_findings
from property_tests.statistics.tolerances import check
from property_tests.strategies import GENTLE

T = np.array([1, 2], np.int64)
TIME_LIMIT = "property_tests.protocol.contract.time_limit.__wrapped__.__defaults__"
X_0, NOISE = np.float64([[0.5], [1.0]]), np.float64([[1.0], [-0.5]])


class Textbook(DdpmCore):
    """The textbook formula, which is correct but loses digits of 1 - alpha_bar."""

    def q_sample(self, betas, x_0, t, noise):
        alpha_bar = np.cumprod([1.0, *(1 - np.float64(betas))])[t].reshape(-1, 1)
        return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise


class MissingRoot(DdpmCore):
    def q_sample(self, betas, x_0, t, noise):
        alpha_bar = np.cumprod([1.0, *(1 - np.float64(betas))])[t].reshape(-1, 1)
        return np.sqrt(alpha_bar) * x_0 + (1 - alpha_bar) * noise


@pytest.mark.parametrize(
    ("adapter", "message"), [(Textbook, diagnosis.ROUNDING), (MissingRoot, "F02")]
)
def test_rounding_errors_are_not_reported_as_a_known_bug(adapter, message):
    """A wrong formula is reported as the matching bug, rounding errors as rounding errors."""
    seen = evidence.start()
    Checked(adapter()).q_sample(GENTLE, X_0, T, NOISE)
    evidence.record_comparison("x_t", (0,), 31.0, 1.0)
    sentences = diagnosis.similar_bugs(seen, 2.0**-53)
    assert any(message in each for each in sentences)
    assert len(sentences) == 1 or adapter is MissingRoot


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
    assert files_of(Textbook(), None) == [here]
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
