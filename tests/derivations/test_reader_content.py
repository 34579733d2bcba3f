"""The site shows everything: the text of the pages, their rows, code and tests."""

import re
from collections import Counter
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from derivations.checker.equations import Equation
from derivations.checker.links import anchor, find
from derivations.checker.pages import HERE, ROWS
from derivations.reader.markdown import html_name
from derivations.reader.site import Site
from derivations.reader.sources import name_of, page_name

VOID = ("br", "hr", "img", "input", "link", "meta")
FORMULA = re.compile(r"```math\n(.*?)```|\$`(.*?)`\$", re.DOTALL)
TAG = re.compile(r"\\tag\{.*?\}")
ROW_OF_EQUATION = re.compile(rf"^\| ({'|'.join(ROWS)}) \|.*\n", re.MULTILINE)
STATUS = re.compile(r"<!-- status -->.*<!-- /status -->", re.DOTALL)


class Words(HTMLParser):
    """Visible words of a page; a formula is one word, its LaTeX without spaces."""

    def __init__(self, html: str, without: str = "aside nav footer title h1 h2 h3 style") -> None:
        super().__init__()
        self._without, self._above, self._pieces = without.split(), list[str](), list[str]()
        self.feed(html)

    @property
    def found(self) -> list[str]:
        return "".join(self._pieces).split()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            return
        classes = (dict(attrs).get("class") or "").split()
        of_katex = "katex" in classes or "display" in classes
        self._above.append("katex" if of_katex else tag)
        if tag in ("p", "li", "td", "th", "dd", "div", "summary", "details"):
            self._pieces.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass  # <img/> and <path/>, which hold no words

    def handle_endtag(self, tag: str) -> None:
        self._above.pop()

    def handle_data(self, data: str) -> None:
        if any(each in self._without for each in self._above):
            return
        if "annotation" in self._above:
            self._pieces.append("".join(data.split()))
        elif "katex" not in self._above:
            self._pieces.append(data)


def written(text: str) -> list[str]:
    """Return the words of a page's Markdown without headings and rows of equations."""
    formulas: list[str] = []

    def keep(match: re.Match[str]) -> str:
        latex = TAG.sub("", match[1] or match[2])  # the number in the margin is the heading here
        formulas.append("".join(latex.split()))
        mark = f"FORMULA{len(formulas) - 1}END"
        return f"\n{mark}\n" if match[1] else mark

    text = FORMULA.sub(keep, ROW_OF_EQUATION.sub("", STATUS.sub("", text)))
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    words = " ".join(Words(html).found)
    return re.sub(r"FORMULA(\d+)END", lambda match: formulas[int(match[1])], words).split()


@pytest.fixture(scope="module")
def site() -> Site:
    return Site(Path("there is none"))


@pytest.fixture(scope="module")
def pages(site: Site) -> dict[str, str]:
    return dict(site.files())


STEMS = sorted(path.stem for path in HERE.glob("*.md"))


@pytest.mark.parametrize("stem", STEMS)
def test_a_page_shows_its_text_once_and_in_order(pages: dict[str, str], stem: str):
    main = pages[html_name(stem)].partition("<main")[2].partition("</main>")[0]
    without_status = re.sub(r"<table><thead><tr><th>Equation, and .*?</table>", "", main)
    seen = Words(f"<main{without_status}").found
    assert seen == written((HERE / f"{stem}.md").read_text(encoding="utf-8"))


def rows(pages: dict[str, str], site: Site) -> Iterator[tuple[Equation, str, str]]:
    """Yield (equation, its text, its pane), in the order of the site."""
    for stem in site.order:
        for section in pages[html_name(stem)].split('<section class="row">')[1:]:
            heading = re.search(r'<h3 id="([\w-]+)">', section)
            own = [
                each for name, each in site.panes.named.items()
                if heading and anchor(name) == heading[1] and each.formula.page.stem == stem
            ]  # fmt: skip
            if own:
                text, _, pane = section.partition('<aside class="pane">')
                yield own[0], text, pane
    assert site.panes.named


def test_the_lead_of_an_equation_is_in_its_row(pages: dict[str, str], site: Site):
    """Otherwise the pane of the previous equation would separate them on a phone."""
    led = 0
    for equation, text, _ in rows(pages, site):
        source = equation.formula.page.text
        before = source[: source.index(f"### {equation.name}\n")].rstrip().rpartition("\n\n")[2]
        opening = not before.startswith(("|", "#", "<", ">", "!", "-")) and before[-1] not in ".?!)"
        above = Words(text.partition("<h3")[0]).found
        assert above == (written(before) if opening else [])
        led += opening
        equation_alone, _, rest = text.partition('<div class="rest">')
        assert "display" in equation_alone
        assert "display" not in rest or rest.count("display") == source.count("```math") - 1
    assert led > 10


def test_a_pane_repeats_the_rows_of_its_equation(pages: dict[str, str], site: Site):
    seen = 0
    for equation, _, pane in rows(pages, site):
        facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", pane))
        for key in ("Assumes", "Uses", "Source"):
            assert ["|", *Words(facts[key]).found] == written(f"| {equation.rows[key]}")
        seen += 1
    assert seen == len(site.panes.named)


