"""vectors/ is what the oracles give, ddpm_core agrees with it, and known bugs are found by it."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from property_tests.adapters.ddpm_core import DdpmCore
from property_tests.known_bugs import BUGS
from property_tests.vectors import __main__ as command
from property_tests.vectors.cases import Case
from property_tests.vectors.document import FOLDER, answered, documents

ROOT = FOLDER.parent
PAGE = (ROOT / "docs" / "vectors.md").read_text(encoding="utf-8")
FILES = {path.stem: json.loads(path.read_bytes()) for path in sorted(FOLDER.glob("*.json"))}
BETAS = {name: tuple(each) for name, each in FILES.pop("betas")["betas"].items()}
CASES = [case for file in FILES.values() for case in file["cases"]]
FLOAT32_OUTPUTS = ("embedding", "embedding_of_period", "to_unit_range")
VISIBLE = 100  # times what float32 allows
NOT_SEPARATED = {
    "F06-add-noise-ignores-argument": "draws random numbers",
    "G09-independent-dropout": "draws random numbers",
    "L13-timesteps-exclude-zero": "draws random numbers",
    "L19-seed-zero-is-falsy": "draws random numbers",
    "S07-beta-above-one": "does not refuse its input",
    "A19-state-in-half-precision": "is right in float64",
}


def answers_of(implementation: Any, case: dict[str, Any]) -> dict[str, Any]:
    called = Case(case["name"], case["method"], case["inputs"], case.get("at"))
    return answered(implementation, called, BETAS)


def excess(got: dict[str, Any], case: dict[str, Any], unit_roundoff: float) -> float:
    """Return the largest error as a multiple of what is allowed; infinity for NaN."""
    largest = 0.0
    for name, exact in case["exact"].items():
        error = np.abs(got[name] - np.float64(exact))
        allowed = unit_roundoff * np.float64(case["roundings"][name])
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(error <= allowed, np.where(error == 0, 0, error / allowed), np.inf)
            ratio = np.where(allowed > 0, error / allowed, ratio)
        largest = max(largest, float(np.nan_to_num(ratio, nan=np.inf).max()))
    return largest


def has_answer(got: dict[str, Any], bug: dict[str, Any]) -> bool:
    pairs = [(got[name], np.array(answer, float)) for name, answer in bug["answer"].items()]
    return all(np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True) for a, b in pairs)


def test_files_are_what_the_oracles_give():
    found = command.first_difference(FOLDER, documents())
    assert found == "", f"{found}: run python -m property_tests.vectors"
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 300_000, "the wheel holds them"


@pytest.mark.parametrize("topic", FILES)
def test_the_library_gives_the_exact_answers(topic):
    names = [case["name"] for case in FILES[topic]["cases"]]
    assert len({*names}) == len(names)
    for case in FILES[topic]["cases"]:
        unit = 2.0**-24 if case["method"] in FLOAT32_OUTPUTS else 2.0**-53
        assert excess(answers_of(DdpmCore(), case), case, unit) <= 1, case["name"]


def test_every_known_bug_with_an_answer_is_separated():
    separated = {name for case in CASES for name in case["known_bugs"]}
    assert {bug.id for bug in BUGS} - separated == NOT_SEPARATED.keys()


SEPARATED = [bug for bug in BUGS if bug.id not in NOT_SEPARATED]


@pytest.mark.parametrize("bug", SEPARATED, ids=lambda bug: bug.id)
def test_an_injected_bug_is_found_and_named(bug):
    largest = 0.0
    for case in CASES:
        if bug.id in case["known_bugs"]:
            got = answers_of(bug.implementation(), case)
            assert has_answer(got, case["known_bugs"][bug.id]), case["name"]
            assert not has_answer(answers_of(DdpmCore(), case), case["known_bugs"][bug.id])
            largest = max(largest, excess(got, case, 2.0**-24))
    assert largest >= VISIBLE, f"{largest:.3g} times what float32 allows"


def posterior_of_a_float32_table(
    betas: Any, x_0: Any, x_t: Any, s: Any, t: Any
) -> dict[str, np.ndarray]:
    """Return what a program computes that knows nothing of 1 - alpha_bar at small t."""
    alpha_bar = np.append(np.float32(1), np.cumprod(1 - np.float32(betas)))
    at_s, at_t = (alpha_bar[each][:, None] for each in (s, t))
    alpha, x_0, x_t = at_t / at_s, np.float32(x_0), np.float32(x_t)
    from_x0 = np.sqrt(at_s) * (1 - alpha) / (1 - at_t) * x_0
    from_xt = np.sqrt(alpha) * (1 - at_s) / (1 - at_t) * x_t
    var = (1 - alpha) * (1 - at_s) / (1 - at_t)
    return {"mean": np.float64(from_x0 + from_xt), "var": np.float64(var + 0 * x_0)}


def test_a_float32_table_is_within_its_own_roundings():
    """The formula is right at every timestep, though digits are missing at the first ones."""
    lost = []
    for case in CASES:
        if case["method"] == "q_posterior" and case.get("table_roundings", "same") is not None:
            inputs = {**case["inputs"], "betas": BETAS[case["inputs"]["betas"]]}
            got = posterior_of_a_float32_table(**inputs)
            of_a_table = {**case, "roundings": case["table_roundings"]}
            assert excess(got, of_a_table, 2.0**-24) <= 1, case["name"]
            lost += [case["name"]] if excess(got, case, 2.0**-24) > 1 else []
    assert lost == ["q_posterior production"]


def numbers(value: Any) -> list[float]:
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        return [number for part in parts for number in numbers(part)]
    return [value] if isinstance(value, float) else []


def test_inputs_are_exact_in_float32_and_samples_in_bfloat16():
    assert all(np.float32(beta) == beta for betas in BETAS.values() for beta in betas)
    for case in CASES:  # parameters of a schedule are decimals
        given = {name: each for name, each in case["inputs"].items() if name != "shape"}
        for number in numbers(given):
            bits = int(np.float32(number).view(np.uint32))
            assert bits & 0xFFFF == 0, (case["name"], number)
            assert np.float32(number) == number, (case["name"], number)


def test_equations_are_derived_on_the_linked_pages():
    for file in FILES.values():
        assert file["equations"]
        for equation, link in file["equations"].items():
            page, anchor = link.split("#")
            assert f"\\tag{{{equation}}}" in (ROOT / page).read_text(encoding="utf-8"), equation
            assert anchor == equation.replace(".", "")


def test_differences_are_named(tmp_path):
    texts = {"a.json": '{\n  "x": 1.5\n}\n', "b.json": "{}\n"}
    for name, text in texts.items():
        command.replace(tmp_path / name, text)
    assert command.first_difference(tmp_path, texts) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "b.json"]
    changed = {**texts, "a.json": texts["a.json"].replace("1.5", "1.25")}
    found = command.first_difference(tmp_path, changed)
    assert found == "a.json, line 2 is '  \"x\": 1.5', not '  \"x\": 1.25'"
    assert command.first_difference(tmp_path, {**texts, "a.json": "{"}).endswith("not None")
    assert command.first_difference(tmp_path, {**texts, "c.json": ""}) == "c.json is missing"
    del texts["b.json"]
    assert command.first_difference(tmp_path, texts) == "b.json is not written by this command"


@pytest.mark.parametrize("old", ["{}\n", None])
def test_check_writes_nothing_and_fails_on_a_difference(old, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    monkeypatch.setattr(command, "documents", lambda: {"a.json": "[]\n"})
    if old is not None:
        (tmp_path / "a.json").write_text(old, encoding="utf-8")
    assert command.main(["--check"]) == 1
    assert capsys.readouterr().out.startswith("a.json")
    assert [path.read_text(encoding="utf-8") for path in tmp_path.iterdir()] == [old] * bool(old)
    assert command.main([]) == 0
    assert command.main(["--check"]) == 0


# --- the page -------------------------------------------------------------------------------------

PYTHON, HEADER = re.findall(r"^```python\n(.*?)^```", PAGE, re.S | re.M)
((CPP,), (SHOWN,)) = (
    re.findall(rf"^```{of}\n(.*?)^```", PAGE, re.S | re.M) for of in ("cpp", "json")
)


def test_the_case_on_the_page_is_that_of_the_file():
    shown = json.loads(SHOWN)
    (case,) = [each for each in CASES if each["name"] == shown["name"]]
    (bug,) = shown.pop("known_bugs").items()
    assert bug in case["known_bugs"].items()
    assert shown == {name: case[name] for name in shown}


def test_the_page_lists_every_file():
    listed = re.findall(r"(\w+)\.json", PAGE.split("```")[1])
    assert sorted(listed) == sorted(["betas", *FILES])


def run(program: str, folder: Path) -> str:
    """Run a program of the page in a folder with vectors/, without this library."""
    (folder / "vectors").symlink_to(FOLDER)
    (folder / "program.py").write_text(program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-I", "program.py"], cwd=folder, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_the_python_program_of_the_page_runs(tmp_path):
    lines = run(PYTHON, tmp_path).splitlines()
    assert len(lines) == 5
    assert all(line.endswith(" is right") for line in lines)
    assert "ddpm" not in PYTHON
    assert len(PYTHON.splitlines()) <= 32


def test_the_python_program_of_the_page_names_a_bug(tmp_path):
    """P04: alpha_bar before the first step is 0 instead of 1."""
    line = "    low, high = "
    assert PYTHON.count(line) == 1
    before = "    log_alpha_bar[0] = -np.inf\n"
    faulty = PYTHON.replace("high - low", "log_alpha_ts").replace(
        line, f"    log_alpha_ts = (log_alpha_bar[t] - log_alpha_bar[s])[:, None]\n{before}{line}"
    )
    output = run(faulty, tmp_path)
    assert "q_posterior steep is WRONG\n  as P04-prev-zero-at-start of gmongaras/" in output


def test_the_cpp_program_of_the_page_runs(tmp_path):
    """The header is written anywhere; the program is compiled where there is a compiler."""
    header = run(HEADER, tmp_path)
    rows = [line for line in header.splitlines() if line.startswith('  {"q_sample ')]
    assert len(rows) == 5
    assert all(row.count("{") == row.count("}") == 7 for row in rows)
    (tmp_path / "cases.h").write_text(header, encoding="utf-8")
    compiler = shutil.which("c++")
    if compiler is None:
        return
    for wrong in (False, True):
        source = CPP.replace("std::sqrt(-std::expm1", "(-std::expm1") if wrong else CPP
        (tmp_path / "cases.cpp").write_text(source, encoding="utf-8")
        build = [compiler, "-std=c++11", "-Wall", "-Werror", "cases.cpp", "-o", "cases"]
        subprocess.run(build, cwd=tmp_path, check=True)
        done = subprocess.run([tmp_path / "cases"], capture_output=True, text=True, check=False)
        assert (done.returncode, bool(done.stdout)) == (wrong, wrong)
        assert done.stdout.startswith("q_sample steep: got 0.59270" if wrong else "")
