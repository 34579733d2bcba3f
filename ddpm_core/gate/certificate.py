"""The certificate: which code passed the suite, in which environment, and what that run showed.

An in-toto Statement in one canonical form, so that two that say the same are the same bytes and
any tool for signing files signs it. It binds by content: no date and no name makes it valid.
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

FILE = Path("verification") / "certificate.json"  # where a run of the suite leaves it
POLICY = "policy.json"  # of the suite: what a run of it has to show
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "urn:ddpm-core:certificate"
FORMAT = 1

# Files that only draw a run: no number of it depends on them.
EXEMPT = frozenset(
    f"figures/{name}"
    for name in ("canvas.py", "curves.py", "report.py", "report.html", "sheets.py")
)
# A stub decides at run time where the package's public names come from. The style and the templates
# decide what the report of the suite shows: a hidden row would look like a check that passed.
BOUND = ("*.py", "*.pyi", "*.css", "*.html")
PACKAGES = ("torch", "numpy", "scipy", "jaxtyping", "hypothesis", "mpmath", "pytest")

PARTS = frozenset(  # of the predicate, without which nothing can be concluded
    ("environment", "executed", "alpha_spent", "least_power", "least_effect", "mutants")
)

Statement = Mapping[str, Any]


class CertificateError(ValueError):
    """A file that is no certificate, or none of this version."""


@dataclass(frozen=True)
class Project:
    """What a certificate speaks of: a package, the suite that attacks it, and the derivations."""

    name: str
    package: Path
    suite: Path
    derivations: Path

    @classmethod
    def own(cls) -> "Project":
        """This very library; in a wheel, suite and derivations lie inside the package."""
        package = Path(__file__).resolve().parent.parent
        beside = package if (package / "property_tests").is_dir() else package.parent
        return cls(package.name, package, beside / "property_tests", beside / "derivations")

    def files(self) -> Iterator[tuple[str, Path]]:
        """(name, path) of all that is bound; the names are the same in a checkout and a wheel."""
        if not (self.suite / POLICY).is_file():
            raise CertificateError(
                f"{self.suite} holds no suite with a {POLICY}, so that nothing can be verified; "
                f"install the whole of {self.name} again"
            )
        for path in (path for pattern in BOUND for path in _below(self.package, pattern)):
            inside = path.relative_to(self.package)
            apart = inside.parts[0] in ("property_tests", "derivations")
            if not apart and inside.as_posix() not in EXEMPT:
                yield f"{self.name}/{inside.as_posix()}", path
        for folder, patterns in (
            (self.suite, ("*.py", "*.html", POLICY)),
            (self.derivations, ("*.py", "*.html", "*.md")),
        ):
            for pattern in patterns:
                for path in _below(folder, pattern):
                    yield f"{folder.name}/{path.relative_to(folder).as_posix()}", path

    def policy(self) -> Mapping[str, Any]:
        """What a run of the suite has to show; raises CertificateError where it cannot be read."""
        path = self.suite / POLICY
        try:
            found: Mapping[str, Any] = json.loads(path.read_bytes())
        except (OSError, ValueError) as error:
            raise CertificateError(f"{path} cannot be read: {error}") from None
        return found


def _below(folder: Path, pattern: str) -> list[Path]:
    return sorted(each for each in folder.rglob(pattern) if "__pycache__" not in each.parts)


def digests(project: Project) -> dict[str, str]:
    """SHA-256 of every bound file, by name; raises CertificateError for one that is unreadable."""
    found = {}
    for name, path in project.files():
        try:
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        except OSError as error:
            raise CertificateError(f"{name} cannot be read: {error}") from None
    return found


def environment() -> Mapping[str, str]:
    """Interpreter, machine, packages, which may be "not installed", and how torch rounds."""
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
    """JSON with sorted keys, no spaces and one line end: equal values are equal bytes."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode() + b"\n"


def statement(files: Mapping[str, str], predicate: Mapping[str, Any]) -> dict[str, Any]:
    """The Statement over these files; its seal shows a slip of the hand, not a forger's."""
    whole: dict[str, Any] = {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": files[name]}} for name in sorted(files)],
        "predicateType": PREDICATE,
        "predicate": {**predicate, "format": FORMAT},
    }
    whole["predicate"]["seal"] = _seal(whole)
    return whole


