"""Fixtures of the suite: the implementation under test and the ledger of false alarms."""

import hashlib
import importlib.util
import inspect
import os
from pathlib import Path
from typing import Any

import pytest

from .evidence import diagnosis, evidence, report
from .profiles import load_gate
from .protocol import Deviation, Implementation
from .protocol.contract import NOT_OFFERED, Checked, check_attributes
from .statistics.monte_carlo import Ledger

load_gate()  # before any property is defined
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before libraries start threads: arrays are small

HERE = Path(__file__).parent
META = HERE / "meta"
IMPLEMENTATION: pytest.StashKey[Implementation] = pytest.StashKey()
EVIDENCE = "property_tests"  # the key by which ddpm_core.pytest_plugin finds a check's row
SEEN: pytest.StashKey[evidence.Evidence] = pytest.StashKey()
DEVIATES = "deviates: "  # an expected failure with this reason has its own column


@pytest.fixture(scope="session")
def impl(pytestconfig: pytest.Config) -> Any:
    """Return the implementation named by --impl, with checked outputs."""
    return Checked(pytestconfig.stash[IMPLEMENTATION])


def load(name: str) -> Implementation:
    """Return the adapter at module:attribute; a class is instantiated."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
        adapter = found() if isinstance(found, type) else found
        check_attributes(adapter)
        return adapter
    except Exception as error:  # importing an unknown module may raise anything
        raise pytest.UsageError(
            f"--impl {name}: {type(error).__name__}: {error}. Use the name of an importable "
            "module, a colon and an adapter in it, as in mypackage.adapter:MyDiffusion"
        ) from error


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """Return the ledger of the process, where Monte Carlo claims register before they sample."""
    adapter = inspect.getfile(type(pytestconfig.stash[IMPLEMENTATION]))
    library = importlib.util.find_spec("ddpm_core")
    assert library is not None
    assert library.origin is not None
    files = [*HERE.rglob("*.py"), *Path(library.origin).parent.rglob("*.py"), Path(adapter)]
    return Ledger(digest(files), pytestconfig.getoption("--noise-epoch"))


def digest(files: list[Path]) -> str:
    """Return the SHA-256 of the names and bytes of the files, independent of their folders."""
    sha = hashlib.sha256()
    for path in sorted(set(files), key=lambda each: (each.name, each.read_bytes())):
        sha.update(f"{path.name} {path.stat().st_size} ".encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()


# --- collection and reports -----------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    own = f"{__package__}.adapters.ddpm_core:DdpmCore"
    chosen = config.getoption("--impl")
    config.stash[IMPLEMENTATION] = load(own if chosen is None else chosen)
    # xdist begins with the files of most checks, and ends with a few that take long: in `meta`.
    config.option.loadscopereorder = False


def omits_controls(config: pytest.Config) -> bool:
    """Return whether the controls in `meta` are omitted: for `dev` and other implementations."""
    return bool(config.getoption("--impl") or config.getoption("--hypothesis-profile") == "dev")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the controls if they are omitted."""
    return True if omits_controls(config) and META in collection_path.parents else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Omit the controls for other implementations and for `dev`, which has too few examples.

    `dev` also omits the properties that are marked as `complete`, for their time.
    """
    if config.getoption("--hypothesis-profile") == "dev":
        items[:] = [each for each in items if each.get_closest_marker("complete") is None]
    if omits_controls(config):  # also those that are named on the command line
        items[:] = [each for each in items if META not in each.path.parents]
    expect_deviations(config, items)


def expect_deviations(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark listed checks as expected failures; an unknown key in a complete run is an error."""
    listed: dict[str, Deviation] = getattr(config.stash[IMPLEMENTATION], "deviations", {})
    seen = set()
    for item in items:
        full_name = f"{item.path.name}::{item.name}"
        for key in {full_name, full_name.partition("[")[0]} & listed.keys():
            seen.add(key)
            reason = f"{DEVIATES}{' | '.join(listed[key])}"
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
    collected = {item.path for item in items}
    if {*HERE.glob("test_*.py")} <= collected and not any("::" in each for each in config.args):
        for key in sorted(listed.keys() - seen):
            raise pytest.UsageError(f"deviations[{key!r}]: the suite has no check with this name")


def is_not_offered(report: Any) -> bool:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return bool(report.skipped and NOT_OFFERED in reason)


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Report known deviations and missing methods in columns of their own; neither ever passes."""
    if report.skipped and getattr(report, "wasxfail", "").startswith(DEVIATES):
        return "deviates", "d", "DEVIATES"
    return ("not offered", "o", "NOT OFFERED") if is_not_offered(report) else None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Any:
    """Attach the check's row to every report, and similar known bugs to a failure."""
    if call.when == "setup":
        item.stash[SEEN] = evidence.start()
    if call.when in ("setup", "call"):
        row = report.row(item, item.stash[SEEN])
        row["implementation"] = item.config.stash[IMPLEMENTATION].name
        item.user_properties[:] = [(EVIDENCE, row)]
    result = yield
    if call.when == "call" and result.failed:
        unit = item.config.stash[IMPLEMENTATION].unit_roundoff
        for sentence in diagnosis.similar_bugs(item.stash[SEEN], unit):
            result.sections.append(("looks like a known bug", sentence))
    if is_listed(item) and is_not_offered(result):  # the listed deviation was not reached
        result.outcome, result.longrepr = "failed", f"a deviation, but {result.longrepr[2]}"
    return result


def is_listed(item: pytest.Item) -> bool:
    """Return whether the adapter lists this check as a deviation."""
    reasons = [str(mark.kwargs.get("reason", "")) for mark in item.iter_markers("xfail")]
    return any(reason.startswith(DEVIATES) for reason in reasons)
