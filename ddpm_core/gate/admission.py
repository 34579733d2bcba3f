"""The one door to training: verified, refused, let through by name, or on a CPU and noted."""

import getpass
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from ddpm_core.gate import certificate, identities, live, on_device
from ddpm_core.gate.certificate import CertificateError, Project
from ddpm_core.gate.devices import choose_device, requested_device
from ddpm_core.schedules import Schedule

SHORTEST_REASON = 20  # characters of --unverified


class NotVerified(RuntimeError):
    """Training would start on code that no complete run of the suite has passed."""


@dataclass(frozen=True)
class Admission:
    """How a run was let in; it is written into the run's files and its checkpoints."""

    state: str  # "verified", "not verified" (on a CPU, where none is asked for) or "UNVERIFIED"
    mismatch: str | None  # what differs from the certificate
    certificate: str | None  # SHA-256 of its bytes
    device: str
    when: str
    who: str = ""
    reason: str = ""  # of --unverified
    on_device: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        if self.state == "verified":
            return f"verified, by the certificate {str(self.certificate)[:12]}"
        if self.state == "UNVERIFIED":
            return f'UNVERIFIED: {self.mismatch}. {self.who} says: "{self.reason}"'
        return f"not verified: {self.mismatch}"


def admit(
    schedule: Schedule,
    device: str,
    *,
    autocast: bool = False,
    path: Path = certificate.FILE,
    required: bool = False,
    unverified: str | None = None,
    project: Project | None = None,
) -> Admission:
    """Let a run in, or raise NotVerified with the first mismatch and the command that mends it.

    An accelerator needs a certificate at `path` that holds for this very code, and so does the CPU
    if `required`. All of it is worked out again here, from files and memory, and held against the
    run's own schedule, before the device is touched; then the device itself is asked. `unverified`,
    a reason of 20 characters at least, lets a run in that would be refused, and is recorded.

    Raises ValueError for a device that is unknown or not there, and for too short a reason.
    """
    if unverified is not None:  # one line, of what can be seen
        unverified = " ".join("".join(c if c.isprintable() else " " for c in unverified).split())
    if unverified is not None and len(unverified) < SHORTEST_REASON:
        raise ValueError(
            f"--unverified {unverified!r} is no reason: {SHORTEST_REASON} characters at least, for "
            "whoever finds the checkpoint later"
        )
    wanted, project = requested_device(device), project or Project.own()
    seal, found, asked = None, None, {}
    try:
        whole = certificate.read(path)
        seal = sha256(certificate.canonical(whole)).hexdigest()
        found = certificate.mismatch(whole, project) or live.mismatch(project)
        found = found or identities.mismatch(schedule)
    except (CertificateError, OSError) as error:
        found = str(error)
    needed = (required or wanted.type != "cpu") and unverified is None
    if found is not None and needed:
        raise NotVerified(_refusal(found, wanted))
    there = choose_device(device)
    if found is None and there.type != "cpu":
        asked = on_device.record(schedule, there, autocast)
        found = asked["mismatch"]
        if found is not None and needed:
            raise NotVerified(_refusal(found, there))
    let_by = unverified if found is not None else None
    return Admission(
        "verified" if found is None else "not verified" if let_by is None else "UNVERIFIED",
        found,
        seal,
        str(there),
        datetime.now(UTC).isoformat(timespec="seconds"),
        who="" if let_by is None else _user(),
        reason=let_by or "",
        on_device=asked,
    )


def watermark(admissions: Sequence[dict[str, Any]]) -> str | None:
    """What every picture of a run shows that was ever let in unverified, or None."""
    marked = [each for each in admissions if each["state"] == "UNVERIFIED"]
    return f"UNVERIFIED: {marked[0]['reason']}" if marked else None


def _refusal(found: str, device: torch.device) -> str:
    cpu = "" if device.type == "cpu" else ", or train with --device cpu, which needs none"
    return (
        f"not verified for {device}: {found}.\nVerify this code with `make test` or "
        f"`python -m ddpm_core.verify`{cpu}"
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
