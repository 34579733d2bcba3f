"""The site and the reports in Chromium, at the width of a screen and of a phone."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from ddpm_core.figures.report import write_report
from derivations.reader.site import Site
from property_tests.evidence.page import html_page

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
DEFECTS = (Path(__file__).parent / "page_defects.js").read_text(encoding="utf-8")
LOW_CONTRAST = (Path(__file__).parent / "low_contrast.js").read_text(encoding="utf-8")
WIDTHS = (1280, 390)

pytestmark = pytest.mark.skipif(  # .ci/run sets it, so that there this fails and is never skipped
    CHROMIUM is None and "NEEDS_CHROMIUM" not in os.environ,
    reason=f"none of {', '.join(NAMES)} is installed",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("reader") / "site"
    Site(Path("there is none")).write(where)
    return where


class Tab:
    """A browser tab that records messages of the console and the network."""

    def __init__(self, browser: Browser) -> None:
        self._page = browser.new_page()
        self._messages: list[str] = []
        record, on = self._messages.append, self._page.on
        on("console", lambda message: record(f"console: {message.text}"))
        on("pageerror", lambda error: record(f"script: {error}"))
        on("requestfailed", lambda request: record(f"not there: {request.url}"))
        on("request", lambda request: request.url.startswith("http") and record(request.url))

    def defects(self, page: Path, fault: str = "") -> list[str]:
        """Return the defects at both widths, after the script `fault` was run."""
        self._messages.clear()
        self._page.goto(page.as_uri())
        if fault:
            self._page.evaluate(
                f"async () => {{{fault}; await new Promise(done => setTimeout(done, 100))}}"
            )
        if self._page.query_selector(".katex"):
            self._page.evaluate("Promise.all([...document.fonts].map(font => font.load()))")
        found = []
        for width in WIDTHS:
            self.wide(width)
            found += [f"at {width} px: {each}" for each in self._page.evaluate(DEFECTS)]
        return self._messages + found

    def wide(self, width: int) -> None:
        """Set the width of the window in pixels."""
        self._page.set_viewport_size({"width": width, "height": 900})

    def box(self, selector: str) -> dict[str, float]:
        """Return x, y, width and height of the first match; all 0 if it is not shown."""
        found: dict[str, float] = self._page.evaluate(
            f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()"
        )
        return found

    def low_contrast_texts(self, page: Path) -> list[str]:
        """Every text whose contrast with its background is below the 4.5 of WCAG."""
        self._page.goto(page.as_uri())
        found: list[str] = self._page.evaluate(LOW_CONTRAST)
        return [f"{page.name}: {each}" for each in found]

    def hidden_lines(self) -> int:
        """Return the number of excerpts that are partly hidden."""
        found: int = self._page.evaluate(
            "[...document.querySelectorAll('details[open] pre.code')].filter(each => "
            "each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1)"
            ".length"
        )
        return found

    def media(self, **settings: Literal["dark", "light", "print", "screen"]) -> None:
        """Emulate a medium, such as color_scheme="dark" or media="print"."""
        self._page.emulate_media(**settings)  # type: ignore[arg-type]  # each takes two of the four


@pytest.fixture(scope="module")
def tab() -> Iterator[Tab]:
    with sync_playwright() as playwright:
        root = os.geteuid() == 0  # whose processes Chromium's sandbox refuses
        browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=not root)
        yield Tab(browser)
        browser.close()


def test_pages_have_no_defects(tab: Tab, folder: Path):
    found = [
        f"{path.relative_to(folder)}: {each}"
        for path in sorted(folder.rglob("*.html"))
        for each in tab.defects(path)
    ]
    assert not found, "\n".join(found)


def test_pages_have_no_defects_in_dark_mode(tab: Tab, folder: Path):
    tab.media(color_scheme="dark")
    found = [each for name in ("index", "posterior", "graph", "code/ddpm_core.posterior")
             for each in tab.defects(folder / f"{name}.html")]  # fmt: skip
    tab.media(color_scheme="light")
    assert not found, "\n".join(found)


@pytest.fixture
def reports(tmp_path: Path) -> list[Path]:
    """The reports of a run and of the suite, which share the style of the site."""
    settings = {"<script>": "<b>" * 40, "dataset": "digits"}
    for name, values in {
        "status.json": {"state": "interrupted", "message": "<script>", "step": 3, "max_steps": 9},
        "config.json": settings,
        "env.json": settings,
        "test.json": [],
    }.items():
        (tmp_path / name).write_text(json.dumps(values))
    (tmp_path / "metrics.jsonl").write_text('{"step": 3, "loss": 0.5}\n')
    row = {"control": False, "claims": [], "comparisons": 3, "worst": 0.5, "worst_at": "t = 2"}
    row |= {"compared": 30, "discarded": 2, "effect": None}
    about = {"equation": "a.b", "statement": "It holds.", "oracle": "Bayes' rule", "seconds": 0.1}
    checks = [
        {
            **{**row, **about, "outcome": outcome, "verdict": verdict},
            **{"check": f"test_a.py::test_<script>_{'b' * 60}", "failure": "because"},
        }
        for outcome, verdict in (
            *(("failed", verdict) for verdict in ("formula", "digits", "convention", "")),
            *((each, "") for each in ("passed", "deviates", "not run", "too few", "not offered")),
        )
    ]
    suite = tmp_path / "suite.html"
    suite.write_text(html_page({"implementation": "<script>"}, ["a line"], checks))
    return [write_report(tmp_path, watermark="UNVERIFIED"), suite]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_reports_have_no_defects(tab: Tab, reports: list[Path], scheme: Literal["light", "dark"]):
    tab.media(color_scheme=scheme)
    found = [f"{path.name}: {each}" for path in reports for each in tab.defects(path)]
    pale = [each for path in reports for each in tab.low_contrast_texts(path)]
    tab.media(color_scheme="light")
    assert not [*found, *pale], "\n".join([*found, *pale])


def test_low_contrast_is_reported(tab: Tab, reports: list[Path]):
    style = reports[1].read_text().replace("--red: #c62828", "--red: #ff8080")
    reports[1].write_text(style)
    assert any("failed" in each for each in tab.low_contrast_texts(reports[1]))


@pytest.mark.parametrize(
    ("fault", "messages"),
    [
        ("console.error('injected')", ["console: injected"]),
        ("setTimeout(() => nowhere())", ["script: nowhere is not defined"]),
        ("document.images[0].src = 'nowhere.png'", ["not there: ", "no image: nowhere.png"]),
        (
            "document.querySelector('.display .mathnormal').append('x'.repeat(99))",
            ["at 1280 px: a formula is", "at 390 px: a formula is"],
        ),
        ("document.querySelector('main').style.width = '1100px'", ["at 390 px: the page is 11"]),
        ("document.body.style.color = '#eee'", ["BODY has a contrast of 1."]),
        (
            "document.querySelector('.display').style = 'height: 1em; overflow: hidden'",
            ["a formula is cut at "],
        ),
        ("document.querySelector('.dot').style.display = 'inline'", ["a dot is "]),
        ("document.querySelector('.dot').style.background = 'red'", ["the dot none is rgb(255"]),
        (
            "document.querySelector('footer .green').style.backgroundColor = '#c62828'",
            ["two colours look alike"],
        ),
        ("document.querySelector('h1').append('\\u{10ff00}')", ["no glyph for"]),
        ("document.querySelector('.katex .mathnormal').append('\\u{10ff00}')", ["no glyph for"]),
    ],
)
def test_an_injected_fault_is_reported(tab: Tab, folder: Path, fault: str, messages: list[str]):
    found = tab.defects(folder / "posterior.html", fault)
    for sentence in messages:
        assert any(sentence in each for each in found), found


ROW = "section:has(#posteriormean)"


def test_the_pane_is_beside_the_equation_and_on_a_phone_below_it(tab: Tab, folder: Path):
    assert not tab.defects(folder / "posterior.html")
    tab.wide(1280)
    text, pane = tab.box(f"{ROW} .text"), tab.box(f"{ROW} .pane")
    assert pane["x"] == text["right"]
    assert pane["y"] == text["y"]
    assert min(pane["width"], text["width"]) > 500
    tab.wide(390)
    equation, pane, rest = (
        tab.box(f"{ROW} {each}") for each in (".text > div", ".pane", ".text > .rest")
    )
    assert equation["bottom"] <= pane["y"] < pane["bottom"] <= rest["y"]
    assert pane["width"] == 390


def test_the_skip_link_is_hidden_until_it_has_the_focus(tab: Tab, folder: Path):
    assert not tab.defects(folder / "posterior.html")
    assert tab.box(".skip")["right"] < 0
    assert not tab.defects(folder / "posterior.html", "document.querySelector('.skip').focus()")
    assert tab.box(".skip")["x"] >= 0


def test_printed_page_has_no_navigation_and_no_clipped_code(tab: Tab, folder: Path):
    tab.media(media="print")
    assert not tab.defects(folder / "posterior.html")
    tab.wide(700)
    for hidden in ("nav.pages", "nav.ends", ".skip"):
        assert tab.box(hidden)["height"] == 0
    cut = tab.hidden_lines()
    tab.media(media="screen")
    assert cut == 0
    assert tab.hidden_lines() > 0  # on a screen long code scrolls
