"""What the site says of the last run of the suite: green, red, amber or nothing."""

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
from tests.miniature import shown

Named = Mapping[str, Equation]

CHECK = "test_posterior.py::test_mean_and_variance_match_bayes"
TEXT = f"{outcomes.READ_THE_TEXT[0]}[posterior.mean]"


def row(check: str, outcome: str = "passed") -> dict[str, object]:
    return {"check": check, "outcome": outcome, "claims": [], "comparisons": 3, "worst": 0.5}


def report(folder: Path, *rows: dict[str, object], certified: bool = True, **changed: str) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps({"totals": {"implementation": "ours"}, "checks": rows}))
    if certified:
        policy = Project.own().policy()
        executed = {
            name: {"outcome": "passed", **asked} for name, asked in policy["required"].items()
        }
        sums = {"executed": executed, "planted": [{"killed_by": "us"}] * policy["planted"]}
        sha = {"sha256": sha256(path.read_bytes()).hexdigest()}
        whole = statement({**digests(Project.own()), **changed}, shown(**sums, report=sha))
        (folder / "certificate.json").write_bytes(canonical(whole))
    return path


@pytest.fixture(scope="module")
def named() -> Named:
    return Site(Path("there is none")).panes.named


GOOD = (row(f"{CHECK}[a]"), row(f"{CHECK}[b]"), row(TEXT))


def colour(path: Path, named: Named, name: str = "posterior.mean") -> str:
    return Outcomes(path).equation(named[name]).colour


def test_green_is_for_what_passed_with_this_very_code(tmp_path: Path, named: Named):
    assert colour(report(tmp_path, *GOOD), named) == "green"


@pytest.mark.parametrize("bad", range(3))
def test_one_failure_is_red(tmp_path: Path, named: Named, bad: int):
    rows = [dict(each) for each in GOOD]
    rows[bad]["outcome"] = "failed"
    assert colour(report(tmp_path, *rows), named) == "red"


@pytest.mark.parametrize("outcome", ["deviates", "not offered", "error", "xfailed", ""])
def test_what_was_not_shown_is_amber(tmp_path: Path, named: Named, outcome: str):
    assert colour(report(tmp_path, row(CHECK, outcome), row(TEXT)), named) == "amber"


def test_a_check_that_was_not_run_is_amber(tmp_path: Path, named: Named):
    assert colour(report(tmp_path, row(TEXT)), named) == "amber"


@pytest.mark.parametrize(
    "changed", ["ddpm_core/clock.py", "property_tests/strategies.py", "derivations/ema.md"]
)
def test_whatever_changed_since_it_is_amber(tmp_path: Path, named: Named, changed: str):
    path = report(tmp_path, *GOOD, **{changed: "0" * 64})
    assert colour(path, named) == "amber"
    assert f"{changed} changed since verification" in Outcomes(path).headline


def test_every_page_shows_the_colours_of_the_run(tmp_path: Path):
    """The printed mean is refuted: its dot is red wherever it stands, that of the variance not."""
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
    assert all("Last run: 3 checks of ours, 1 failed." in text
               for name, text in pages.items() if name.endswith(".html"))  # fmt: skip


def test_a_run_without_a_certificate_or_with_another_run_s_is_amber(tmp_path: Path, named: Named):
    assert colour(report(tmp_path, *GOOD, certified=False), named) == "amber"
    path = report(tmp_path, *GOOD)
    path.write_text(path.read_text() + " ")
    assert colour(path, named) == "amber"


def test_without_a_run_and_without_a_check_there_is_no_colour(tmp_path: Path, named: Named):
    assert colour(tmp_path / "report.json", named) == "none"
    assert colour(report(tmp_path, *GOOD), named, "posterior.exponent") == "none"


def test_something_else_than_a_report_is_refused(tmp_path: Path):
    path = tmp_path / "report.json"
    totals = '{"totals": {"implementation": "ours"}, "checks": '
    for text in ("", "[]", '{"totals": {}}', totals + "[1]}", totals + '[{"check": 5}]}'):
        path.write_text(text)
        with pytest.raises(ReportError, match=r"report\.json is no report of the suite"):
            Outcomes(path)
