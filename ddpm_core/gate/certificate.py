"""The certificate: which code passed the suite, in which environment, with which results.

It is an in-toto Statement in canonical JSON: equal statements are equal bytes, and any tool that
signs files can sign it. It binds the content of files; dates and names do not matter.
"""

import hashlib
import json
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

FILE = Path("verification") / "certificate.json"  # where a run of the suite writes it
POLICY = "policy.json"  # in the suite: what a run must show
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:ddpm-core:certificate"
FORMAT = 1

# Files that only draw figures: no number of a run depends on them.
EXEMPT = frozenset(
    f"figures/{name}" for name in ("canvas.py", "curves.py", "grids.py", "report.py", "report.html")
)
# Stubs decide at run time where the package's public names come from. Style and templates decide
# what the report of the suite shows: a hidden row would look like a check that passed.
BOUND = ("*.py", "*.pyi", "*.css", "*.html")
PACKAGES = ("torch", "numpy", "scipy", "jaxtyping", "hypothesis", "mpmath", "pytest")

REQUIRED_KEYS = frozenset(  # of the predicate
    ("environment", "executed", "alpha_spent", "least_power", "least_effect", "mutants")
)

Statement = Mapping[str, Any]


class CertificateError(ValueError):
    """A file that is missing, damaged, or not a certificate of this version."""


@dataclass(frozen=True)
class Project:
    """The files that a certificate binds: a package, its test suite, and the derivations."""

    name: str
    package: Path
    suite: Path
    derivations: Path

    @classmethod
    def own(cls) -> "Project":
        """Return this library; in a wheel, suite and derivations are inside the package."""
        package = Path(__file__).resolve().parent.parent
        root = package if (package / "property_tests").is_dir() else package.parent
        return cls(package.name, package, root / "property_tests", root / "derivations")

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield (name, path) of every bound file; a checkout and a wheel have the same names."""
        if not (self.suite / POLICY).is_file():
            raise CertificateError(
                f"{self.suite} contains no {POLICY}, so nothing can be verified; reinstall "
                f"{self.name} completely"
            )
        for path in (path for pattern in BOUND for path in _below(self.package, pattern)):
            inside = path.relative_to(self.package)
            separate = inside.parts[0] in ("property_tests", "derivations")
            if not separate and inside.as_posix() not in EXEMPT:
                yield f"{self.name}/{inside.as_posix()}", path
        for folder, patterns in (
            (self.suite, ("*.py", "*.html", POLICY)),
            (self.derivations, ("*.py", "*.html", "*.md")),
        ):
            for pattern in patterns:
                for path in _below(folder, pattern):
                    yield f"{folder.name}/{path.relative_to(folder).as_posix()}", path

    def policy(self) -> Mapping[str, Any]:
        """Return what a run of the suite must show. Raises CertificateError if it is unreadable."""
        path = self.suite / POLICY
        try:
            found: Mapping[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CertificateError(f"{path} cannot be read: {error}") from None
        return found


def _below(folder: Path, pattern: str) -> list[Path]:
    return sorted(each for each in folder.rglob(pattern) if "__pycache__" not in each.parts)


def digests(project: Project) -> dict[str, str]:
    """Return the SHA-256 of every bound file. Raises CertificateError for an unreadable one."""
    found = {}
    for name, path in project.files():
        try:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise CertificateError(f"{name} cannot be read: {error}") from None
    return found


def environment() -> Mapping[str, str]:
    """Return versions (or "not installed"), machine, and torch settings that affect rounding."""
    import torch

    found: dict[str, str] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "machine": f"{platform.system()} {platform.machine()}",
        "optimize": str(sys.flags.optimize),
        "default dtype of torch": str(torch.get_default_dtype()),
        "float32 matmul precision of torch": torch.get_float32_matmul_precision(),
    }
    return {**found, **{name: _version(name) for name in PACKAGES}}


def _version(package: str) -> str:
    try:
        return str(version(package))
    except PackageNotFoundError:
        return "not installed"


# --- the file ------------------------------------------------------------------------------------


def canonical(value: Any) -> bytes:
    """Return JSON with sorted keys, no spaces and one newline: equal values give equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def statement(files: Mapping[str, str], predicate: Mapping[str, Any]) -> dict[str, Any]:
    """Return the Statement for these files; its seal reveals accidental edits, not forgery."""
    certificate: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": files[name]}} for name in sorted(files)],
        "predicateType": PREDICATE,
        "predicate": {**predicate, "format": FORMAT},
    }
    certificate["predicate"]["seal"] = _seal(certificate)
    return certificate


