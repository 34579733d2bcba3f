"""The implementation under test, the ledger of false alarms, and how Hypothesis runs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from .monte_carlo import ALPHA_RUN, Ledger
from .protocol import Implementation

settings.register_profile(
    "gate",
    derandomize=True,
    deadline=None,
    max_examples=30,
    report_multiple_bugs=False,  # one failure is enough, and an ExceptionGroup hides it
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("gate")

HERE = Path(__file__).parent
LEDGER: pytest.StashKey[Ledger] = pytest.StashKey()
WORKERS: pytest.StashKey[list[dict[str, float]]] = pytest.StashKey()  # what each xdist worker spent


@pytest.fixture(scope="session")
def impl() -> Implementation:
    """Our own implementation."""
    from .adapters.ddpm_core import DdpmCore

    return DdpmCore()


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Ledger:
    """One for the process: every Monte Carlo claim registers here before it samples."""
    pytestconfig.stash[LEDGER] = Ledger(source_digest(HERE, HERE.parent / "ddpm_core"))
    return pytestconfig.stash[LEDGER]


def source_digest(*folders: Path) -> str:
    """SHA-256 over the names and bytes of all Python files under the folders."""
    sha = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.py")):
            sha.update(f"{path.relative_to(folder)} {path.stat().st_size} ".encode())
            sha.update(path.read_bytes())
    return sha.hexdigest()


# --- the sum over all processes of a run must stay within the limit ------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.stash[WORKERS] = []


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
