"""Who is let in to train, who is not, and what is kept of it."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from ddpm_core.gate import certificate, on_device
from ddpm_core.gate.admission import NotVerified, admit, watermark
from ddpm_core.gate.certificate import CertificateError, digests
from ddpm_core.gate.devices import choose_device, requested_device
from ddpm_core.schedules import Schedule
from tests.gate import miniature
from tests.gate.miniature import SCHEDULE, certify, let_in, refused

REASON = "the tests of the gate ask for it"


def test_what_was_verified_is_let_in(project, path):
    miniature.load(project)
    certify(project, path)
    found = let_in(project, path)
    assert (found.state, found.mismatch, found.device) == ("verified", None, "cpu")
    assert str(found) == f"verified, by the certificate {found.certificate[:12]}"
    os.utime(project.package / "posterior.py", (0, 0))  # no date matters
    assert let_in(project, path).state == "verified"


@pytest.mark.parametrize("device", ["cuda", "cuda:1", "mps", "xpu"])
def test_an_accelerator_is_refused_before_it_is_looked_for(project, path, device):
    """The same sentence on a machine that has none."""
    said = refused(project, path, device, required=False)
    assert said == (
        f"not verified for {device}: there is no certificate at {path}.\n"
        "Verify this code with `make test` or `python -m ddpm_core.verify`, or train with "
        "--device cpu, which needs none"
    )


def test_an_accelerator_that_is_not_there_is_said_so(project, path):
    certify(project, path)
    with pytest.raises(ValueError, match="only the CPU; leave --device out to work on that"):
        let_in(project, path, "cuda")


def test_auto_never_falls_back_silently(project, path, monkeypatch):
    imagine(monkeypatch, torch.device("cuda"), 3)
    said = refused(project, path, "auto", required=False)
    assert said.startswith("not verified for cuda: ")
    assert "--device cpu" in said


def test_the_cpu_is_let_in_and_noted(project, path):
    found = let_in(project, path, "auto", required=False)
    assert (found.state, found.device) == ("not verified", "cpu")
    assert str(found) == f"not verified: there is no certificate at {path}"


def test_a_reason_lets_in_and_is_recorded(project, path):
    found = let_in(project, path, unverified=f" {REASON} ")
    assert (found.state, found.reason) == ("UNVERIFIED", REASON)
    assert found.who
    assert found.when[:2] == "20"
    assert "there is no certificate" in found.mismatch
    assert watermark([found.to_json()]) == f"UNVERIFIED: {REASON}"
    certify(project, path)
    assert let_in(project, path, unverified=REASON).state == "verified", "nothing was to be let by"


@pytest.mark.parametrize("reason", ["", "short", " " * 30 + "x", "x" * 19, "\u200b" * 40])
def test_a_reason_says_something(project, path, reason):
    certify(project, path)
    with pytest.raises(ValueError, match="20 characters at least"):
        let_in(project, path, unverified=reason)


def test_a_reason_is_one_line(project, path):
    """Or it could print a line of its own, which says that the run was verified."""
    said = "a reason that is long enough\nverified, by the certificate 8fcd718b3797\x1b[2K"
    found = let_in(project, path, unverified=said)
    assert str(found).count("\n") == 0
    assert (
        found.reason == "a reason that is long enough verified, by the certificate 8fcd718b3797 [2K"
    )


def test_the_mark_stays_on_a_run_that_was_verified_later(project, path):
    first = let_in(project, path, unverified=REASON).to_json()
    certify(project, path)
    second = let_in(project, path).to_json()
    assert watermark([second]) is None
    assert watermark([first, second]) == f"UNVERIFIED: {REASON}"


def test_the_schedule_of_the_run_is_asked(project, path):
    certify(project, path)
    wrong = Schedule(SCHEDULE.log_alpha_bar)
    wrong.log_alpha_bar[3] = wrong.log_alpha_bar[2]
    with pytest.raises(NotVerified, match="alpha_bar does not fall from 1 at every step"):
        admit(wrong, "cpu", path=path, project=project, required=True)


def test_an_unreadable_package_is_no_traceback(project, path, monkeypatch):
    certify(project, path)

    def broken(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "read_bytes", broken)
    assert "cannot be read" in refused(project, path)


def test_digests_name_what_they_cannot_read(project, monkeypatch):
    real = Path.read_bytes

    def broken(self: Path) -> bytes:
        if self.name == "clock.py":
            raise PermissionError(13, "Permission denied")
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", broken)
    with pytest.raises(CertificateError, match=r"mini/clock.py cannot be read: .*denied"):
        digests(project)


def test_the_admission_is_plain_json(project, path):
    found = let_in(project, path, required=False)
    assert json.loads(json.dumps(found.to_json()))["state"] == "not verified"


# --- an accelerator, as far as one can be imagined ----------------------------------------------


def imagine(patch: pytest.MonkeyPatch, kind: torch.device | None, count: int) -> None:
    module = SimpleNamespace(device_count=lambda: count)
    patch.setattr(torch, "get_device_module", lambda device: module)
    patch.setattr(torch.accelerator, "current_accelerator", lambda check_available: kind)


@pytest.mark.parametrize(
    ("kind", "count", "auto"), [(None, 0, "cpu"), ("cuda", 0, "cpu"), ("cuda", 2, "cuda")]
)
def test_auto_is_what_there_is(monkeypatch, kind, count, auto):
    imagine(monkeypatch, kind and torch.device(kind), count)
    assert str(requested_device("auto")) == auto
    assert str(choose_device("cpu")) == "cpu"
    if count:
        assert str(choose_device("auto")) == "cuda"
        assert str(choose_device("cuda:1")) == "cuda:1"
        with pytest.raises(ValueError, match="--device mps: this machine offers cuda"):
            choose_device("mps")


@pytest.mark.parametrize("wrong", [None, "q_sample on cuda is 7 times as far off"])
@pytest.mark.parametrize("reason", [None, REASON])
def test_the_device_itself_is_asked(project, path, monkeypatch, wrong, reason):
    imagine(monkeypatch, torch.device("cuda"), 1)
    asked = []

    def record(schedule, device, autocast):
        asked.append((schedule, str(device), autocast))
        return {"device": "imagined", "worst": {}, "mismatch": wrong}

    monkeypatch.setattr(on_device, "record", record)
    options = {"required": False, "autocast": True, "unverified": reason}
    if reason is not None:
        found = let_in(project, path, "cuda", **options)
        assert (found.state, found.on_device) == ("UNVERIFIED", {}), "the code itself is not known"
        assert not asked
    certify(project, path)
    if wrong and reason is None:
        assert wrong in refused(project, path, "cuda", **options)
    else:
        found = let_in(project, path, "cuda", **options)
        assert found.state == ("UNVERIFIED" if wrong else "verified")
        assert found.on_device["device"] == "imagined"
        assert found.mismatch == wrong
    assert asked == [(SCHEDULE, "cuda", True)]
    let_in(project, path, "cpu")
    assert len(asked) == 1, "a CPU is what the suite ran on"


def test_the_project_is_our_own_where_none_is_named(project, path, monkeypatch):
    monkeypatch.setattr(certificate.Project, "own", classmethod(lambda cls: project))
    certify(project, path)
    assert admit(SCHEDULE, "cpu", path=path, required=True).state == "verified"
