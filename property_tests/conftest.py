"""Fixtures of the suite: the implementation under test and the ledger of false alarms."""

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from .evidence import deviations, diagnosis, ending, evidence, report, verdict
from .evidence.verdict import DEVIATES, TOO_FEW
from .profiles import is_registered, load_gate
from .protocol import Deviation, Implementation
from .protocol.contract import NOT_OFFERED, Checked
from .statistics.monte_carlo import Ledger
from .statistics.noise_key import digest_for

load_gate()  # before any property is defined
os.environ.setdefault("OMP_NUM_THREADS", "1")  # before libraries start threads: arrays are small

HERE = Path(__file__).parent
META = HERE / "meta"
IMPLEMENTATIONS: pytest.StashKey[dict[str, Implementation]] = pytest.StashKey()  # by options
PLUGIN = "ddpm_core.pytest_plugin"
NO_PLUGIN = f"the property suite needs its plugin, which pytest did not load: add -p {PLUGIN}"
ADAPTERS = "ddpm_core_adapters"  # what the plugin registers under this name loads the adapter
EVIDENCE = "ddpm_evidence"  # the attribute of a report in which the plugin finds a check's row
SEEN: pytest.StashKey[evidence.Evidence] = pytest.StashKey()
ROW: pytest.StashKey[dict[str, Any]] = pytest.StashKey()
LISTED: pytest.StashKey[Deviation] = pytest.StashKey()


@pytest.fixture(scope="session", autouse=True)  # of each check, also of one without `impl`
def options(request: pytest.FixtureRequest) -> str:
    """Return the name of the implementation's options, if --ddpm-impl names a table of them."""
    return str(getattr(request, "param", ""))


@pytest.fixture(scope="session")
def impl(pytestconfig: pytest.Config, options: str) -> Any:
    """Return the implementation named by --ddpm-impl, with checked outputs."""
    return Checked(pytestconfig.stash[IMPLEMENTATIONS][options])


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config, options: str) -> Ledger:
    """Return the ledger of the process, where Monte Carlo claims register before they sample."""
    adapter = pytestconfig.stash[IMPLEMENTATIONS][options]
    key = digest_for(adapter, pytestconfig.getoption("ddpm_impl"))
    return Ledger(key, pytestconfig.getoption("ddpm_noise_epoch"))


# --- collection and reports -----------------------------------------------------------------------


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Refuse to run without the plugin, before pytest refuses its options."""
    if not pluginmanager.has_plugin("session"):  # else it would be an error of collection
        require_plugin(pluginmanager)


def require_plugin(manager: pytest.PytestPluginManager) -> None:
    if PLUGIN not in [getattr(each, "__name__", "") for each in manager.get_plugins()]:
        raise pytest.UsageError(NO_PLUGIN)


def pytest_configure(config: pytest.Config) -> None:
    """Select the implementation; Hypothesis loads its profile after this."""
    if not config.pluginmanager.has_plugin(ADAPTERS):
        if hasattr(config, "workerinput"):  # an error of usage would not leave the worker
            config.issue_config_time_warning(pytest.PytestConfigWarning(NO_PLUGIN), stacklevel=2)
        return  # pytest_collection_modifyitems refuses to run
    if config.getoption("ddpm_accept") and config.getoption("ddpm_deviations") is None:
        raise pytest.UsageError("--ddpm-accept needs --ddpm-deviations FILE, which it writes")
    ending.parsed(config.getoption("ddpm_require") or "0")
    profile = config.getoption("--hypothesis-profile", None)
    if profile is not None and not is_registered(profile):
        raise pytest.UsageError(
            f"--hypothesis-profile {profile}: there is no such profile; use dev, gate or nightly"
        )
    own = f"{__package__}.adapters.ddpm_core:DdpmCore"
    found = config.pluginmanager.get_plugin(ADAPTERS).load(own)
    config.stash[IMPLEMENTATIONS] = found
    if len(found) > 1 and config.getoption("ddpm_deviations"):
        raise pytest.UsageError(
            f"--ddpm-deviations {config.getoption('ddpm_deviations')} lists those of one "
            f"implementation: name its options, as in --ddpm-impl "
            f"{config.getoption('ddpm_impl')}[{next(iter(found))}]"
        )
    # xdist begins with the files of most checks, and ends with a few that take long: in `meta`.
    config.option.loadscopereorder = False


def omits_controls(config: pytest.Config) -> bool:
    """Return whether the controls in `meta` are omitted: for `dev` and other implementations."""
    return bool(config.getoption("ddpm_impl", None) or is_dev(config))


def is_dev(config: pytest.Config) -> bool:
    return bool(config.getoption("--hypothesis-profile", None) == "dev")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import the controls if they are omitted, and nothing without the plugin."""
    if not config.pluginmanager.has_plugin(ADAPTERS):
        return True
    return True if omits_controls(config) and META in collection_path.parents else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each check with each of the options; their name begins the parameters of its name."""
    names = [*metafunc.config.stash.get(IMPLEMENTATIONS, {})]
    if len(names) > 1 and "options" in metafunc.fixturenames:
        metafunc.parametrize("options", names, indirect=True, scope="session")


def options_of(item: pytest.Item) -> str:
    """Return the name of the options with which this check runs; other tests may have their own."""
    if item.path.parent != HERE:
        return ""
    return str(getattr(getattr(item, "callspec", None), "params", {}).get("options", ""))


def check_of(item: pytest.Item) -> str:
    """Return the name of a check, which is the same with all options."""
    test, bracket, parameters = item.name.partition("[")
    if options := options_of(item):
        parameters = parameters.removeprefix(options).removeprefix("-")
    name = f"{item.path.name}::{test}"
    return name if parameters in ("", "]") else f"{name}{bracket}{parameters}"


def implementation_of(item: pytest.Item) -> Implementation:
    return item.config.stash[IMPLEMENTATIONS][options_of(item)]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Omit the controls for other implementations and for `dev`, which has too few examples.

    Of ddpm-core the samplers that it does not have are not tested.

    `dev` also omits the properties that are marked as `complete`, for their time.
    """
    require_plugin(config.pluginmanager)
    if not config.getoption("ddpm_impl"):
        items[:] = [each for each in items if each.get_closest_marker("elsewhere") is None]
    if is_dev(config):
        items[:] = [each for each in items if each.get_closest_marker("complete") is None]
    if omits_controls(config):  # also those that are named on the command line
        items[:] = [each for each in items if META not in each.path.parents]
    for item in items:
        if item.path.parent == HERE and hasattr(item.obj, "hypothesis"):
            evidence.count_examples(item.obj)
    expect_deviations(config, items)


