"""A run of the suite within the process of a test."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

SUITE = Path(__file__).parent.parent / "property_tests"
ADAPTER = "adapter_of_a_test"

RunSuite = Callable[..., pytest.RunResult]


@pytest.fixture
def run_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> RunSuite:
    """Return a function that runs pytest in an empty folder, on an adapter if it is given one.

    In this process torch and the suite are imported already, which takes longer than most runs.
    """

    def run(*arguments: str, adapter: str = "", attribute: str = "") -> pytest.RunResult:
        options = [f"--rootdir={SUITE.parent}", "-W", "ignore:Module already imported"]
        if adapter:
            (tmp_path / f"{ADAPTER}.py").write_text(adapter, encoding="utf-8")
            monkeypatch.delitem(sys.modules, ADAPTER, raising=False)
            options += ["--ddpm-impl", f"{ADAPTER}:{attribute}"]
        monkeypatch.syspath_prepend(SUITE.parent)
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.chdir(tmp_path)
        status = pytest.main([*options, *arguments])
        out, error = capsys.readouterr()
        return pytest.RunResult(status, out.splitlines(), error.splitlines(), 0.0)

    return run
