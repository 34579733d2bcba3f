"""Every command of the suite has --help, which runs nothing, and refuses unknown arguments."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from property_tests import conformance
from property_tests.evidence import policy

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = """
import contextlib, io, json, runpy, sys, warnings
warnings.simplefilter("ignore")  # runpy: modules that are already imported
for module in json.loads(sys.argv[1]):
    for word in ("--help", "--nothing"):
        sys.argv[1:] = [word]
        output = io.StringIO()
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                code = runpy.run_module(module, run_name="__main__") and None
            except SystemExit as end:
                code = end.code
        print(json.dumps([module, word, code, output.getvalue()]))
"""


def commands(*folders: str) -> list[str]:
    """Return the names of all modules that run as a command."""
    return [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__main__")
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "\nif __name__ == " in path.read_text(encoding="utf-8")
    ]


def test_help_runs_nothing_and_unknown_arguments_are_refused():
    names = commands("property_tests", "derivations")
    assert len(names) == 10
    command = [sys.executable, "-c", PROGRAM, json.dumps(names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    ends = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(ends) == 2 * len(names), done.stderr
    for module, word, code, output in ends:
        assert code == (0 if word == "--help" else 2), (module, output)
        assert output.startswith(f"usage: python -m {module}"), output
        assert "Traceback" not in output


def refusal(main, arguments, capsys) -> str:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_conformance_needs_a_checkout(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(conformance, "PAGE", tmp_path / "docs" / "conformance.md")
    assert "Run this command in a checkout" in refusal(conformance.main, [], capsys)


def test_conformance_runs_only_adapters_without_a_report(tmp_path, monkeypatch, capsys):
    """The row of an adapter has the outcomes of its report, and its section the deviations."""
    listed = {"outcome": "deviates", "verdict": "formula", "effect": 2.0, "check": "test_x"}
    checks = [listed | {"deviation": "deviates: why | 2 times | file.py"}]
    outcomes = {"passed": 3, "deviates": 1}
    found = {"checks": checks, "totals": {"implementation": "mine 1.0", "outcomes": outcomes}}
    (tmp_path / "ddpm_core").mkdir()
    (tmp_path / "ddpm_core" / "report.json").write_text(json.dumps(found), encoding="utf-8")
    monkeypatch.setattr(conformance, "PAGE", tmp_path / "conformance.md")
    monkeypatch.setattr(conformance, "ADAPTERS", {"ddpm_core": "DdpmCore"})
    assert conformance.main(["--reports", str(tmp_path)]) == 0
    page = conformance.PAGE.read_text(encoding="utf-8")
    assert "| mine 1.0 | 3 | 1 | 0 | 0 | 0 | 0 | 0 |" in page
    assert "| why | formula | 2 times | file.py | `test_x` |" in page
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_policy_needs_a_report(tmp_path, monkeypatch, capsys, text):
    monkeypatch.setattr(policy, "PAGE", tmp_path / "policy.json")
    report = tmp_path / "report.json"
    if text is not None:
        report.write_text(text, encoding="utf-8")
    assert f"{report} is not a report of" in refusal(policy.main, [str(report)], capsys)
    assert not policy.PAGE.exists()