def excerpt(reference: str) -> list[str]:
    """Return the numbered lines of a file as a pane must show them."""
    place = find(reference)
    assert place is not None
    lines = place.path.read_text(encoding="utf-8").splitlines()
    return [f"{i}{lines[i - 1]}" for i in range(place.first, place.last + 1)]


def test_a_pane_shows_the_source_lines_of_its_code_and_tests(pages: dict[str, str], site: Site):
    folded = Counter[bool]()
    on_page: dict[str, set[str]] = {}
    for equation, _, pane in rows(pages, site):
        shown = on_page.setdefault(equation.formula.page.stem, set())
        details = re.findall(
            r"<details( open)?><summary>(.*?)</summary>(.*?)</details>", pane, re.S
        )
        references = [*equation.code, *equation.checks]
        assert len(details) == len(references)
        for reference, (state, _, lines) in zip(references, details, strict=True):
            text = Plain(lines).text.split("\n")
            assert [each.rstrip() for each in text] == [
                each.rstrip() for each in excerpt(reference)
            ]
            opened = reference in equation.code and reference not in shown
            assert bool(state) == opened, (equation.name, reference)
            folded[opened] += 1
            if reference in equation.code:
                shown.add(reference)
    assert min(folded.values()) > 20


class Plain(HTMLParser):
    """Text without its tags."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.text = ""
        self.feed(html)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_function_links_back_to_exactly_its_equations(pages: dict[str, str], site: Site):
    expected: dict[tuple[str, int], set[str]] = {}
    for name, equation in site.panes.named.items():
        for reference in (*equation.code, *equation.checks):
            place = find(reference)
            assert place is not None
            key = f"code/{page_name(place.path)}", place.first
            expected.setdefault(key, set()).add(name)
    found: dict[tuple[str, int], set[str]] = {}
    for file in (each for each in pages if each.startswith("code/")):
        for line in pages[file].split('<a class="lineno" id="L')[1:]:
            back = re.findall(r'<a class="back" href="\.\./(.*?)">(.*?)</a>', line)
            if back:
                found[file, int(line.partition('"')[0])] = {name for _, name in back}
            for address, name in back:
                stem = site.panes.named[name].formula.page.stem
                assert address == f"{html_name(stem)}#{anchor(name)}"
    assert found == expected


def test_a_page_of_code_is_the_file(pages: dict[str, str], site: Site):
    for path in site.panes.sources.files:
        lines = Plain(re.sub(r' <a class="back".*?</a>', "", pages[f"code/{page_name(path)}"])).text
        source = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
        shown = "\n".join(f"{i}{line}" for i, line in enumerate(source, 1))
        assert shown in lines, name_of(path)


def test_every_page_links_to_all_others_and_marks_itself(pages: dict[str, str], site: Site):
    every = [*map(html_name, site.order), "graph.html"]
    for file in (each for each in pages if each.endswith(".html")):
        nav = re.search(r'<nav class="pages".*?>(.*?)</nav>', pages[file], re.S)
        assert nav is not None
        links = re.findall(r'<a href="(?:\.\./)?(.*?)"( aria-current=page)?>', nav[1])
        assert [link for link, _ in links] == every
        assert [link for link, current in links if current] == [file] * (file in every)


def test_the_status_names_every_equation(pages: dict[str, str], site: Site):
    table = pages["index.html"].partition("and the last run</th>")[2].partition("</table>")[0]
    rows = re.findall(r'<a href="(.*?)">(.*?)</a></td><td>(.*?)</td>', table)
    assert rows == [
        (f"{html_name(each.formula.page.stem)}#{anchor(name)}", name, site.panes.proofs[name])
        for name, each in site.panes.named.items()
    ]


def test_an_arc_goes_from_name_to_name(pages: dict[str, str], site: Site):
    graph = pages["graph.html"]
    height = {
        label: int(y)
        for y, label in re.findall(r'<circle[^>]*cy="(\d+)".*?<text[^>]*>(.*?)</text></a>', graph)
    }
    assert height.keys() == site.panes.named.keys()
    assert len(set(height.values())) == len(height)
    for name in height:
        assert re.search(rf'<a id="{anchor(name)}"[^>]*><circle[^>]*cy="{height[name]}"', graph)
    arcs = re.findall(r'<path data-from="(.*?)" data-to="(.*?)" d="M\d+ (\d+)C[^"]* (\d+)"', graph)
    assert len(arcs) == sum(len(each.uses) for each in site.panes.named.values())
    for used, user, start, end in arcs:
        assert (int(start), int(end)) == (height[used], height[user])


def test_a_name_highlights_its_sources_and_its_uses(pages: dict[str, str], site: Site):
    """Arcs to the name are blue and arcs from it orange, as the text above the graph says."""
    style = pages["graph.html"].partition("<style>")[2]
    for name in site.panes.named:
        pointed = re.escape(f"svg:has(#{anchor(name)}:is(:hover,:focus,:target))")
        for end, tone in (("to", "from"), ("from", "to")):
            rule = rf'{pointed} \[data-{end}="{re.escape(name)}"\]\{{stroke:var\(--{tone}\)'
            assert re.search(rule, style), name
