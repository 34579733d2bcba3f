"""Authorization of training: verified, refused, overridden, or unverified on a CPU."""

import getpass
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from ddpm_core.gate import certificate, identities, live, on_device
from ddpm_core.gate.certificate import CertificateError, Project
from ddpm_core.gate.devices import choose_device, requested_device
from ddpm_core.schedules import Schedule

MIN_REASON_LENGTH = 20  # characters of --unverified
OWN = Project.own()


class NotVerified(RuntimeError):
    """The code has not passed a complete run of the suite, so training is refused."""


@dataclass(frozen=True)
class Authorization:
    """Result of the gate for one start of a run, recorded in its files and checkpoints."""

    state: str  # "verified", "not verified" (CPU, no certificate required) or "UNVERIFIED"
    mismatch: str | None  # first difference from the certificate
    certificate: str | None  # SHA-256 of its content
    device: str
    when: str
    who: str = ""
    reason: str = ""  # of --unverified
    on_device: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        if self.state == "verified":
            return f"verified (certificate {str(self.certificate)[:12]})"
        if self.state == "UNVERIFIED":
            return f'UNVERIFIED: {self.mismatch}. Reason given by {self.who}: "{self.reason}"'
        return f"not verified: {self.mismatch}"


def authorize(
    schedule: Schedule,
    device: str,
    *,
    autocast: bool = False,
    path: Path = certificate.FILE,
    required: bool = False,
    unverified: str | None = None,
    project: Project = OWN,
) -> Authorization:
    """Authorize a run, or raise NotVerified with the first mismatch and the command to fix it.

    An accelerator needs a certificate at `path` that is valid for exactly this code; so does the
    CPU if `required`. Before the device is touched, the certificate is compared with the files and
    with the code in memory, and the run's schedule is checked. Then the device itself is checked.
    `unverified`, a reason of at least 20 characters, authorizes a run that would be refused; the
    reason is recorded.

    Raises ValueError if the device is unknown or unavailable, or the reason is too short.
    """
    if unverified is not None:  # one printable line: a reason must not imitate a "verified" line
        unverified = " ".join("".join(c if c.isprintable() else " " for c in unverified).split())
        if len(unverified) < MIN_REASON_LENGTH:
            raise ValueError(
                f"--unverified {unverified!r} is too short; give a reason of at least "
                f"{MIN_REASON_LENGTH} characters, for readers of the checkpoint"
            )
    requested, digest, mismatch, device_record = requested_device(device), None, None, {}
    try:
        statement = certificate.read(path)
        digest = sha256(certificate.canonical(statement)).hexdigest()
        mismatch = certificate.mismatch(statement, project) or live.mismatch(project)
        mismatch = mismatch or identities.mismatch(schedule)
    except (CertificateError, OSError) as error:
        mismatch = str(error)
    strict = (required or requested.type != "cpu") and unverified is None
    if mismatch is not None and strict:
        raise NotVerified(_refusal(mismatch, requested))
    if requested.type != "cpu":
        choose_device(device)  # raises where it is not available
        if mismatch is None:
            device_record = on_device.record(schedule, requested, autocast)
            mismatch = device_record["mismatch"]
            if mismatch is not None and strict:
                raise NotVerified(_refusal(mismatch, requested))
    override = unverified if mismatch is not None else None  # unused if nothing would be refused
    state = "verified" if mismatch is None else "not verified" if override is None else "UNVERIFIED"
    when = datetime.now(UTC).isoformat(timespec="seconds")
    who, reason = ("", "") if override is None else (_user(), override)
    return Authorization(state, mismatch, digest, str(requested), when, who, reason, device_record)


def watermark(authorizations: Sequence[dict[str, Any]]) -> str | None:
    """Return the text on every picture of a run that was ever started UNVERIFIED, or None."""
    unverified = [each for each in authorizations if each["state"] == "UNVERIFIED"]
    return f"UNVERIFIED: {unverified[0]['reason']}" if unverified else None


def _refusal(mismatch: str, device: torch.device) -> str:
    cpu = "" if device.type == "cpu" else ", or use --device cpu, which needs no certificate"
    return (
        f"not verified for {device}: {mismatch}.\nVerify this code with `make test` or "
        f"`python -m ddpm_core.verify`{cpu}"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