def _seal(whole: Statement) -> str:
    predicate = {key: value for key, value in whole["predicate"].items() if key != "seal"}
    return hashlib.sha256(canonical({**whole, "predicate": predicate})).hexdigest()


def read(path: Path) -> Statement:
    """The certificate at `path`; raises CertificateError, which says what is wrong with it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CertificateError(f"there is no certificate at {path}") from None
    except OSError as error:
        raise CertificateError(f"the certificate {path} cannot be read: {error}") from None
    try:
        whole = json.loads(data, parse_constant=_no_number)
        kind, given = whole["predicateType"], whole["predicate"]["format"]
        sealed = canonical(whole) == data and whole["predicate"].get("seal") == _seal(whole)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        raise CertificateError(f"{path} is truncated or no certificate at all") from None
    if whole.get("_type") != STATEMENT or kind != PREDICATE:
        raise CertificateError(f"{path} is a statement about something else: {kind}")
    if given != FORMAT or isinstance(given, bool):
        raise CertificateError(
            f"{path} has format {given}, and this version reads {FORMAT}: verify again with it"
        )
    if not sealed:
        raise CertificateError(f"{path} was edited since it was written: its seal is broken")
    if missing := sorted(PARTS - whole["predicate"].keys()):
        raise CertificateError(f"{path} does not speak of {', '.join(missing)}")
    return dict(whole)


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


# --- what it says, against what is there ---------------------------------------------------------


def mismatch(whole: Statement, project: Project) -> str | None:
    """The first thing that is not as it was verified, in plain words, or None."""
    try:
        return _difference(whole, project)
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        if isinstance(error, CertificateError):
            raise
        return f"the certificate says something in a form that is not its own ({error!r})"


def _difference(whole: Statement, project: Project) -> str | None:
    then = {each["name"]: each["digest"]["sha256"] for each in whole["subject"]}
    now = digests(project)
    for name in sorted(then.keys() | now.keys()):
        if name not in now:
            return f"{name} was there at verification and is gone"
        if name not in then:
            return f"{name} is new since verification"
        if then[name] != now[name]:
            return f"{name} changed since verification"
    predicate, here = whole["predicate"], environment()
    for name in sorted(predicate["environment"].keys() | here.keys()):
        before, after = (each.get(name, "unknown") for each in (predicate["environment"], here))
        if before != after:
            return f"{name} was {before} at verification and is {after} now"
    return incomplete(predicate, project.policy())


def incomplete(predicate: Mapping[str, Any], policy: Mapping[str, Any]) -> str | None:
    """What a run of the suite did not show of all that the policy asks for, or None."""
    executed, required = predicate["executed"], policy["required"]
    for name in sorted(required.keys() - executed.keys()):
        return f"{name} was not run"
    for name in sorted(executed.keys() - required.keys()):
        return (
            f"{name} was run but is not in the policy: "
            "python -m property_tests.evidence.policy lists it"
        )
    for name, asked in sorted(required.items()):
        seen = executed[name]
        if seen["outcome"] != "passed":
            return f"{name} {seen['outcome']}"
        for what, least in asked.items():
            if not seen[what] >= least:
                return f"{name} made {seen[what]} {what}, the policy asks for {least}"
    if not predicate["alpha_spent"] <= policy["alpha"] * (1 + 1e-9):  # the sum itself is rounded
        return f"false alarms were risked at {predicate['alpha_spent']:g} > {policy['alpha']:g}"
    if not predicate["least_power"] >= policy["power"]:
        return f"a claim had power {predicate['least_power']}, below {policy['power']}"
    if not predicate["least_effect"] <= policy["effect"]:
        return f"a claim sees effects from {predicate['least_effect']} only, not {policy['effect']}"
    if len(predicate["mutants"]) != policy["mutants"]:
        return f"{len(predicate['mutants'])} mutants were tested, not {policy['mutants']}"
    for mutant in predicate["mutants"]:
        if not mutant["killed_by"]:
            return f"a mutant survived: {mutant['module']}: {mutant['statement']}"
    return None
