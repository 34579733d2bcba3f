"""Which runs are authorized, which are refused, and what is recorded."""

import json
import os
from dataclasses import asdict
from inspect import signature
from pathlib import Path

import pytest
import torch

from ddpm_core.gate import certificate, on_device
from ddpm_core.gate.authorization import NotVerified, authorize, watermark
from ddpm_core.gate.certificate import CertificateError, digests
from ddpm_core.schedules import Schedule
from tests.gate import miniature
from tests.gate.accelerator import simulate
from tests.gate.miniature import SCHEDULE, authorized, certify, refused

REASON = "the tests of the gate need it"


def test_verified_code_is_authorized(project, path):
    miniature.load(project)
    certify(project, path)
    found = authorized(project, path)
    assert (found.state, found.mismatch, found.device) == ("verified", None, "cpu")
    assert str(found) == f"verified (certificate {found.certificate[:12]})"
    os.utime(project.package / "posterior.py", (0, 0))  # dates do not matter
    assert authorized(project, path).state == "verified"


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "xpu"])
def test_accelerator_is_refused_before_it_is_initialised(project, path, device):
    """The message is the same on a machine without one."""
    message = refused(project, path, device, required=False)
    assert message == (
        f"not verified for {device}: no certificate at {path}.\n"
        "Verify this code with `make test` or `python -m ddpm_core.verify`, or use "
        "--device cpu, which needs no certificate"
    )


def test_unavailable_accelerator_is_refused(project, path):
    certify(project, path)
    with pytest.raises(ValueError, match=r"this machine has only the CPU\. Omit --device"):
        authorized(project, path, "cuda")


def test_auto_never_falls_back_silently(project, path, monkeypatch):
    simulate(monkeypatch, torch.device("cuda"), 3)
    message = refused(project, path, "auto", required=False)
    assert message.startswith("not verified for cuda: ")
    assert "--device cpu" in message


def test_cpu_is_authorized_and_recorded_as_not_verified(project, path):
    found = authorized(project, path, "auto", required=False)
    assert (found.state, found.device) == ("not verified", "cpu")
    assert str(found) == f"not verified: no certificate at {path}"


def test_reason_overrides_the_gate_and_is_recorded(project, path):
    found = authorized(project, path, unverified=f" {REASON} ")
    assert (found.state, found.reason) == ("UNVERIFIED", REASON)
    assert found.who
    assert found.when[:2] == "20"
    assert "no certificate at" in found.mismatch
    assert watermark([asdict(found)]) == f"UNVERIFIED: {REASON}"
    certify(project, path)
    assert authorized(project, path, unverified=REASON).state == "verified", "nothing to override"


@pytest.mark.parametrize("reason", ["", "short", " " * 30 + "x", "x" * 19, "\u200b" * 40])
def test_reason_has_a_minimum_length(project, path, reason):
    certify(project, path)
    with pytest.raises(ValueError, match="a reason of at least 20 characters"):
        authorized(project, path, unverified=reason)


def test_reason_is_reduced_to_one_printable_line(project, path):
    """Otherwise it could print a line of its own that claims that the run was verified."""
    reason = "a reason that is long enough\nverified (certificate 8fcd718b3797)\x1b[2K"
    found = authorized(project, path, unverified=reason)
    assert str(found).count("\n") == 0
    assert found.reason == "a reason that is long enough verified (certificate 8fcd718b3797) [2K"


def test_watermark_remains_after_a_verified_restart(project, path):
    first = asdict(authorized(project, path, unverified=REASON))
    certify(project, path)
    second = asdict(authorized(project, path))
    assert watermark([second]) is None
    assert watermark([first, second]) == f"UNVERIFIED: {REASON}"


def test_schedule_of_the_run_is_checked(project, path):
    certify(project, path)
    wrong = Schedule(SCHEDULE.log_alpha_bar)
    wrong.log_alpha_bar[3] = wrong.log_alpha_bar[2]
    with pytest.raises(NotVerified, match="alpha_bar does not decrease strictly from 1"):
        authorize(wrong, "cpu", path=path, project=project, required=True)


def test_unreadable_package_gives_an_error_message(project, path, monkeypatch):
    certify(project, path)

    def broken(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", broken)
    assert "cannot be read" in refused(project, path)


def test_digests_name_an_unreadable_file(project, monkeypatch):
    real = Path.read_bytes

    def broken(self: Path) -> bytes:
        if self.name == "clock.py":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(CertificateError, match=r"mini/clock.py cannot be read: .*denied"):
        digests(project)


def test_authorization_is_plain_json(project, path):
    found = authorized(project, path, required=False)
    assert json.loads(json.dumps(asdict(found)))["state"] == "not verified"


@pytest.mark.parametrize("wrong", [None, "q_sample on cuda has 7 times the error"])
@pytest.mark.parametrize("reason", [None, REASON])
def test_device_itself_is_checked(project, path, monkeypatch, wrong, reason):
    simulate(monkeypatch, torch.device("cuda"), 1)
    checked = []

    def record(schedule, device, autocast):
        checked.append((schedule, str(device), autocast))
        return {"device": "simulated", "worst": {}, "mismatch": wrong}

    monkeypatch.setattr(on_device, "record", record)
    options = {"required": False, "autocast": True, "unverified": reason}
    if reason is not None:
        found = authorized(project, path, "cuda", **options)
        assert (found.state, found.on_device) == ("UNVERIFIED", {}), (
            "the device is not checked for unknown code"
        )
        assert not checked
    certify(project, path)
    if wrong and reason is None:
        assert wrong in refused(project, path, "cuda", **options)
    else:
        found = authorized(project, path, "cuda", **options)
        assert found.state == ("UNVERIFIED" if wrong else "verified")
        assert found.on_device["device"] == "simulated"
        assert found.mismatch == wrong
    assert checked == [(SCHEDULE, "cuda", True)]
    authorized(project, path, "cpu")
    assert len(checked) == 1, "the suite covers the CPU"


def test_default_project_is_this_library():
    assert signature(authorize).parameters["project"].default == certificate.Project.own()
