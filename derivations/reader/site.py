"""The site: a page for each page, one for each file of code, and the graph."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from markdown_it.token import Token

from ..checker import links, pages
from ..checker.equations import Page
from ..checker.links import anchor
from ..checker.markdown import Section
from . import sources
from .formulas import KATEX, Formulas
from .graph import graph
from .markdown import Markdown, html_name, shown_tokens
from .outcomes import Outcome, Outcomes
from .panes import Panes, dot
from .sources import text

HERE = Path(__file__).resolve().parent
PARAGRAPH = ["paragraph_open", "inline", "paragraph_close"]
LIST = "files.txt"  # of what a site consists, so that a newer one removes nothing else


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
        rows = [self._row(page, *each, shown) for each in _with_leads(page.sections)]
        at = self.order.index(page.stem)
        ends = [
            f'<a rel="{rel}" href="{html_name(stem)}">{self.pages[stem].title}</a>'
            for rel, stem in (
                *(("prev", stem) for stem in self.order[max(at - 1, 0) : at]),
                *(("next", stem) for stem in self.order[at + 1 : at + 2]),
            )
        ]
        rows.append(f'<nav class="ends" aria-label="neighbours">{"".join(ends)}</nav>')
        return self._html(page.title, "".join(rows), page.stem)

    def _row(
        self,
        page: Page,
        section: Section,
        lead: Sequence[Token],
        tokens: Sequence[Token],
        shown: set[str],
    ) -> str:
        title, html = section.heading.text, self.markdown.html
        tag, equation = f"h{section.level}", page.equations.get(title)
        mark = dot(self.panes.of[title]) if equation else ""
        link = f'<a href="#{anchor(title)}">{title}</a>'
        heading = f'<{tag} id="{anchor(title)}">{mark}{link}</{tag}>'
        pane = self.panes.pane(equation, shown) if equation else ""
        table = self.panes.status() if (page.stem, title) == ("README", "Status") else ""
        # On a phone the pane stands between the equation and the text that follows it.
        blocks = [i for i, each in enumerate(tokens, 1) if each.info == "math"] if equation else []
        end = blocks[0] if blocks else len(tokens)
        return (
            f'<section class="row"><div class="text"><div>{html(lead)}{heading}'
            f'{html(tokens[:end])}{table}</div><div class="rest">{html(tokens[end:])}</div></div>'
            f"{pane}</section>"
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
    listed = next((each for each in readme.sections if each.heading.text == "Reading order"), None)
    links_in = (child for each in listed.tokens for child in each.children or ()) if listed else ()
    targets = [str(each.attrs["href"]) for each in links_in if each.type == "link_open"]
    stems = [each.removesuffix(".md") for each in targets if each.endswith(".md")]
    for stem in found.keys() - {"README", *stems}:
        place = listed.heading.offset if listed else 0
        raise readme.wrong(place, f"the reading order leaves out {stem}.md")
    return ["README", *stems]


def _with_leads(
    sections: Sequence[Section],
) -> Iterator[tuple[Section, Sequence[Token], Sequence[Token]]]:
    """Yield each section, the paragraph that leads into it, and its tokens without the next lead.

    A paragraph before an equation leads into it unless it ends with a full stop.
    """
    lead: Sequence[Token] = ()
    for section, after in zip_longest(sections, sections[1:]):
        tokens = shown_tokens(section)
        is_lead = (
            after is not None
            and after.level == 3
            and [each.type for each in tokens[-3:]] == PARAGRAPH
            and not tokens[-2].content.endswith((".", "?", "!", ")"))
        )
        end = len(tokens) - 3 * is_lead
        yield section, lead, tokens[:end]
        lead = tokens[end:]


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
