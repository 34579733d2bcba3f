"""What the gate asks of a run's schedule and of its device, each seen to go red."""

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
def test_a_sound_schedule_keeps_every_identity(name):
    assert identities.mismatch(SCHEDULES[name]) is None


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("alpha_bar", "alpha_bar_t + (1 - alpha_bar_t) = 1"),
        ("one_minus_alpha_bar", "alpha_bar_t + (1 - alpha_bar_t) = 1"),
        ("alpha", "alpha_t + beta_t = 1"),
        ("beta_between", "alpha_t + beta_t = 1"),
    ],
)
@pytest.mark.parametrize("fault", ["scale", "nan", "float32"])
def test_a_wrong_coefficient_is_named(monkeypatch, method, says, fault):
    real = getattr(Schedule, method)
    slips = {
        "scale": lambda x: x * (1 + 1e-12),
        "nan": lambda x: x * torch.nan,
        "float32": lambda x: x.float().double(),
    }

    def slipped(self, *times):
        return slips[fault](real(self, *times))

    monkeypatch.setattr(Schedule, method, slipped)
    said = identities.mismatch(STEEP)
    assert said is not None
    assert f"the schedule breaks {says} at t = " in said


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("var", "the posterior variance is"),
        ("mean", "the posterior mean takes"),
    ],
)
def test_a_wrong_posterior_is_named(monkeypatch, line, says):
    real = posterior.q_posterior

    def slipped(*arguments):
        back = real(*arguments)
        scale = {"mean": 1.0, "var": 1.0} | {line: 1.0001}
        return _types.Gaussian(back.mean * scale["mean"], back.var * scale["var"])

    monkeypatch.setattr(identities, "q_posterior", slipped)
    said = identities.mismatch(STEEP)
    assert said is not None
    assert said.startswith(f"the schedule breaks {says}")


def test_a_wrong_conversion_is_named(monkeypatch):
    real = identities.convert
    monkeypatch.setattr(identities, "convert", lambda *given: -real(*given))
    assert "v sqrt(1 - alpha_bar_t)" in str(identities.mismatch(STEEP))


def test_a_table_of_another_kind_is_named():
    wrong = Schedule(STEEP.log_alpha_bar)
    object.__setattr__(wrong, "log_alpha_bar", STEEP.log_alpha_bar.float())
    assert "where float64 (T + 1,) on the CPU belongs" in str(identities.mismatch(wrong))
    table = STEEP.log_alpha_bar
    for other in (table[None].repeat(2, 1), table[:1], table.to("meta")):
        object.__setattr__(wrong, "log_alpha_bar", other)
        assert "where float64 (T + 1,) on the CPU belongs" in str(identities.mismatch(wrong))
    for other in (table + 1, table[[0, 1, 1, 2]]):
        object.__setattr__(wrong, "log_alpha_bar", other)
        assert "does not fall from 1" in str(identities.mismatch(wrong))


# --- the device ----------------------------------------------------------------------------------


@pytest.mark.parametrize("autocast", [False, True])
@pytest.mark.parametrize("name", SCHEDULES)
def test_this_cpu_rounds_as_it_should(name, autocast):
    found = on_device.record(SCHEDULES[name], CPU, autocast)
    assert found["mismatch"] is None
    assert max(found["worst"].values()) <= 1
    assert max(found["worst"].values()) >= 1 / 50, "the bounds say nothing"
    assert len(found["worst"]) == 2 * 9 + 2


def coarse(coef, x):
    """A device whose coefficients are bfloat16."""
    return real_expand(coef, x).bfloat16().to(_types.compute_dtype(x))


real_expand = _types.expand_to


@pytest.mark.parametrize("module", ["forward_process", "posterior", "parameterization"])
def test_coarse_coefficients_are_seen(monkeypatch, module):
    import importlib

    home = importlib.import_module(f"ddpm_core.{module}")
    fault = lambda coef, x: real_expand(coef, x) if x.dtype == torch.float64 else coarse(coef, x)  # noqa: E731
    monkeypatch.setattr(home, "expand_to", fault)
    said = on_device.record(STEEP, CPU, autocast=False)["mismatch"]
    assert said is not None
    assert " on cpu is " in said


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        (lambda x: x + 0.01, "the mean of randn"),
        (lambda x: x * 1.01, "the variance of randn"),
        (lambda x: x * torch.nan, "the mean of randn"),
    ],
)
def test_a_device_that_draws_wrong_noise_is_seen(monkeypatch, slip, says):
    real = torch.randn

    def slipped(*shape, **options):
        drawn = real(*shape, **options)
        return slip(drawn) if drawn.numel() == on_device.DRAWS else drawn

    monkeypatch.setattr(torch, "randn", slipped)
    assert str(on_device.record(STEEP, CPU, autocast=False)["mismatch"]).startswith(says)
