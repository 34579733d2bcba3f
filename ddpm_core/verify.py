"""python -m ddpm_core.verify: run the suite on this very code, and read its certificate."""

import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_core.cli.options import parse
from ddpm_core.cli.progress import say

if TYPE_CHECKING:
    from ddpm_core.gate.certificate import Project, Statement

SPOT = 3  # checks of --spot


@dataclass(frozen=True)
class VerifyConfig:
    """Run the property suite on this code; a full green run writes the certificate."""

    config: Path | None = None
    """A TOML file of these options; flags win over it."""
    status: bool = False
    """Only say what the certificate says of this code; run nothing."""
    spot: bool = False
    """Run three checks again that a hash chooses; no certificate is written."""
    report: Path = Path("verification")
    """Folder of report and certificate."""
    processes: str = "auto"
    """How many run checks side by side."""


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit code: 0 verified, 1 a check failed, 2 usage, 3 not verified."""
    config = parse(VerifyConfig, "verify", arguments)

    from ddpm_core.gate import certificate, live  # tyro first: --help needs none of it

    project = certificate.Project.own()
    path = config.report / certificate.FILE.name
    if not config.status:
        if find_spec("pytest") is None or find_spec("hypothesis") is None:
            print(
                "ddpm_core.verify: the suite needs pytest and Hypothesis; "
                "pip install 'ddpm-core[verify]'",
                file=sys.stderr,
            )
            return 2
        command = [sys.executable, "-m", "pytest", "-q", "--report", str(config.report)]
        if config.spot:
            try:
                chosen = spot(project)
            except certificate.CertificateError as error:
                say(f"not verified: {error}")
                return 3
            return 1 if subprocess.run([*command, *chosen], check=False).returncode else 0
        command += ["--numprocesses", config.processes, "--dist", "loadfile", str(project.suite)]
        if subprocess.run(command, check=False).returncode:
            return 1
    try:
        whole = certificate.read(path)
        found = certificate.mismatch(whole, project) or live.mismatch(project)
    except (certificate.CertificateError, OSError) as error:
        found = str(error)
    if found is not None:
        say(f"not verified: {found}.\n`python -m ddpm_core.verify` runs the suite on this code")
        return 3
    say(described(whole, path))
    return 0


def spot(project: "Project") -> list[str]:
    """The checks of --spot, by a hash of the files: nobody chooses them."""
    from ddpm_core.gate.certificate import canonical, digests

    key = canonical(digests(project)).decode()
    required = sorted(project.policy()["required"])
    ranked = sorted(required, key=lambda name: sha256(f"{key}{name}".encode()).digest())
    found = []
    for name in ranked[:SPOT]:
        file, _, test = name.partition("::")
        (home,) = project.suite.rglob(file)
        found.append(f"{home}::{test}")
    return found


def described(whole: "Statement", path: Path) -> str:
    """What a certificate says, in a few lines."""
    shown, worst = whole["predicate"], whole["predicate"]["worst"]
    when = shown["information"]
    tree = "" if when["commit"] is None else f" at commit {when['commit'][:12]}"
    dirty = " with uncommitted changes" if when["dirty"] else ""
    return (
        f"verified: {path} holds for this code\n"
        f"{len(whole['subject'])} files, {len(shown['executed'])} checks, all passed, "
        f"{when['time']}{tree}{dirty}\n"
        f"false alarms risked {shown['alpha_spent']:.3g}, least power {shown['least_power']:.8f}, "
        f"worst error {worst['fraction_of_allowance']:.3g} of what rounding allows\n"
        f"{len(shown['mutants'])} mutants tested during the run, all killed"
    )


if __name__ == "__main__":
    sys.exit(main())
