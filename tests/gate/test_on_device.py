"""The gate's check of the device; it fails for each injected fault."""

import pytest
import torch

from ddpm_core import _types
from ddpm_core.gate import on_device
from tests.gate.run_schedules import SCHEDULES

CPU = torch.device("cpu")
STEEP = SCHEDULES["steep"]


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
