"""A miniature project for the tests of the gate: two modules, three checks, one derivation."""

import importlib
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ddpm_core.gate.authorization import Authorization, NotVerified, authorize
from ddpm_core.gate.certificate import Project, canonical, digests, environment, statement
from ddpm_core.schedules import Schedule

SCHEDULE = Schedule.cosine(8)

LAZY = """import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
"""

POSTERIOR = '''"""Half of it."""

import contextlib
import math
import os.path
import os.path as paths
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache

from mini.clock import STEP, UNIT as ONE, Clock

SCALE = 0.5
LATER: float
TWICE = 2 * SCALE


@lru_cache
def mean(x: float) -> float:
    return SCALE * x


def outer(x: float) -> float:
    def inner(y: float) -> float:
        return y * SCALE

    return inner(x)


def third(x: float, by: float = 3.0, *, root: bool = False) -> float:
    return math.sqrt(x / by) if root else x / by


@contextlib.contextmanager
def doubled():
    yield TWICE


@contextmanager
def tripled():
    yield 3 * SCALE


@dataclass
class Pair:
    first: float = 1.0


class Halver:
    def plus(self, x: float) -> float:
        return x + SCALE

    @cached_property
    def slow(self) -> float:
        return SCALE * ONE

    @property
    def scale(self) -> float:
        return SCALE

    @staticmethod
    def half(x: float) -> float:
        return mean(x) * STEP
'''

TESTS = """import pytest

from mini.posterior import Halver, mean

def test_mean():
    assert mean(3.0) == 1.5

def test_scale():
    assert Halver().scale == 0.5

def test_half():
    assert Halver.half(4.0) == 2.0
"""

CONFTEST = """import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    row = {"suite": "mini_suite", "check": item.name, "control": False, "claims": [],
           "comparisons": 1, "worst": 0.5, "mutants": [], "examples": 1, "implementation": "mini"}
    report = yield
    report.ddpm_evidence = row
    return report
"""

ENDING = """import json
from pathlib import Path

def end(rows, option, status, failed):
    folder = Path(option("ddpm_report"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "report.json").write_text(json.dumps(rows))
    return ["mini"], status
"""

CHECKS = ("test_mean", "test_scale", "test_half")
POLICY = {
    "required": {name: {"claims": 0, "examples": 1} for name in CHECKS},
    "alpha": 1e-6,
    "power": 0.999999,
    "effect": 0.1,
    "mutants": 0,
}


def make(root: Path) -> Project:
    """Write the miniature below `root`."""
    files = {
        "mini/__init__.py": LAZY,
        "mini/__init__.pyi": "from .posterior import mean as mean\n",
        "mini/clock.py": "STEP = 1.0\nUNIT = 1.0\nclass Clock:\n    def tick(self): ...\n",
        "mini/posterior.py": POSTERIOR,
        "mini/figures/report.py": "",  # exempt, like report.html: only draws figures
        "mini/figures/report.html": "",
        "mini/figures/style.css": "",
        "property_tests/test_three.py": TESTS,
        "property_tests/conftest.py": CONFTEST,
        "property_tests/policy.json": json.dumps(POLICY),
        "property_tests/page.html": "{{ verdict }}",
        "derivations/posterior.md": "half",
        "derivations/layout.html": "{{ outcome }}",
        "mini_suite/evidence/ending.py": ENDING,
        "mini_suite/evidence/__init__.py": "",
        "mini_suite/__init__.py": "",
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return Project("mini", root / "mini", root / "property_tests", root / "derivations")


def results(**changed: Any) -> dict[str, Any]:
    """Return the results of a complete run without failures, except for the changes."""
    passed = {"outcome": "passed", "claims": 0, "examples": 1}
    complete = {
        "environment": dict(environment()),
        "executed": {name: passed for name in CHECKS},
        "alpha_spent": 0.0,
        "least_power": 1.0,
        "least_effect": 0.0,
        "mutants": [],
        "worst": None,
    }
    return {**complete, **changed}


def certify(project: Project, path: Path, **changed: Any) -> Mapping[str, Any]:
    """Write the certificate of such a run to `path`, and return it."""
    certificate = statement(digests(project), results(**changed))
    path.write_bytes(canonical(certificate))
    return certificate


def load(project: Project) -> ModuleType:
    """Import mini.posterior as a new process would."""
    forget()
    importlib.invalidate_caches()
    sys.path.insert(0, str(project.package.parent))
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    try:
        return importlib.import_module("mini.posterior")
    finally:
        sys.dont_write_bytecode = before


def forget() -> None:
    """Remove every miniature from this process."""
    ours = ("mini", "mini_suite", "conftest", "test_three")
    for name in [each for each in sys.modules if each.split(".")[0] in ours]:
        del sys.modules[name]
    sys.path[:] = [each for each in sys.path if not (Path(each) / "mini").is_dir()]


def authorized(project: Project, path: Path, device: str = "cpu", **options: Any) -> Authorization:
    """Authorize a run of the miniature; by default a certificate is required."""
    options = {"required": True, **options}
    return authorize(SCHEDULE, device, path=path, project=project, **options)


def refused(project: Project, path: Path, device: str = "cpu", **options: Any) -> str:
    """Return the message of the refusal."""
    with pytest.raises(NotVerified) as caught:
        authorized(project, path, device, **options)
    return str(caught.value)
