"""The verify command: exit codes, the command line of pytest, and the status."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from ddpm_core import verify
from ddpm_core.gate.certificate import Project, canonical, statement
from tests.commands import help_without_heavy_imports
from tests.gate import miniature
from tests.gate.miniature import results

RUN = {"commit": "0123456789abcdef", "dirty": True, "time": "2026-01-02T03:04:05"}
WORST = {"check": "test_mean", "fraction_of_allowance": 0.5}


@pytest.fixture
def own(project, monkeypatch):
    """The miniature as the project that is verified."""
    monkeypatch.setattr(Project, "own", classmethod(lambda cls: project))
    return project


@pytest.fixture
def commands(monkeypatch):
    """The command lines that are run in place of pytest, which all end with `code`."""
    ran = SimpleNamespace(lines=[], code=0)

    def run(command, check):
        ran.lines.append(command[3:])
        return SimpleNamespace(returncode=ran.code)

    monkeypatch.setattr(verify.subprocess, "run", run)
    return ran


def test_help_does_not_import_torch():
    assert "--spot" in help_without_heavy_imports("verify")


def test_status_reports_a_missing_certificate(tmp_path):
    command = [sys.executable, "-m", "ddpm_core.verify", "--status"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stdout.startswith("not verified: no certificate at verification/cert")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--status", "--spot"], "--status runs no check, but --spot runs three; omit one of them"),
        (["--processes", "x"], "--processes x is neither auto nor a number; pass one of them"),
        (["--processes", "-1"], "--processes -1 is neither auto nor a number"),
        (["--report", "{file}"], "--report {file}: File exists. Choose a folder"),
        (["--report", "{file}", "--spot"], "--report {file}: File exists. Choose a folder"),
    ],
)
def test_invalid_options_are_refused_before_any_check_runs(
    arguments, message, own, commands, tmp_path, capsys
):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as done:
        verify.main([each.format(file=tmp_path / "file") for each in arguments])
    assert (done.value.code, commands.lines) == (2, [])
    assert message.format(file=tmp_path / "file") in capsys.readouterr().err


def test_closed_pipe_does_not_affect_the_exit_code_of_status(tmp_path):
    """As `verify --status | head -0` does: the exit code is that of the certificate."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "ddpm_core.verify", "--status"]
    with os.fdopen(writing, "w") as gone:
        done = subprocess.run(
            command, cwd=tmp_path, stdout=gone, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (3, "")


@pytest.mark.parametrize("option", ["--spot", "--status"])
def test_missing_suite_gives_an_error_message(tmp_path, monkeypatch, capsys, option):
    """A package that was installed without its suite."""
    bare = Project("ddpm_core", tmp_path, tmp_path / "property_tests", tmp_path / "derivations")
    monkeypatch.setattr(Project, "own", classmethod(lambda cls: bare))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "certificate.json").write_bytes(canonical(statement({}, results())))
    assert verify.main([option, "--report", str(tmp_path)]) == 3
    assert "contains no policy.json" in capsys.readouterr().out


def test_valid_certificate_is_summarized(own, path, commands, capsys):
    miniature.load(own)
    miniature.certify(own, path, worst=WORST, information=RUN)
    assert verify.main(["--status", "--report", str(path.parent)]) == 0
    assert commands.lines == []
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith(f"verified: {path} is valid for this code")
    assert "3 checks, all passed, 2026-01-02T03:04:05 at commit 0123456789ab with uncommit" in out
    assert "largest error 0.5 of the rounding bound 0 mutants tested during the run" in out


def test_certificate_of_other_code_is_reported(own, path, capsys):
    miniature.certify(own, path, worst=WORST, information=RUN)
    (own.package / "clock.py").write_text("STEP = 2.0")
    assert verify.main(["--status", "--report", str(path.parent)]) == 3
    out = capsys.readouterr().out
    assert out.startswith("not verified: mini/clock.py")
    assert "`python -m ddpm_core.verify` runs the suite" in out


def test_code_changed_in_memory_is_reported(own, path, capsys):
    miniature.load(own).SCALE = 0.25
    miniature.certify(own, path, worst=WORST, information=RUN)
    assert verify.main(["--status", "--report", str(path.parent)]) == 3
    assert "mini.posterior" in capsys.readouterr().out


@pytest.mark.parametrize("code", [0, 1, 2])
def test_suite_is_run_in_parallel_and_a_failure_exits_1(own, path, commands, code):
    commands.code = code
    miniature.load(own)
    miniature.certify(own, path, worst=WORST, information=RUN)
    folder = str(path.parent)
    assert verify.main(["--report", folder, "--processes", "2"]) == min(code, 1)
    parallel = ["--numprocesses", "2", "--dist", "loadfile"]
    assert commands.lines == [["-q", "--ddpm-report", folder, *parallel, str(own.suite)]]


@pytest.mark.parametrize("code", [0, 1])
def test_spot_checks_are_run_and_certify_nothing(own, path, commands, code):
    commands.code = code
    required = {f"test_three.py::{name}": {} for name in miniature.CHECKS}
    (own.suite / "policy.json").write_text(json.dumps({"required": required}))
    assert verify.main(["--spot", "--report", str(path.parent)]) == code
    (line,) = commands.lines
    assert line[:3] == ["-q", "--ddpm-report", str(path.parent)]
    assert sorted(line[3:]) == sorted(f"{own.suite}/{name}" for name in required)
    assert not path.exists()


def test_spot_checks_are_required_checks_chosen_by_the_code(own):
    """3 of 50 checks: other code has the same ones with probability 1 in 19,600."""
    required = {f"test_three.py::test_{i}": {} for i in range(50)}
    (own.suite / "policy.json").write_text(json.dumps({"required": required}))
    chosen = verify.spot_checks(own)
    assert set(chosen) < {f"{own.suite}/{name}" for name in required}
    assert len(set(chosen)) == verify.SPOT_CHECKS
    assert verify.spot_checks(own) == chosen
    (own.package / "clock.py").write_text("STEP = 2.0")
    assert set(verify.spot_checks(own)) != set(chosen)


def test_every_required_check_has_one_file():
    """Spot checks are found by the name of their file, in any folder of the suite."""
    project = Project.own()
    files = {name.partition("::")[0] for name in project.policy()["required"]}
    assert {len(list(project.suite.rglob(file))) for file in files} == {1}


def test_missing_pytest_exits_2_with_the_remedy(monkeypatch, commands, capsys):
    monkeypatch.setattr(verify, "find_spec", lambda name: None if name == "hypothesis" else name)
    assert verify.main([]) == 2
    assert "Run pip install 'ddpm-core[verify]'" in capsys.readouterr().err
    assert commands.lines == []
