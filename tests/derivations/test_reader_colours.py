"""Colours of the site: the outcome of the last run of the suite for each equation."""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

import pytest

from ddpm_core.gate.certificate import Project, canonical, digests, statement
from derivations.checker.equations import Equation
from derivations.reader import outcomes
from derivations.reader.outcomes import Outcomes, ReportError
from derivations.reader.site import Site
from tests.gate.miniature import results

Named = Mapping[str, Equation]

CHECK = "test_posterior.py::test_mean_and_variance_match_bayes"
TEXT = f"{outcomes.READ_THE_TEXT[0]}[posterior.mean]"

LEGEND = {
    "green": "passed for this code",
    "red": "failed",
    "amber": "passed for other code, or not run",
    "none": "no test, but a proof",
}


def row(check: str, outcome: str = "passed") -> dict[str, object]:
    return {"check": check, "outcome": outcome, "claims": [], "comparisons": 3, "worst": 0.5}


def report(folder: Path, *rows: dict[str, object], certified: bool = True, **changed: str) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps({"totals": {"implementation": "ours"}, "checks": rows}))
    if certified:
        policy = Project.own().policy()
        executed = {
            name: {"outcome": "passed", **case} for name, case in policy["required"].items()
        }
        sums = {"executed": executed, "mutants": [{"killed_by": "us"}] * policy["mutants"]}
        sha = {"sha256": sha256(path.read_bytes()).hexdigest()}
        certificate = statement({**digests(Project.own()), **changed}, results(**sums, report=sha))
        (folder / "certificate.json").write_bytes(canonical(certificate))
    return path


@pytest.fixture(scope="module")
def named() -> Named:
    return Site(Path("there is none")).panes.named


GOOD = (row(f"{CHECK}[a]"), row(f"{CHECK}[b]"), row(TEXT))


def colour(path: Path, named: Named, name: str = "posterior.mean") -> str:
    return Outcomes(path).equation(named[name]).colour


def test_green_means_passed_for_this_code(tmp_path: Path, named: Named):
    assert colour(report(tmp_path, *GOOD), named) == "green"


@pytest.mark.parametrize("bad", range(3))
def test_one_failure_is_red(tmp_path: Path, named: Named, bad: int):
    rows = [dict(each) for each in GOOD]
    rows[bad]["outcome"] = "failed"
    assert colour(report(tmp_path, *rows), named) == "red"


@pytest.mark.parametrize("outcome", ["deviates", "not offered", "error", "xfailed", ""])
def test_every_other_outcome_is_amber(tmp_path: Path, named: Named, outcome: str):
    assert colour(report(tmp_path, row(CHECK, outcome), row(TEXT)), named) == "amber"


@pytest.mark.parametrize("outcome", ["deviates", "not offered", "error", ""])
def test_one_other_outcome_among_passed_runs_is_amber(tmp_path: Path, named: Named, outcome: str):
    rows = (row(f"{CHECK}[a]"), row(f"{CHECK}[b]", outcome), row(TEXT))
    assert colour(report(tmp_path, *rows), named) == "amber"


@pytest.mark.parametrize(
    "other", [f"{CHECK}_too", f"{CHECK}_too[a]", CHECK.replace("posterior.py", "losses.py")]
)
def test_a_test_with_a_similar_name_is_ignored(tmp_path: Path, named: Named, other: str):
    assert colour(report(tmp_path, *GOOD, row(other, "failed")), named) == "green"
    assert colour(report(tmp_path, row(other), row(TEXT)), named) == "amber"


@pytest.mark.parametrize("test", outcomes.READ_THE_TEXT)
def test_each_check_of_the_printed_text_colours_its_equation(
    tmp_path: Path, named: Named, test: str
):
    rows = (*GOOD[:2], row(f"{test}[posterior.mean]", "failed"))
    assert colour(report(tmp_path, *rows), named) == "red"


def test_the_checks_of_the_printed_text_are_those_of_the_policy():
    required = (each.partition("[") for each in Project.own().policy()["required"])
    equations = Site(Path("there is none")).panes.named
    per_equation = {
        test.rpartition("/")[2] for test, _, case in required if case.removesuffix("]") in equations
    }
    assert per_equation == set(outcomes.READ_THE_TEXT)


def test_the_worst_value_and_the_least_p_are_shown(tmp_path: Path):
    claims = [{"p": p, "n": 20} for p in (0.5, 0.02, None)]
    rows = ({**row(f"{CHECK}[a]"), "worst": 0.125}, {**row(f"{CHECK}[b]"), "claims": claims})
    seen = Outcomes(report(tmp_path, *rows)).check(f"property_tests/{CHECK}")
    assert seen.explanation == (
        "passed: 2 runs; 60 scalars, least p 0.02; "
        "6 numbers, the worst at 0.5 of the rounding allowance"
    )