def _seal(certificate: Statement) -> str:
    predicate = {key: value for key, value in certificate["predicate"].items() if key != "seal"}
    return hashlib.sha256(canonical({**certificate, "predicate": predicate})).hexdigest()


def read(path: Path) -> Statement:
    """Read the certificate at `path`. Raises CertificateError if it is missing or invalid."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CertificateError(f"no certificate at {path}") from None
    except OSError as error:
        raise CertificateError(f"the certificate {path} cannot be read: {error}") from None
    try:
        certificate = json.loads(data, parse_constant=_refuse_constant)
        kind, given = certificate["predicateType"], certificate["predicate"]["format"]
        seal = certificate["predicate"].get("seal")
        sealed = canonical(certificate) == data and seal == _seal(certificate)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise CertificateError(f"{path} is truncated or not a certificate") from None
    if certificate.get("_type") != STATEMENT or kind != PREDICATE:
        raise CertificateError(f"{path} is a statement of another type: {kind}")
    if given != FORMAT or isinstance(given, bool):
        raise CertificateError(
            f"{path} has format {given}, but this version reads format {FORMAT}: verify again"
        )
    if not sealed:
        raise CertificateError(f"{path} was edited after it was written: its seal does not match")
    if missing := sorted(REQUIRED_KEYS - certificate["predicate"].keys()):
        raise CertificateError(f"{path} lacks {', '.join(missing)}")
    return dict(certificate)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number")


# --- comparing a certificate with the code -------------------------------------------------------


def mismatch(certificate: Statement, project: Project) -> str | None:
    """Describe the first difference from the verified state, or return None."""
    try:
        return _difference(certificate, project)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        if isinstance(error, CertificateError):
            raise
        return f"malformed certificate ({error!r})"


def _difference(certificate: Statement, project: Project) -> str | None:
    then = {each["name"]: each["digest"]["sha256"] for each in certificate["subject"]}
    now = digests(project)
    for name in sorted(then.keys() | now.keys()):
        if name not in now:
            return f"{name} was removed since verification"
        if name not in then:
            return f"{name} was added since verification"
        if then[name] != now[name]:
            return f"{name} changed since verification"
    predicate, here = certificate["predicate"], environment()
    for name in sorted(predicate["environment"].keys() | here.keys()):
        before, after = (each.get(name, "unknown") for each in (predicate["environment"], here))
        if before != after:
            return f"{name} was {before} at verification and is {after} now"
    return incomplete(predicate, project.policy())


def incomplete(predicate: Mapping[str, Any], policy: Mapping[str, Any]) -> str | None:
    """Describe the first requirement of the policy that a run does not meet, or return None."""
    executed, required = predicate["executed"], policy["required"]
    for name in sorted(required.keys() - executed.keys()):
        return f"{name} was not run"
    for name in sorted(executed.keys() - required.keys()):
        return (
            f"{name} was run but is not in the policy: "
            "python -m property_tests.evidence.policy adds it"
        )
    for name, minimum in sorted(required.items()):
        result = executed[name]
        if result["outcome"] != "passed":
            return f"{name} {result['outcome']}"
        for what, least in minimum.items():
            if not result[what] >= least:
                return f"{name} made {result[what]} {what}; the policy requires {least}"
    if not predicate["alpha_spent"] <= policy["alpha"] * (1 + 1e-9):  # the sum itself is rounded
        spent = f"{predicate['alpha_spent']:g}, above {policy['alpha']:g}"
        return f"the probability of a false alarm was {spent}"
    if not predicate["least_power"] >= policy["power"]:
        return f"a claim had power {predicate['least_power']}, below {policy['power']}"
    if not predicate["least_effect"] <= policy["effect"]:
        effect = f"{predicate['least_effect']}; the policy requires {policy['effect']}"
        return f"the smallest effect that a claim detects is {effect}"
    if len(predicate["mutants"]) != policy["mutants"]:
        return f"{len(predicate['mutants'])} mutants were tested, not {policy['mutants']}"
    for mutant in predicate["mutants"]:
        if not mutant["killed_by"]:
            return f"a mutant survived: {mutant['module']}: {mutant['statement']}"
    return None
