"""Render formulas with KaTeX at build time, so that the site needs no script and no network."""

from pathlib import Path

import dukpy

from ..checker.equations import Page
from ..checker.pages import TAG

KATEX = Path(__file__).resolve().parent / "katex"  # release 0.19.1, as its authors built it
RENDER = """
(function (text, display) {
  try {
    return {html: katex.renderToString(text, {displayMode: display, strict: "error"})};
  } catch (error) {
    return {error: error.rawMessage || error.message, place: error.position || 0};
  }
})(dukpy.text, dukpy.display)
"""


class Formulas:
    """HTML of every formula, by its text and whether it is a block."""

    def __init__(self) -> None:
        self._script = dukpy.JSInterpreter()
        self._script.evaljs((KATEX / "katex.min.js").read_text(encoding="utf-8"))
        self._known: dict[tuple[str, bool], str] = {}

    def read(self, page: Page) -> None:
        """Render the formulas of a page; raises PageError at the first one that KaTeX refuses."""
        for latex in (each for section in page.sections for each in section.formulas):
            text, display = latex.text, latex.is_block
            if (text, display) not in self._known:
                answer = self._script.evaljs(RENDER, text=untagged(text), display=display)
                if "error" in answer:
                    message = f"KaTeX refuses {' '.join(text.split())}: {answer['error']}"
                    raise page.wrong(latex.offset + answer["place"], message)
                self._known[text, display] = answer["html"]

    def html(self, text: str, display: bool) -> str:
        """Return the HTML of a formula that was read."""
        return self._known[text, display]


def untagged(text: str) -> str:
    """Drop the \\tag, because the heading shows the name."""
    return TAG.sub("", text)