def test_a_check_that_was_not_run_is_amber(tmp_path: Path, named: Named):
    assert colour(report(tmp_path, row(TEXT)), named) == "amber"


@pytest.mark.parametrize(
    "changed", ["ddpm_core/clock.py", "property_tests/strategies.py", "derivations/ema.md"]
)
def test_a_change_since_the_run_is_amber(tmp_path: Path, named: Named, changed: str):
    path = report(tmp_path, *GOOD, **{changed: "0" * 64})
    assert colour(path, named) == "amber"
    assert f"{changed} changed since verification" in Outcomes(path).headline


def test_every_page_shows_the_colours_of_the_run(tmp_path: Path):
    """A failure of the printed mean colours its dot red on every page, and no other dot."""
    seen = Site(report(tmp_path, *GOOD[:2], row(TEXT, "failed")))
    pages = dict(seen.files())
    for name, colour in (("mean", "red"), ("var", "green"), ("law", "amber"), ("exponent", "none")):
        place = f"posterior{name}"
        assert f'id="{place}"><span class="dot {colour}"' in pages["posterior.html"]
        assert f'href="posterior.html#{place}"><circle class="{colour}"' in pages["graph.html"]
        line = re.search(rf'<span class="dot (\w+)"[^>]*></span><a href="posterior.html#{place}"',
                         pages["index.html"])  # fmt: skip
        assert line is not None
        assert line[1] == colour
    row_of_mean = pages["posterior.html"].split('id="posteriormean"')[1].split("<section")[0]
    dots = re.findall(r'<span class="dot (\w+)"', row_of_mean)
    assert dots == ["red", "green", "red"]  # its own, the check's, that of the printed formula
    texts = re.findall(r"<small>(.*?)</small>", row_of_mean)
    assert [each.partition(":")[0] for each in texts] == ["passed", "failed"]
    for text in pages.values():
        for name, label in re.findall(
            r'<span class="dot (\w+)" role="img" aria-label="(.*?)"', text
        ):
            assert label.startswith(f"{name}: ")
        legend = text.partition("<footer>")[2]
        for name, meaning in LEGEND.items():
            assert not legend or re.search(rf'"dot {name}"[^>]*></span>{meaning}', legend)
    assert all("Last run: 3 checks of ours, 1 failed." in text
               for name, text in pages.items() if name.endswith(".html"))  # fmt: skip


def test_markup_in_a_run_is_escaped(tmp_path: Path):
    evil = "<script>alert('1')</script>&\""
    path = report(tmp_path, row(CHECK, evil), certified=False)
    path.write_text(path.read_text().replace('"ours"', json.dumps(evil)))
    pages = dict(Site(path).files())
    named = [text for name, text in pages.items() if name.endswith(".html")]
    assert not any("<script" in text for text in named)
    escaped = "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&#34;"
    assert all(f"checks of {escaped}, none failed" in text for text in named)
    assert f'aria-label="amber: {escaped}: 1 run' in pages["posterior.html"]


def test_a_run_without_its_own_certificate_is_amber(tmp_path: Path, named: Named):
    assert colour(report(tmp_path, *GOOD, certified=False), named) == "amber"
    path = report(tmp_path, *GOOD)
    path.write_text(path.read_text() + " ")
    assert colour(path, named) == "amber"


def test_without_a_run_or_a_check_there_is_no_colour(tmp_path: Path, named: Named):
    assert colour(tmp_path / "report.json", named) == "none"
    assert colour(report(tmp_path, *GOOD), named, "posterior.exponent") == "none"


COMPLETE = json.dumps({"totals": {"implementation": "ours"}, "checks": [row(CHECK)]})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (COMPLETE, ""),
        (COMPLETE, "[]"),
        (COMPLETE, '{"totals": {}}'),
        (COMPLETE, "[" * 100_000),
        ('"ours"', "null"),
        ('"ours"', r'"\ud800"'),
        ('"passed"', r'"\ud800"'),
        ('"passed"', "5"),
        (json.dumps([row(CHECK)]), "{}"),
        (json.dumps([row(CHECK)]), "[1]"),
        (', "worst": 0.5', ""),
        ("0.5", "null"),
        ("0.5", "NaN"),
        ("0.5", "1" + "0" * 400),
        ('"comparisons": 3', '"comparisons": Infinity'),
        ('"claims": []', '"claims": {}'),
        ('"claims": []', '"claims": [{"p": 0.5}]'),
    ],
)
def test_a_malformed_report_is_refused(tmp_path: Path, old: str, new: str):
    path = tmp_path / "report.json"
    path.write_text(COMPLETE)
    assert Outcomes(path).rows
    assert old in COMPLETE
    path.write_text(COMPLETE.replace(old, new))
    with pytest.raises(ReportError, match=r"report\.json is not a report of the suite"):
        Outcomes(path)
