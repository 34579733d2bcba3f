"""The certificate: every difference from the verified state is reported."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from ddpm_core.gate import certificate
from ddpm_core.gate.certificate import Project, canonical, digests, read, statement
from tests.gate import miniature
from tests.gate.miniature import authorized, certify, refused, results

CHANGES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "a character": (
        lambda root: (root / "mini/posterior.py").write_text(miniature.POSTERIOR + "#"),
        "mini/posterior.py changed since verification",
    ),
    "a new module": (
        lambda root: (root / "mini/extra.py").write_text(""),
        "mini/extra.py was added since verification",
    ),
    "the stub of the public names": (
        lambda root: (root / "mini/__init__.pyi").write_text("from .clock import mean as mean\n"),
        "mini/__init__.pyi changed since verification",
    ),
    "a module gone": (
        lambda root: (root / "mini/clock.py").unlink(),
        "mini/clock.py was removed since verification",
    ),
    "the suite": (
        lambda root: (root / "property_tests/test_three.py").write_text("def test_mean(): pass"),
        "property_tests/test_three.py changed",
    ),
    "the page of the suite": (
        lambda root: (root / "property_tests/page.html").write_text("All checks hold."),
        "property_tests/page.html changed since verification",
    ),
    "the style of the page": (
        lambda root: (root / "mini/figures/style.css").write_text(".failed { display: none; }"),
        "mini/figures/style.css changed since verification",
    ),
    "a page of the site": (
        lambda root: (root / "derivations/layout.html").write_text("green"),
        "derivations/layout.html changed since verification",
    ),
    "the policy": (
        lambda root: (root / "property_tests/policy.json").write_text('{"required": {}}'),
        "property_tests/policy.json changed",
    ),
    "a derivation": (
        lambda root: (root / "derivations/posterior.md").write_text("a third"),
        "derivations/posterior.md changed",
    ),
    "no suite": (
        lambda root: (root / "property_tests/policy.json").unlink(),
        "contains no policy.json",
    ),
    "a folder for a file": (
        lambda root: (
            (root / "mini/clock.py").unlink(),
            (root / "mini/clock.py").mkdir(),
        ),
        "mini/clock.py cannot be read",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_is_reported(project, path, tmp_path, change):
    certify(project, path)
    make, expected = CHANGES[change]
    make(tmp_path)
    message = refused(project, path)
    assert expected in message
    assert "`make test`" in message


def test_exempt_modules_may_change(project, path, tmp_path):
    certify(project, path)
    (tmp_path / "mini/figures/report.py").write_text("color = 'blue'")
    (tmp_path / "mini/figures/report.html").write_text("<b>a run</b>")
    assert authorized(project, path).state == "verified"


# --- the certificate itself ----------------------------------------------------------------------


def resealed(intact: Any, **changed: Any) -> bytes:
    """Return a forged certificate with a matching seal."""
    files = {each["name"]: each["digest"]["sha256"] for each in intact["subject"]}
    predicate = {**intact["predicate"], **changed}
    return canonical(statement(files, {k: v for k, v in predicate.items() if v is not None}))


def resealed_as(intact: Any, given: Any) -> bytes:
    changed = {**intact, "predicate": {**intact["predicate"], "format": given}}
    changed["predicate"]["seal"] = certificate._seal(changed)
    return canonical(changed)


def without_subject(intact: Any) -> bytes:
    changed = {key: value for key, value in intact.items() if key != "subject"}
    changed["predicate"] = {**intact["predicate"]}
    changed["predicate"]["seal"] = certificate._seal(changed)
    return canonical(changed)


DAMAGES: dict[str, tuple[Callable[[Any, bytes], bytes | None], str]] = {
    "missing": (lambda intact, data: None, "no certificate at"),
    "empty": (lambda intact, data: b"", "is truncated or not a certificate"),
    "truncated": (lambda intact, data: data[: len(data) // 2], "is truncated or not a"),
    "a list": (lambda intact, data: b"[]\n", "is truncated or not a certificate"),
    "binary": (lambda intact, data: b"\xff\xfe\x00", "is truncated or not a certificate"),
    "another type": (
        lambda intact, data: canonical({**intact, "_type": "https://example.org"}),
        "is a statement of another type",
    ),
    "another predicate": (
        lambda intact, data: canonical(
            {**intact, "predicateType": "https://slsa.dev/provenance/v1"}
        ),
        "is a statement of another type: https://slsa.dev/provenance/v1",
    ),
    "newer": (
        lambda intact, data: canonical(
            {**intact, "predicate": {**intact["predicate"], "format": certificate.FORMAT + 1}}
        ),
        "has format 2, but this version reads format 1",
    ),
    "edited": (
        lambda intact, data: data.replace(b'"alpha_spent":0.0', b'"alpha_spent":0.1'),
        "its seal does not match",
    ),
    "not a number": (
        lambda intact, data: data.replace(b'"alpha_spent":0.0', b'"alpha_spent":NaN'),
        "is truncated or not a certificate",
    ),
    "infinite number": (
        lambda intact, data: data.replace(b'"alpha_spent":0.0', b'"alpha_spent":1e999'),
        "is truncated or not a certificate",
    ),
    "deep": (lambda intact, data: b"[" * 100_000, "is truncated or not a certificate"),
    "a list inside": (
        lambda intact, data: canonical({**intact, "predicate": []}),
        "is truncated or not a certificate",
    ),
    "boolean format": (
        lambda intact, data: resealed_as(intact, True),
        "has format True, but this version reads format 1",
    ),
    "no environment": (
        lambda intact, data: resealed(intact, environment={}),
        "default dtype of torch was unknown at verification and is torch.float32 now",
    ),
    "malformed environment": (
        lambda intact, data: resealed(intact, environment=[1]),
        "malformed certificate",
    ),
    "no subject": (
        lambda intact, data: without_subject(intact),
        "malformed certificate",
    ),
    "not canonical": (lambda intact, data: json.dumps(intact).encode(), "its seal does not match"),
    "partial": (lambda intact, data: resealed(intact, mutants=None), "lacks mutants"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_certificate_is_refused(project, path, damage):
    intact = certify(project, path)
    make, expected = DAMAGES[damage]
    data = make(intact, path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    assert expected in refused(project, path)


def test_unreadable_certificate_is_refused(project, path):
    path.mkdir()
    assert "cannot be read" in refused(project, path)


def test_equal_certificates_have_equal_bytes(project, path):
    intact = certify(project, path)
    assert canonical(dict(reversed(intact.items()))) == path.read_bytes()
    assert read(path) == intact
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


def test_environment_is_bound(project, path, monkeypatch):
    certify(project, path)
    monkeypatch.setattr(certificate, "_version", lambda name: "0.0")
    assert "at verification and is 0.0 now" in refused(project, path)


def test_matmul_precision_of_torch_is_bound(project, path):
    certify(project, path)
    torch.set_float32_matmul_precision("medium")
    try:
        message = refused(project, path)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert (
        "float32 matmul precision of torch was highest at verification and is medium now" in message
    )


PASSED = {"outcome": "passed", "claims": 0, "examples": 1}
RUNS: dict[str, tuple[dict[str, Any], str]] = {
    "a check missing": (
        {"executed": {name: PASSED for name in miniature.CHECKS[1:]}},
        "test_mean was not run",
    ),
    "a check too many": (
        {"executed": {name: PASSED for name in (*miniature.CHECKS, "test_new")}},
        "test_new was run but is not in the policy",
    ),
    "skipped": (
        {"executed": {**results()["executed"], "test_mean": {**PASSED, "outcome": "skipped"}}},
        "test_mean skipped",
    ),
    "not offered": (
        {"executed": {**results()["executed"], "test_half": {**PASSED, "outcome": "not offered"}}},
        "test_half not offered",
    ),
    "claims missing": (
        {"executed": {**results()["executed"], "test_mean": {**PASSED, "claims": -1}}},
        "test_mean made -1 claims; the policy requires 0",
    ),
    "fewer examples": (
        {"executed": {**results()["executed"], "test_mean": {**PASSED, "examples": 0}}},
        "test_mean made 0 examples; the policy requires 1",
    ),
    "alpha": ({"alpha_spent": 2e-6}, "the probability of a false alarm was 2e-06, above 1e-06"),
    "power": ({"least_power": 0.99}, "a claim had power 0.99, below 0.999999"),
    "effect": (
        {"least_effect": 0.2},
        "the smallest effect that a claim detects is 0.2; the policy requires 0.1",
    ),
    "too many mutants": (
        {"mutants": [{"module": "m", "statement": "s", "killed_by": "t"}]},
        "1 mutants were tested, not 0",
    ),
}


@pytest.mark.parametrize("run", RUNS)
def test_incomplete_run_certifies_nothing(project, path, run):
    """Neither when the certificate is written, nor when one exists anyway."""
    changed, expected = RUNS[run]
    certify(project, path, **changed)
    assert expected in refused(project, path)
    assert certificate.incomplete(results(), miniature.POLICY) is None


def test_surviving_mutant_certifies_nothing():
    mutant = {"module": "mini.py, line 3", "statement": "return x", "killed_by": None}
    message = certificate.incomplete(results(mutants=[mutant]), {**miniature.POLICY, "mutants": 1})
    assert message == "a mutant survived: mini.py, line 3: return x"


def test_suite_is_next_to_the_package_or_inside_a_wheel(tmp_path, monkeypatch):
    package = tmp_path / "ddpm_core"
    (package / "gate").mkdir(parents=True)
    monkeypatch.setattr(certificate, "__file__", str(package / "gate" / "certificate.py"))
    assert Project.own() == Project(
        "ddpm_core", package, tmp_path / "property_tests", tmp_path / "derivations"
    )
    (package / "property_tests").mkdir()
    assert Project.own().suite == package / "property_tests"


def test_checkout_and_wheel_have_the_same_names(project, tmp_path):
    before = digests(project)
    for name in ("property_tests", "derivations"):
        (tmp_path / name).rename(project.package / name)
    inside = Project(
        "mini", project.package, project.package / "property_tests", project.package / "derivations"
    )
    assert digests(inside) == before
