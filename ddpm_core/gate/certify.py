"""Writing the certificate after a run of the suite, or stating why there is none."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from ddpm_core.gate.bytecode import stale
from ddpm_core.gate.certificate import (
    FILE,
    CertificateError,
    Project,
    canonical,
    digests,
    environment,
    incomplete,
    statement,
)
from ddpm_core.storage.files import write_bytes

Rows = Mapping[str, Mapping[str, Any]]

# Options under which a run still certifies: they change only how it runs and what it prints.
HARMLESS = re.compile(
    r"-[qvs]+|-r\w+|-n.*|--(numprocesses|dist|color|durations|tb|rootdir|junitxml)(=.*)?"
    r"|--(ddpm-report|report|ddpm-budget)(=.*)?"
    r"|--strict-(markers|config)|--import-mode=\w+|--pyargs|--no-header"
)


def narrowing_option(words: Iterable[str]) -> str | None:
    """Return the first option that changes what is run or how it is judged, or None.

    Paths and packages need no check: whatever they leave out is missing in the executed set.
    """
    options = (word for word in words if word.startswith(("-", "@")))  # @file: more options
    return next((word for word in options if not HARMLESS.fullmatch(word)), None)


def predicate(rows: Rows, report: Path) -> dict[str, Any]:
    """Summarize the rows of a run for the certificate."""
    own = {each["check"]: each for each in rows.values()}
    claims = [claim for each in own.values() for claim in each["claims"]]
    exact = [each for each in own.values() if not each["control"]]
    worst = max(exact, key=lambda each: each["worst"], default=None)
    return {
        "environment": environment(),
        "executed": {
            name: {
                "outcome": each["outcome"],
                "claims": len(each["claims"]),
                "examples": each["examples"],
            }
            for name, each in own.items()
        },
        "alpha_spent": sum(claim["alpha"] for claim in claims),
        "least_power": min((claim["power"] for claim in claims), default=1.0),
        "least_effect": max((claim["min_effect"] for claim in claims), default=0.0),
        "worst": worst and {"check": worst["check"], "fraction_of_allowance": worst["worst"]},
        "mutants": [mutant for each in own.values() for mutant in each["mutants"]],
        "report": {"sha256": sha256(report.read_bytes()).hexdigest()},
    }


class Certification:
    """One run of the suite, from its start to its certificate."""

    def __init__(self, config: Any) -> None:
        self.impl = config.getoption("ddpm_impl")
        words = [*config.getini("addopts"), *shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))]
        self.narrowing_option = narrowing_option([*words, *config.invocation_params.args])
        self.project = Project.own()
        self.before = self._digests()
        self.plugins = config.pluginmanager
        self.stale: list[str] = []  # one entry per worker process; "" if its code is current

    def outcome(self, rows: Rows, folder: Path, exit_status: int) -> str:
        """Write the certificate, or withdraw the previous one; return a line that says so."""
        path = folder / FILE.name
        files = self._digests()
        reason, shown = self.refusal(rows, files, exit_status), {}
        if reason is None:
            shown = predicate(rows, folder / "report.json")
            reason = incomplete(shown, self.project.policy())
        if reason is None:
            certificate = statement(files, {**shown, "information": information(self.project)})
            try:
                write_bytes(path, canonical(certificate))
            except OSError as error:
                return f"no certificate: {error}"
            return f"certificate: {path}"
        failed = self.impl is None and any(row["outcome"] == "failed" for row in rows.values())
        if failed and path.is_file():
            path.unlink()
            return f"no certificate, and the previous one is withdrawn: {reason}"
        return f"no certificate: {reason}"

    def refusal(self, rows: Rows, after: Mapping[str, str], exit_status: int) -> str | None:
        """Return why the run cannot certify, whatever its results, or None."""
        if self.impl is not None:
            return f"--ddpm-impl {self.impl} chose the implementation"
        if self.narrowing_option is not None:
            return f"{self.narrowing_option} on the command line changes what is run"
        for row in rows.values():
            if row["outcome"] != "passed":
                return f"{row['check']} {row['outcome']}"
        if exit_status != 0:
            return f"the run ended with exit status {exit_status}"
        if sys.flags.optimize:
            return "python -O disables assertions"
        if plugin := self._foreign_plugin():
            return f"{plugin} was loaded and could change the outcome of a check"
        for mismatch in (*self.stale, stale(self.project)):
            if mismatch:
                return mismatch
        if not after:
            return "the files of package and suite cannot be read"
        for name in sorted(self.before.keys() | after.keys()):
            if self.before.get(name) != after.get(name):
                return f"{name} changed while the suite ran"
        return None

    def _foreign_plugin(self) -> str | None:
        """Return a plugin that neither an option names nor the certificate binds, or None."""
        if os.environ.get("PYTEST_PLUGINS"):
            return f"PYTEST_PLUGINS={os.environ['PYTEST_PLUGINS']}"
        own = (self.project.suite, self.project.suite.parent / "tests")
        for plugin in self.plugins.get_plugins():
            path = Path(str(getattr(plugin, "__file__", "")))
            if path.name == "conftest.py" and path.resolve().parent not in own:
                return str(path)
        return None

    def _digests(self) -> Mapping[str, str]:
        try:
            return digests(self.project)
        except (CertificateError, OSError):
            return {}  # other projects' pytest runs must not fail; `refusal` then certifies nothing


def information(project: Project) -> dict[str, Any]:
    """Return the time and the commit of a checkout, for information; neither is bound."""
    commit, dirty = None, None
    try:
        commit = _git(project.package, "rev-parse", "HEAD").strip()
        dirty = bool(_git(project.package, "status", "--porcelain", "--untracked-files=no").strip())
    except (OSError, subprocess.SubprocessError):
        pass  # without git, or not a checkout
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit,
        "dirty": dirty,
    }


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments],
        check=True,
        capture_output=True,
        text=True,
        timeout=10,
    ).stdout
