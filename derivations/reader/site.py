"""Build the site: a page for each page, one for each source file, and the graph."""

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files as resources
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
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
from .panes import Panes

TEMPLATES = Path(__file__).resolve().parent / "templates"
PARAGRAPH = ["paragraph_open", "inline", "paragraph_close"]
LIST = "files.txt"  # names of the site's own files; only these are replaced by a newer site
LEGEND = (
    Outcome("green", "passed for this code"),
    Outcome("amber", "passed for other code, or not run"),
    Outcome("red", "failed"),
    Outcome("none", "no test, but a proof; or no run"),
)


class Site:
    """All files of the site; raises PageError for the first error on a page."""

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
        self._templates = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters["address"] = sources.address

    def files(self) -> Iterator[tuple[str, str]]:
        """Yield (name, text) of each file that is not copied."""
        style = (resources("ddpm_core.figures") / "style.css").read_text(encoding="utf-8")
        yield "style.css", style + sources.colours()
        for stem in self.order:
            yield html_name(stem), self._page(self.pages[stem])
        arcs = graph(self.order, self.panes.named, self.panes.of)
        title = "What follows from what"
        yield "graph.html", self._render("graph.html", "graph.html", title=title, **arcs)
        for path in sorted(self.panes.sources.files):
            file = f"code/{sources.page_name(path)}"
            lines = self.panes.sources.page(path)
            title = sources.name_of(path)
            yield file, self._render("code.html", file, up="../", title=title, lines=lines)

    def write(self, folder: Path) -> int:
        """Write the complete site or nothing; return its size in bytes.

        An older site in `folder` stays until the new one is complete. Raises FileExistsError if
        `folder` has a file that is not on the older site's list.
        """
        folder = Path(os.path.realpath(folder))  # the target of a link
        files = dict(self.files())
        for unlisted in _unlisted_files(folder):
            raise FileExistsError(
                f"{unlisted} is not a file of this site, so nothing was changed. Give --out a new "
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
        at = self.order.index(page.stem)
        neighbours = [
            (rel, html_name(stem), self.pages[stem].title)
            for rel, stem in (
                *(("prev", stem) for stem in self.order[max(at - 1, 0) : at]),
                *(("next", stem) for stem in self.order[at + 1 : at + 2]),
            )
        ]
        return self._render(
            "derivation.html",
            html_name(page.stem),
            title=page.title,
            sections=[self._section(page, *each, shown) for each in _with_leads(page.sections)],
            neighbours=neighbours,
            panes=bool(page.equations),
        )

    def _section(
        self,
        page: Page,
        section: Section,
        lead: Sequence[Token],
        tokens: Sequence[Token],
        shown: set[str],
    ) -> dict[str, Any]:
        title, html = section.heading.text, self.markdown.html
        equation = page.equations.get(title)
        # On a phone the pane is between the equation and the text that follows it.
        blocks = [i for i, each in enumerate(tokens, 1) if each.info == "math"] if equation else []
        end = blocks[0] if blocks else len(tokens)
        has_status = (page.stem, title) == ("README", "Status")
        return {
            "level": section.level,
            "anchor": anchor(title),
            "title": title,
            "outcome": self.panes.of[title] if equation else None,
            "lead": html(lead),
            "body": html(tokens[:end]),
            "rest": html(tokens[end:]),
            "pane": self.panes.pane(equation, shown) if equation else None,
            "status": self.panes.status() if has_status else [],
        }

    def _render(self, template: str, file: str, **values: Any) -> str:
        names = {stem: stem.replace("_", " ") for stem in self.order} | {"README": "derivations"}
        given = {
            "pages": [*((html_name(stem), names[stem]) for stem in self.order),
                      ("graph.html", "graph")],
            "current": file,
            "headline": self.panes.run.headline,
            "legend": LEGEND,
            "panes": False,
            "up": "",
        }  # fmt: skip
        return self._templates.get_template(template).render(given | values)


def _files(folder: Path) -> list[str]:
    return sorted(
        each.relative_to(folder).as_posix()
        for each in folder.rglob("*")
        if each.is_symlink() or not each.is_dir()
    )


def _unlisted_files(folder: Path) -> Iterator[Path]:
    """Yield every file that is not on the list of an older site."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        yield folder
    elif folder.exists():
        listed = folder / LIST
        own = listed.read_text("utf-8", errors="replace").split("\n") if listed.is_file() else []
        yield from (folder / each for each in _files(folder) if each not in own)


def reading_order(found: Mapping[str, Page]) -> list[str]:
    """Return the stems as README.md lists them; raises PageError if one is missing."""
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
