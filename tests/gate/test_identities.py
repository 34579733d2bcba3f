"""Every valid schedule satisfies the identities; each injected fault violates one."""

import pytest
import torch

from ddpm_core import _types, posterior
from ddpm_core.gate import identities
from ddpm_core.schedules import Schedule
from tests.gate.run_schedules import SCHEDULES

STEEP = SCHEDULES["steep"]


@pytest.mark.parametrize("name", SCHEDULES)
def test_valid_schedule_satisfies_every_identity(name):
    assert identities.mismatch(SCHEDULES[name]) is None


@pytest.mark.parametrize(
    ("method", "identity"),
    [
        ("alpha_bar", "alpha_bar_t + (1 - alpha_bar_t) = 1"),
        ("one_minus_alpha_bar", "alpha_bar_t + (1 - alpha_bar_t) = 1"),
        ("alpha", "alpha_t + beta_t = 1"),
        ("beta_between", "alpha_t + beta_t = 1"),
    ],
)
@pytest.mark.parametrize("fault", ["scale", "nan", "float32"])
def test_wrong_coefficient_is_reported(monkeypatch, method, identity, fault):
    real = getattr(Schedule, method)
    faults = {
        "scale": lambda x: x * (1 + 1e-12),
        "nan": lambda x: x * torch.nan,
        "float32": lambda x: x.float().double(),
    }

    def faulty(self, *times):
        return faults[fault](real(self, *times))

    monkeypatch.setattr(Schedule, method, faulty)
    message = identities.mismatch(STEEP)
    assert message is not None
    assert f"the schedule violates {identity} at t = " in message


@pytest.mark.parametrize(
    ("field", "identity"),
    [
        ("var", "the posterior variance is"),
        ("mean", "the posterior mean has"),
    ],
)
def test_wrong_posterior_is_reported(monkeypatch, field, identity):
    real = posterior.q_posterior

    def faulty(*arguments):
        correct = real(*arguments)
        scale = {"mean": 1.0, "var": 1.0} | {field: 1.0001}
        return _types.Gaussian(correct.mean * scale["mean"], correct.var * scale["var"])

    monkeypatch.setattr(identities, "q_posterior", faulty)
    message = identities.mismatch(STEEP)
    assert message is not None
    assert message.startswith(f"the schedule violates {identity}")


def test_wrong_conversion_is_reported(monkeypatch):
    real = identities.convert
    monkeypatch.setattr(identities, "convert", lambda *given: -real(*given))
    assert "v sqrt(1 - alpha_bar_t)" in str(identities.mismatch(STEEP))


def test_malformed_table_is_reported():
    wrong = Schedule(STEEP.log_alpha_bar)
    object.__setattr__(wrong, "log_alpha_bar", STEEP.log_alpha_bar.float())
    assert "must be float64 (T + 1,) on the CPU" in str(identities.mismatch(wrong))
    table = STEEP.log_alpha_bar
    for other in (table[None].repeat(2, 1), table[:1], table.to("meta")):
        object.__setattr__(wrong, "log_alpha_bar", other)
        assert "must be float64 (T + 1,) on the CPU" in str(identities.mismatch(wrong))
    for other in (table + 1, table[[0, 1, 1, 2]]):
        object.__setattr__(wrong, "log_alpha_bar", other)
        assert "does not decrease strictly from 1" in str(identities.mismatch(wrong))
