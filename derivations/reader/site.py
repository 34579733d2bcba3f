"""The site: a page for each page, one for each file of code, and the graph."""

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from ..checker import links, pages, status
from ..checker.equations import Page
from . import sources
from .formulas import KATEX, Formulas
from .graph import graph
from .markdown import Markdown, Section, html_name
from .outcomes import Outcome, Outcomes
from .panes import Panes, dot
from .sources import text

HERE = Path(__file__).resolve().parent
LEAD = re.compile(r"<p>(?:(?!</p>).)*(?<![.?!)])</p>\s*\Z", re.DOTALL)
LIST = "files.txt"  # of what a site consists, so that a newer one removes nothing else
READING = re.compile(r"^## Reading order\n(.*?)^## ", re.MULTILINE | re.DOTALL)


class Site:
    """All that is to be written; raises PageError for the first thing that is wrong on a page."""

    def __init__(self, report: Path, folder: Path = pages.HERE) -> None:
        self.images = folder / "images"
        self.pages = pages.read_all(folder)
        links.check_pages(self.pages)
        self.order = reading_order(self.pages)
        formulas = Formulas()
        for page in self.pages.values():
            formulas.read(page)
        self.markdown = Markdown(formulas)
        self.panes = Panes(self.pages, self.markdown, Outcomes(report))

    def files(self) -> Iterator[tuple[str, str]]:
        """(name, text) of each file that is not copied."""
        yield "style.css", (HERE / "style.css").read_text(encoding="utf-8") + sources.colours()
        for stem in self.order:
            yield html_name(stem), self._page(self.pages[stem])
        arcs = graph(self.order, self.panes.named, self.panes.of)
        yield "graph.html", self._html("What follows from what", f"{ABOUT_ARCS}{arcs}", "graph")
        for path in sorted(self.panes.sources.files):
            name = sources.name_of(path)
            whole = f"<h1>{name}</h1>{self.panes.sources.page(path)}"
            yield f"code/{sources.page_name(path)}", self._html(name, whole, "", "../")

    def write(self, folder: Path) -> int:
        """All of it or nothing; returns its size in bytes.

        An older site in `folder` stays until the new one is whole. Raises FileExistsError where
        anything stands that is not on the list of a site.
        """
        folder = Path(os.path.realpath(folder))  # of a link, what it leads to
        files = dict(self.files())
        for strange in _strangers(folder):
            raise FileExistsError(
                f"{strange} is none of this site's, so that nothing was changed: give --out a new "
                "folder"
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            new, old = Path(beside) / "new", Path(beside) / "old"
            (new / "code").mkdir(parents=True)
            for name, content in files.items():
                (new / name).write_text(content, encoding="utf-8")
            shutil.copytree(KATEX, new / "katex", ignore=shutil.ignore_patterns("*.js"))
            shutil.copytree(self.images, new / "images")
            (new / LIST).write_text("\n".join([*_files(new), LIST]), encoding="utf-8")
            if folder.exists():
                folder.rename(old)
            try:
                new.rename(folder)
            except BaseException:
                if old.exists():
                    old.rename(folder)
                raise
        return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())

    def _page(self, page: Page) -> str:
        shown: set[str] = set()
        sections = _led_into(list(self.markdown.sections(_written(page))))
        rows = [self._row(page, each, lead, shown) for each, lead in sections]
        at = self.order.index(page.stem)
        ends = [
            f'<a rel="{rel}" href="{html_name(stem)}">{_title(self.pages[stem])}</a>'
            for rel, stem in (
                *(("prev", stem) for stem in self.order[max(at - 1, 0) : at]),
                *(("next", stem) for stem in self.order[at + 1 : at + 2]),
            )
        ]
        rows.append(f'<nav class="ends" aria-label="neighbours">{"".join(ends)}</nav>')
        return self._html(_title(page), "".join(rows), page.stem)

    def _row(self, page: Page, section: Section, lead: str, shown: set[str]) -> str:
        tag, equation = f"h{section.level}", page.equations.get(section.title)
        mark = dot(self.panes.of[section.title]) if equation else ""
        link = f'<a href="#{section.anchor}">{section.title}</a>'
        heading = f'<{tag} id="{section.anchor}">{mark}{link}</{tag}>'
        pane = self.panes.pane(equation, shown) if equation else ""
        table = self.panes.status() if (page.stem, section.title) == ("README", "Status") else ""
        formula, rest = _split(section.body) if equation else (section.body, "")
        return (
            f'<section class="row"><div class="text"><div>{lead}{heading}{formula}{table}</div>'
            f'<div class="rest">{rest}</div></div>{pane}</section>'
        )

    def _html(self, title: str, body: str, current: str, prefix: str = "") -> str:
        items = [*((html_name(stem), stem) for stem in self.order), ("graph.html", "graph")]
        nav = "".join(
            f'<a href="{prefix}{file}"{" aria-current=page" if stem == current else ""}>'
            f"{stem.replace('_', ' ').replace('README', 'derivations')}</a>"
            for file, stem in items
        )
        paged = current in self.pages and self.pages[current].equations
        kind = "two" if paged else "one"
        footer = f"{text(self.panes.run.headline)} {LEGEND.format(prefix=prefix)}"
        return HTML.format(title=title, prefix=prefix, nav=nav, body=body, kind=kind, footer=footer)


