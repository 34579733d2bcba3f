"""The site of the derivations: what it holds, what its colours mean, and what stops its build."""

import json
import re
import shutil
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from ddpm_core.gate.certificate import PARTS, Project, canonical, digests, statement
from derivations.checker.equations import Equation, PageError
from derivations.checker.links import CORE, anchor
from derivations.checker.pages import HERE
from derivations.reader import __main__ as command
from derivations.reader import outcomes
from derivations.reader.outcomes import Outcomes, ReportError
from derivations.reader.site import Site

Named = Mapping[str, Equation]
NO_REPORT = Path("there") / "is none"


class Page(HTMLParser):
    """The places and the links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.places, self.links = set[str](), list[str]()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value for key, value in attrs if value}
        self.places.update(given[key] for key in ("id",) if key in given)
        self.links.extend(given[key] for key in ("href", "src") if key in given)


@pytest.fixture(scope="module")
def site() -> Site:
    return Site(NO_REPORT)


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("reader") / "site"
    site.write(where)
    return where


def dead_links(folder: Path) -> list[str]:
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in folder.rglob("*.html")}
    dead = []
    for path, page in pages.items():
        for link in page.links:
            file, _, place = link.partition("#")
            target = (path.parent / file).resolve() if file else path
            there = target in pages and (not place or place in pages[target].places)
            if not link.startswith("data:") and not there and (place or not target.is_file()):
                dead.append(f"{path.relative_to(folder)}: {link}")
    return dead


def test_every_link_is_alive(folder: Path):
    assert not dead_links(folder)


@pytest.mark.parametrize("link", ["nowhere.html", "#nowhere", "posterior.html#nowhere"])
def test_a_dead_link_is_seen(folder: Path, tmp_path: Path, link: str):
    shutil.copytree(folder, tmp_path / "site")
    with (tmp_path / "site" / "ema.html").open("a") as page:
        page.write(f'<a href="{link}">')
    assert dead_links(tmp_path / "site") == [f"ema.html: {link}"]


def test_nothing_is_fetched_and_no_script_is_run(folder: Path):
    for path in [*folder.rglob("*.html"), *folder.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text
        assert not re.search(r"(src|href)=\"https?:|url\(https?:|@import", text), path


def test_each_equation_stands_beside_its_code_and_its_tests(folder: Path):
    text = (folder / "posterior.html").read_text(encoding="utf-8")
    row = next(each for each in text.split("<section") if 'id="posteriormean"' in each)
    source = (HERE.parent / "ddpm_core/posterior.py").read_text(encoding="utf-8")
    place = source[: source.index("def q_posterior")].count("\n") + 1
    assert f'href="code/ddpm_core.posterior.html#L{place}">q_posterior' in row
    assert "test_mean_and_variance_match_bayes" in row
    assert "coef_x0" in re.sub(r"<[^>]*>", "", row)
    assert re.search(r'class="dot none"', row)  # of a run there is no report


@pytest.mark.parametrize("stem", CORE)
def test_the_code_leads_back_to_the_pages(folder: Path, stem: str):
    """From each file of the mathematics; that each public function cites is tested elsewhere."""
    page = (folder / "code" / f"ddpm_core.{stem.replace('/', '.')}.html").read_text("utf-8")
    assert re.search(r'<a href="\.\./\w+\.html#[\w-]+">[a-z-]+\.[a-z0-9-]+</a>', page)


# --- colours --------------------------------------------------------------------------------------

CHECK = "test_posterior.py::test_mean_and_variance_match_bayes"
TEXT = f"{outcomes.READ_THE_TEXT[0]}[posterior.mean]"


def row(check: str, outcome: str = "passed") -> dict[str, object]:
    return {"check": check, "outcome": outcome, "claims": [], "comparisons": 3, "worst": 0.5}


def report(folder: Path, *rows: dict[str, object], certified: bool = True, **changed: str) -> Path:
    path = folder / "report.json"
    path.write_text(json.dumps({"totals": {"implementation": "ours"}, "checks": rows}))
    if certified:
        files = {**digests(Project.own()), **changed}
        sha = outcomes._sha256(path)
        whole = statement(files, {**dict.fromkeys(PARTS), "report": {"sha256": sha}})
        (folder / "certificate.json").write_bytes(canonical(whole))
    return path


@pytest.fixture(scope="module")
def named(site: Site) -> Named:
    return site.panes.named


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


@pytest.mark.parametrize("outcome", ["deviates", "not offered"])
def test_what_was_not_shown_is_amber(tmp_path: Path, named: Named, outcome: str):
    assert colour(report(tmp_path, row(CHECK, outcome), row(TEXT)), named) == "amber"


def test_a_check_that_was_not_run_is_amber(tmp_path: Path, named: Named):
    assert colour(report(tmp_path, row(TEXT)), named) == "amber"


@pytest.mark.parametrize(
    ("changed", "becomes"),
    [
        ("ddpm_core/posterior.py", "amber"),
        ("property_tests/strategies.py", "amber"),
        ("derivations/checker/parser.py", "amber"),
        ("derivations/posterior.md", "amber"),
        ("property_tests/test_posterior.py", "amber"),
        ("property_tests/meta/test_derivations.py", "amber"),
        ("derivations/ema.md", "green"),
        ("property_tests/test_ema.py", "green"),
    ],
)
def test_what_changed_since_is_amber(tmp_path: Path, named: Named, changed: str, becomes: str):
    assert colour(report(tmp_path, *GOOD, **{changed: "0" * 64}), named) == becomes


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


# --- what stops the build -------------------------------------------------------------------------

PROSE = r"\mathbb{E}"


@pytest.mark.parametrize(
    ("page", "old", "new", "message"),
    [
        (
            "posterior.md",
            "`ddpm_core.posterior:q_posterior`",
            "`ddpm_core.posterior:gone`",
            r"posterior\.md:\d+:\d+: posterior\.var: `ddpm_core\.posterior:gone` names nothing",
        ),
        (
            "posterior.md",
            "schedules.md#schedulesone-minus-split",
            "schedules.md#gone",
            r"posterior\.md:\d+:\d+: schedules\.md has no heading with the anchor #gone",
        ),
        (
            "posterior.md",
            "images/posterior.svg",
            "images/gone.svg",
            r"posterior\.md:\d+:\d+: there is no file images/gone\.svg",
        ),
        (
            "losses.md",
            PROSE,
            r"\mathbbb{E}",
            r"losses\.md:\d+:\d+: KaTeX refuses .*: Undefined control sequence: \\mathbbb",
        ),
        ("README.md", "[Losses](losses.md)", "Losses", r"the reading order leaves out losses\.md"),
    ],
)
def test_a_bad_page_stops_the_build(tmp_path: Path, page: str, old: str, new: str, message: str):
    pages = tmp_path / "derivations"
    shutil.copytree(HERE, pages, ignore=shutil.ignore_patterns("*.py", "reader", "__pycache__"))
    text = (pages / page).read_text(encoding="utf-8")
    assert old in text
    (pages / page).write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(PageError, match=message):
        Site(NO_REPORT, pages)


def test_the_command_writes_it_again_and_touches_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    out = tmp_path / "site"
    monkeypatch.setattr("sys.argv", ["reader", "--out", str(out), "--report", str(NO_REPORT)])
    assert command.main() == 0
    (out / "index.html").write_text("old")
    assert command.main() == 0
    assert (out / "index.html").read_text() != "old"
    assert [each.name for each in tmp_path.iterdir()] == ["site"]
    assert "No run of the suite is on record" in capsys.readouterr().out
    (out / "graph.html").unlink()  # now it could be anything
    assert command.main() == 1
    assert "is something else than this site" in capsys.readouterr().err
    assert (out / "index.html").is_file()


def test_anchors_are_those_of_github():
    assert anchor("posterior.mean-of-noise") == "posteriormean-of-noise"
