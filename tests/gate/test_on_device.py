"""The gate's checks of the schedule and of the device; each fails for an injected fault."""

import pytest
import torch

from ddpm_core import _types, posterior
from ddpm_core.gate import identities, on_device
from ddpm_core.schedules import Schedule

CPU = torch.device("cpu")
SCHEDULES = {
    "linear": Schedule.linear(1000),
    "shortest": Schedule.cosine(1),
    "steep": Schedule.from_betas([0.1, 0.5, 0.3, 0.8]),
    "degenerate": Schedule.from_betas([2.0**-40, 1 - 2.0**-20, 2.0**-40, 0.5]),
    "zero terminal SNR": Schedule.linear(1000).with_zero_terminal_snr(),
}
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


# --- the device ----------------------------------------------------------------------------------


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("name", SCHEDULES)
def test_this_cpu_is_within_the_rounding_bounds(name, autocast):
    found = on_device.record(SCHEDULES[name], CPU, autocast)
    assert found["mismatch"] is None
    assert max(found["worst"].values()) <= 1
    assert max(found["worst"].values()) >= 1 / 50, "the bounds are too loose"
    assert len(found["worst"]) == 2 * 9 + 2


def coarse(coef, x):
    """Fault: coefficients in bfloat16."""
    return real_expand(coef, x).bfloat16().to(_types.compute_dtype(x))


real_expand = _types.expand_to


@pytest.mark.parametrize("module", ["forward_process", "posterior", "parameterization"])
def test_coarse_coefficients_are_detected(monkeypatch, module):
    import importlib

    home = importlib.import_module(f"ddpm_core.{module}")
    fault = lambda coef, x: real_expand(coef, x) if x.dtype == torch.float64 else coarse(coef, x)  # noqa: E731
    monkeypatch.setattr(home, "expand_to", fault)
    message = on_device.record(STEEP, CPU, autocast=False)["mismatch"]
    assert message is not None
    assert " on cpu has " in message


@pytest.mark.parametrize(
    ("fault", "statistic"),
    [
        (lambda x: x + 0.01, "the mean of randn"),
        (lambda x: x * 1.01, "the variance of randn"),
        (lambda x: x * torch.nan, "the mean of randn"),
    ],
)
def test_wrong_noise_of_the_device_is_detected(monkeypatch, fault, statistic):
    real = torch.randn

    def faulty(*shape, **options):
        drawn = real(*shape, **options)
        return fault(drawn) if drawn.numel() == on_device.DRAWS else drawn

    monkeypatch.setattr(torch, "randn", faulty)
    assert str(on_device.record(STEEP, CPU, autocast=False)["mismatch"]).startswith(statistic)