def _files(folder: Path) -> list[str]:
    return sorted(
        each.relative_to(folder).as_posix()
        for each in folder.rglob("*")
        if each.is_symlink() or not each.is_dir()
    )


def _strangers(folder: Path) -> Iterator[Path]:
    """Whatever there is that the list of an older site does not name."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        yield folder
    elif folder.exists():
        listed = folder / LIST
        own = listed.read_text("utf-8", errors="replace").split("\n") if listed.is_file() else []
        yield from (folder / each for each in _files(folder) if each not in own)


def reading_order(found: Mapping[str, Page]) -> list[str]:
    """The stems as README.md lists them; raises PageError where it leaves one out."""
    readme = found["README"]
    listed = READING.search(readme.text)
    stems = re.findall(r"\]\((\w+)\.md\)", listed[1]) if listed else []
    for stem in found.keys() - {"README", *stems}:
        place = listed.start() if listed else 0
        raise readme.wrong(place, f"the reading order leaves out {stem}.md")
    return ["README", *stems]


def _title(page: Page) -> str:
    return page.text.partition("\n")[0].removeprefix("# ")


def _led_into(sections: list[Section]) -> Iterator[tuple[Section, str]]:
    """Each section, and the paragraph before it that ends in its equation, not in a full stop."""
    lead = ""
    for section, after in zip_longest(sections, sections[1:]):
        led = LEAD.search(section.body) if after is not None and after.level == 3 else None
        body = section.body[: led.start()] if led else section.body
        yield section._replace(body=body), lead
        lead = led[0] if led else ""


def _split(body: str) -> tuple[str, str]:
    """The equation, and what is said after it: a phone shows the pane between the two."""
    end = body.index("</div>", body.index('<div class="display">')) + len("</div>")
    return body[:end], body[end:]


def _written(page: Page) -> str:
    """Without the table that is generated: the site has one with the outcomes of the last run."""
    return status.BLOCK.sub("", page.text)


ABOUT_ARCS = (
    "<h1>What follows from what</h1><p>Each arc goes from an equation to one that is proved with "
    "it. Point at a name, or reach it with the Tab key: what it is proved from turns "
    '<b class="from">blue</b>, what is proved from it <b class="to">orange</b>.</p>'
)

MEANINGS = {
    "green": "passed for this code",
    "amber": "passed for other code, or not run",
    "red": "failed",
    "none": "no test, but a proof; or no run",
}
LEGEND = (
    "".join(
        f'<span class="key">{dot(Outcome(colour, said))}{said}</span>'
        for colour, said in MEANINGS.items()
    )
    + ' <a href="{prefix}index.html#reading-it-beside-the-code">What the figures say</a>'
)

HTML = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="{prefix}katex/katex.min.css">
<link rel="stylesheet" href="{prefix}style.css"></head>
<body class="{kind}"><a class="skip" href="#main">to the text</a>
<nav class="pages" aria-label="pages">{nav}</nav>
<main id="main">{body}</main><footer>{footer}</footer></body></html>
"""
