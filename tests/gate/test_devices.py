"""Names of devices: resolved without initialising them, and refused if unknown or unavailable."""

import pytest
import torch

from ddpm_core.gate.devices import choose_device, requested_device
from tests.gate.accelerator import simulate


@pytest.mark.parametrize(
    ("kind", "count", "auto"), [(None, 0, "cpu"), ("cuda", 0, "cpu"), ("cuda", 2, "cuda")]
)
def test_auto_is_the_available_device(monkeypatch, kind, count, auto):
    simulate(monkeypatch, kind and torch.device(kind), count)
    assert str(requested_device("auto")) == auto
    assert str(choose_device("cpu")) == "cpu"
    if count:
        assert str(choose_device("auto")) == "cuda"
        assert str(choose_device("cuda:1")) == "cuda:1"


def test_another_accelerator_than_the_machine_has_is_refused(monkeypatch):
    simulate(monkeypatch, torch.device("cuda"), 1)
    message = r"--device mps is not available: this machine has cuda\. Omit --device"
    with pytest.raises(ValueError, match=message):
        choose_device("mps")


def test_accelerator_on_a_machine_without_one_is_refused(monkeypatch):
    simulate(monkeypatch, None, 0)
    with pytest.raises(ValueError, match="this machine has only the CPU"):
        choose_device("cuda")


@pytest.mark.parametrize("choose", [requested_device, choose_device])
def test_unknown_device_is_refused_with_the_known_ones(choose):
    with pytest.raises(ValueError, match="--device gpu is unknown; try auto, cpu, cuda, mps or"):
        choose("gpu")


@pytest.mark.parametrize("name", ["cpu", "cuda", "cuda:1", "mps", "xpu"])
def test_requested_device_need_not_be_available(monkeypatch, name):
    simulate(monkeypatch, None, 0)
    assert str(requested_device(name)) == name


def test_resolving_a_name_does_not_initialise_the_device(monkeypatch):
    """Torch initialises a device to check whether it is available; choose_device does so."""
    checked = []

    def current(check_available):
        checked.append(check_available)
        return torch.device("cuda")

    simulate(monkeypatch, torch.device("cuda"), 1)
    monkeypatch.setattr(torch.accelerator, "current_accelerator", current)
    requested_device("auto")
    requested_device("cuda")
    assert not any(checked)
    choose_device("cuda")
    assert checked[-1]
