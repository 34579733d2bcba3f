"""The implementation under test, the ledger of false alarms, and how Hypothesis runs."""

import hashlib
import importlib.util
import inspect
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from .contract import NOT_OFFERED, Checked
from .monte_carlo import ALPHA_RUN, Ledger
from .protocol import Deviation, Implementation

settings.register_profile(
    "gate",
    derandomize=True,
    deadline=None,
    max_examples=30,
    phases=[Phase.explicit, Phase.generate, Phase.target, Phase.shrink],
    report_multiple_bugs=False,  # one failure is enough, and an ExceptionGroup hides it
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("gate")

HERE = Path(__file__).parent
IMPLEMENTATION: pytest.StashKey[Implementation] = pytest.StashKey()
DEVIATES = "deviates: "  # an expected failure of this reason has a column of its own as well
LEDGER: pytest.StashKey[Ledger] = pytest.StashKey()
WORKERS: pytest.StashKey[list[dict[str, float]]] = pytest.StashKey()  # what each xdist worker spent


@pytest.fixture(scope="session")
def impl(pytestconfig: pytest.Config) -> Any:
    """What --impl names, with every answer held against the protocol."""
    return Checked(pytestconfig.stash[IMPLEMENTATION])


def load(name: str) -> Implementation:
    """The adapter at module:attribute; a class is called without arguments."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
        return found() if isinstance(found, type) else found
    except Exception as error:  # a stranger's module may raise anything when it is imported
        raise pytest.UsageError(
            f"--impl {name}: {type(error).__name__}: {error}. Name an importable module and, "
            "behind a colon, an adapter in it, as in mypackage.adapter:MyDiffusion"
        ) from error


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """One for the process: every Monte Carlo claim registers here before it samples."""
    adapter = inspect.getfile(type(pytestconfig.stash[IMPLEMENTATION]))
    library = importlib.util.find_spec("ddpm_core")
    assert library is not None
    assert library.origin is not None
    files = [*HERE.rglob("*.py"), *Path(library.origin).parent.rglob("*.py"), Path(adapter)]
    pytestconfig.stash[LEDGER] = Ledger(digest(files), pytestconfig.getoption("--noise-epoch"))
    return pytestconfig.stash[LEDGER]


def digest(files: list[Path]) -> str:
    """SHA-256 over the names and bytes of the files, wherever they lie."""
    sha = hashlib.sha256()
    for path in sorted(set(files), key=lambda each: (each.name, each.read_bytes())):
        sha.update(f"{path.name} {path.stat().st_size} ".encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()


# --- what is tested, and the sum of alpha over all processes of a run ----------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WORKERS] = []
    own = f"{__package__}.adapters.ddpm_core:DdpmCore"
    config.stash[IMPLEMENTATION] = load(config.getoption("--impl") or own)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Another implementation is asked about itself; the tests of the suite are about our own."""
    if config.getoption("--impl"):
        items[:] = [each for each in items if HERE / "meta" not in each.path.parents]
    expect_deviations(config, items)


def expect_deviations(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each listed check has to fail; a key that names no check of a whole run is a mistake."""
    listed: dict[str, Deviation] = getattr(config.stash[IMPLEMENTATION], "deviations", {})
    seen = set()
    for item in items:
        whole = f"{item.path.name}::{item.name}"
        for key in {whole, whole.partition("[")[0]} & listed.keys():
            seen.add(key)
            reason = f"{DEVIATES}{' | '.join(listed[key])}"
            item.add_marker(pytest.mark.xfail(strict=True, reason=reason))
    collected = {item.path for item in items}
    if {*HERE.glob("test_*.py")} <= collected and not any("::" in each for each in config.args):
        for key in sorted(listed.keys() - seen):
            raise pytest.UsageError(f"deviations[{key!r}]: the suite has no check of this name")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, Any]:
    """A deviation of what is not offered cannot be: the check never came to it."""
    report = yield
    expected = any(
        str(mark.kwargs.get("reason", "")).startswith(DEVIATES)
        for mark in item.iter_markers("xfail")
    )
    if expected and is_not_offered(report):
        report.outcome = "failed"
        report.longrepr = f"listed as a deviation, but {report.longrepr[2]}"
    return report


def is_not_offered(report: Any) -> bool:
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
    return bool(report.skipped and NOT_OFFERED in reason)


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Two columns of their own, which never pass: what is not offered, and known deviations."""
    if report.skipped and getattr(report, "wasxfail", "").startswith(DEVIATES):
        return "deviates", "d", "DEVIATES"
    return ("not offered", "o", "NOT OFFERED") if is_not_offered(report) else None


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """The controller of xdist hears from a worker that is done."""
    node.config.stash[WORKERS].append(getattr(node, "workeroutput", {}).get("ledger", {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["ledger"] = own_spending(session.config)
    elif total(session.config)["alpha"] > ALPHA_RUN * (1 + 1e-9):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    spent = total(terminalreporter.config)
    if spent["claims"]:
        over = " - MORE THAN IT MAY" if spent["alpha"] > ALPHA_RUN * (1 + 1e-9) else ""
        terminalreporter.write_line(
            f"Monte Carlo: {spent['claims']:.0f} claims spent {spent['alpha']:.3g} of a "
            f"false-alarm probability of {ALPHA_RUN:g}{over}"
        )


def own_spending(config: pytest.Config) -> dict[str, float]:
    ledger = config.stash.get(LEDGER, Ledger("none"))
    return {"alpha": ledger.spent, "claims": len(ledger.claims)}


def total(config: pytest.Config) -> dict[str, float]:
    parts = [own_spending(config), *config.stash[WORKERS]]
    return {key: sum(part.get(key, 0) for part in parts) for key in ("alpha", "claims")}
