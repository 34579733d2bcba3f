"""The suite's report.html shows every check and its outcome, and markup in it is escaped."""

from html.parser import HTMLParser
from typing import Any

import pytest

from property_tests.evidence.page import html_page

MARKUP = "<script>alert('1')</script><img src=http://x>&\""
TOTALS = {"implementation": "ours"}
CLAIM = {"n": 1000, "alpha": 1e-9, "min_effect": 0.1, "power": 0.999999, "p": 0.25, "effect": "a"}


class Page(HTMLParser):
    """Tags, words, and the class of every table cell."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.cells: list[tuple[str, str]] = []  # (class, words)
        self.words = ""
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "td":
            self._in_cell = True
            self.cells.append((dict(attrs).get("class") or "", ""))

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag != "td"

    def handle_data(self, data: str) -> None:
        self.words += data
        if self._in_cell:
            kind, words = self.cells[-1]
            self.cells[-1] = kind, words + data


def check(outcome: str = "passed", **changed: Any) -> dict[str, Any]:
    return {
        **{"check": "test_posterior.py::test_mean[a]", "outcome": outcome, "control": False},
        **{
            "equation": "posterior.mean",
            "statement": "The mean is right.",
            "oracle": "Bayes' rule",
        },
        **{"claims": [], "comparisons": 3, "worst": 0.5, "worst_at": "t = 2", "calls": 3},
        **{"compared": 30, "discarded": 0, "verdict": "", "effect": None},
        **{"seconds": 0.125, "planted": [], **changed},
    }


def test_markup_in_a_check_is_escaped():
    named = {"check": f"test_{MARKUP}.py::{MARKUP}", "equation": MARKUP, "statement": MARKUP}
    marked = check("failed", **named, oracle=MARKUP, worst_at=MARKUP, failure=MARKUP)
    claimed = check(**named, claims=[{**CLAIM, "effect": MARKUP}])
    page = Page(html_page({"implementation": MARKUP}, [MARKUP], [marked, claimed]))
    assert not {"script", "img"} & set(page.tags)
    assert page.words.count(MARKUP) >= 12


@pytest.mark.parametrize(
    "outcome", ["failed", "deviates", "not run", "too few", "not offered", "passed"]
)
def test_every_outcome_is_shown_beside_its_check(outcome: str):
    others = [check(check=f"test_losses.py::test_{i}") for i in range(3)]
    page = Page(html_page(TOTALS, ["one line"], [check(outcome, failure="because"), *others]))
    outcomes = [(kind, words) for kind, words in page.cells if kind]
    assert outcomes.count((outcome.replace(" ", "-"), outcome)) == 1 + 3 * (outcome == "passed")
    assert len(outcomes) == 4
    verdict = {
        "passed": "4 checks pass.",
        "failed": "1 of 4 checks fail.",
        "not run": "3 checks pass, 1 not run.",
    }.get(outcome, "3 checks pass, 1 are not offered or deviate as listed.")
    assert verdict in page.words
    assert ("because" in page.words) == (outcome == "failed")


def test_evidence_of_a_check_is_shown():
    least = {**CLAIM, "p": 0.125, "effect": "variance: ratio 1.01"}
    unknown = check(check="test_a.py::test_b", claims=[{**CLAIM, "p": None}])
    words = Page(html_page(TOTALS, [], [check(), check(claims=[CLAIM, least]), unknown])).words
    for text in (
        "30 examples; 3 numbers, no false alarm",
        "0.5 of the rounding allowance",
        "2 claims, n = 2,000, \u03b1 = 2e-09; an effect of 0.1 is detected with power 1 - 1e-06",
        "p = 0.125",
        "variance: ratio 1.01",
        "NaN",
        "Oracle: Bayes' rule",
    ):
        assert text in words


def test_wrong_formulas_come_first_and_declined_examples_are_counted():
    digits = check("failed", verdict="digits", effect=0.5, failure="THIRD")
    small = check("failed", verdict="formula", effect=0.25, failure="SECOND")
    large = check("failed", verdict="formula", effect=1.5, failure="FIRST", discarded=7)
    words = Page(html_page(TOTALS, [], [digits, small, large])).words
    assert "3 of 3 checks fail: 2 formula, 1 digits." in words
    assert words.index("FIRST") < words.index("SECOND") < words.index("THIRD")
    assert "30 examples (7 not offered)" in words


def test_page_needs_no_network_and_no_script():
    text = html_page(TOTALS, ["one line"], [check()])
    assert "<script" not in text
    assert "http:" not in text
    assert "https:" not in text
    assert "default-src 'none'" in text
    assert "--ink" in text, "the style is on the page"
