"""python -m ddpm_core.verify: run the suite on this code and check the certificate."""

import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from ddpm_core.cli.options import parse, usage_error
from ddpm_core.cli.progress import say

if TYPE_CHECKING:
    from ddpm_core.gate.certificate import Project, Statement

SPOT_CHECKS = 3  # number of checks of --spot


@dataclass(frozen=True)
class VerifyConfig:
    """Run the property suite on this code; a complete run without failures writes a certificate."""

    config: Path | None = None
    """TOML file with these options; flags take precedence."""
    status: bool = False
    """Only check whether the certificate is valid for this code; run nothing."""
    spot: bool = False
    """Run only three checks, chosen by a hash of the code; write no certificate."""
    report: Path = Path("verification")
    """Folder for the report and the certificate."""
    processes: str = "auto"
    """Number of processes that run checks in parallel; auto: one per core."""

    def __post_init__(self) -> None:
        if self.status and self.spot:
            raise ValueError("--status runs no check, but --spot runs three; omit one of them")
        if self.processes != "auto" and not self.processes.isdecimal():
            raise ValueError(
                f"--processes {self.processes} is neither auto nor a number; pass one of them"
            )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return 0 verified, 1 a check failed, 2 usage, 3 not verified."""
    config = parse(VerifyConfig, "verify", arguments)

    from ddpm_core.gate import certificate, live  # after parsing: --help must not import torch
    from ddpm_core.storage.run_lock import writable_folder

    project = certificate.Project.own()
    path = config.report / certificate.FILE.name
    if not config.status:
        if find_spec("pytest") is None or find_spec("hypothesis") is None:
            print(
                "ddpm_core.verify: the suite needs pytest and Hypothesis. "
                "Run pip install 'ddpm-core[verify]'",
                file=sys.stderr,
            )
            return 2
        try:
            writable_folder(config.report, "--report")
        except ValueError as error:
            usage_error("verify", str(error))
        command = [sys.executable, "-m", "pytest", "-q", "--ddpm-report", str(config.report)]
        if config.spot:
            try:
                chosen = spot_checks(project)
            except certificate.CertificateError as error:
                say(f"not verified: {error}")
                return 3
            return 1 if subprocess.run([*command, *chosen], check=False).returncode else 0
        command += ["--numprocesses", config.processes, "--dist", "loadfile", str(project.suite)]
        if subprocess.run(command, check=False).returncode:
            return 1
    try:
        statement = certificate.read(path)
        mismatch = certificate.mismatch(statement, project) or live.mismatch(project)
    except (certificate.CertificateError, OSError) as error:
        mismatch = str(error)
    if mismatch is not None:
        say(f"not verified: {mismatch}.\n`python -m ddpm_core.verify` runs the suite on this code")
        return 3
    say(summary(statement, path))
    return 0


def spot_checks(project: "Project") -> list[str]:
    """Return the checks of --spot, chosen by a hash of all bound files."""
    from ddpm_core.gate.certificate import canonical, digests

    key = canonical(digests(project)).decode()
    required = sorted(project.policy()["required"])
    ranked = sorted(required, key=lambda name: sha256(f"{key}{name}".encode()).digest())
    found = []
    for name in ranked[:SPOT_CHECKS]:
        file, _, test = name.partition("::")
        (path,) = project.suite.rglob(file)
        found.append(f"{path}::{test}")
    return found


def summary(statement: "Statement", path: Path) -> str:
    """Return the content of a certificate in a few lines."""
    results, worst = statement["predicate"], statement["predicate"]["worst"]
    run = results["information"]
    commit = "" if run["commit"] is None else f" at commit {run['commit'][:12]}"
    dirty = " with uncommitted changes" if run["dirty"] else ""
    return (
        f"verified: {path} is valid for this code\n"
        f"{len(statement['subject'])} files, {len(results['executed'])} checks, all passed, "
        f"{run['time']}{commit}{dirty}\n"
        f"probability of a false alarm at most {results['alpha_spent']:.3g}, power at least "
        f"{results['least_power']:.8f}, largest error {worst['fraction_of_allowance']:.3g} of the "
        f"rounding bound\n"
        f"{len(results['mutants'])} mutants tested during the run, all killed"
    )


if __name__ == "__main__":
    sys.exit(main())