def expect_deviations(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Note the deviation that each check is listed with; an unknown key is an error.

    Only a complete run knows all keys. With --ddpm-accept, nothing is expected to fail.
    """
    if config.getoption("ddpm_accept"):
        return
    tables = {
        name: listed_deviations(config, each)
        for name, each in config.stash[IMPLEMENTATIONS].items()
    }
    seen = set()
    for item in items:
        name, listed = check_of(item), tables[options_of(item)]
        for key in {name, name.partition("[")[0]} & listed.keys():
            seen.add((options_of(item), key))
            item.stash[LISTED] = listed[key]
    collected = {item.path for item in items}
    if {*HERE.glob("test_*.py")} <= collected and not any("::" in each for each in config.args):
        for _, key in sorted({(name, key) for name in tables for key in tables[name]} - seen):
            raise pytest.UsageError(f"deviations[{key!r}]: the suite has no check with this name")


def listed_deviations(config: pytest.Config, adapter: Any) -> Mapping[str, Deviation]:
    """Return the deviations of --ddpm-deviations, or those that the adapter has."""
    given = config.getoption("ddpm_deviations")
    listed: Any = getattr(adapter, "deviations", {})
    source = listed if given is None else Path(given)
    return deviations.read(source) if isinstance(source, Path) else source


def is_skipped_for(report: Any, reason: str) -> bool:
    return bool(
        report.skipped and isinstance(report.longrepr, tuple) and reason in report.longrepr[2]
    )


def pytest_report_teststatus(report: Any) -> tuple[str, str, str] | None:
    """Report what never passes in columns of its own, and the verdict of a failure."""
    if report.skipped and DEVIATES in getattr(report, "wasxfail", ""):
        return "deviates", "d", "DEVIATES"
    if is_skipped_for(report, TOO_FEW):
        return "too few", "w", "TOO FEW"
    if is_skipped_for(report, NOT_OFFERED):
        return "not offered", "o", "NOT OFFERED"
    found = getattr(report, EVIDENCE, {}).get("verdict")
    return ("failed", found[0].upper(), found.upper()) if report.failed and found else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.pluginmanager.get_plugin("ddpm_core_budget").check()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Any:
    """Attach the check's row to every report, and similar known bugs to a failure."""
    if call.when == "setup":
        item.stash[SEEN] = evidence.start()
    if call.when in ("setup", "call"):
        row = report.row(item, item.stash[SEEN])
        name, options = implementation_of(item).name, options_of(item)
        row |= {"check": check_of(item), "options": options}
        row["implementation"] = f"{name} [{options}]" if options else name
        item.stash[ROW] = row
    found = None
    if call.when == "call" and item.stash[SEEN].verdict:
        found = diagnosis.diagnose(item.stash[SEEN], implementation_of(item))
        message = str(call.excinfo.value) if call.excinfo else ""
        item.stash[ROW] |= {"cause": found.cause, "message": message.split("\n")[0]}
    result = yield
    setattr(result, EVIDENCE, item.stash[ROW])
    if found and result.failed:
        result.sections.extend(found.sections)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a check of the implementation, and judge its failure."""
    if pyfuncitem.path.parent != HERE:  # a control of the suite itself
        return None

    __tracebackhide__ = True

    def run() -> None:
        __tracebackhide__ = True
        names = inspect.signature(pyfuncitem.obj).parameters
        pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})

    try:
        verdict.judge(
            run,
            report.examples(pyfuncitem.function),
            pyfuncitem.get_closest_marker("convention") is not None,
            pyfuncitem.stash.get(LISTED, None),
        )
    finally:
        pyfuncitem.stash[SEEN] = evidence.current()
    return True
