"""Check of the rows of pages and of the citations in code, in both directions."""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from . import verified_core
from .equations import LINK, Equation, Page, PageError
from .identities import is_identity
from .pages import HERE
from .syntax import Relation, Symbol

BESIDE = HERE.parent  # the checkout, or the package in a wheel
PLAIN = ("_", "check_", "has_")  # helpers and checks of arguments: no mathematics
CITATION = re.compile(
    r"Eq\.\s+((?:[a-z0-9-]+\.[a-z0-9-]+)(?:(?:,| and|, and)\s+[a-z-]+\.[a-z0-9-]+)*)"
)
NAME = re.compile(r"[a-z0-9-]+\.[a-z0-9-]+")


class Place(NamedTuple):
    """A function, class or test in a file."""

    path: Path
    first: int
    last: int


def find(reference: str) -> Place | None:
    """Find `package.module:Class.method` or `folder/file.py::test`; None if it does not exist."""
    path, _, name = reference.partition("::" if "::" in reference else ":")
    if ":" in reference and "::" not in reference:
        path = path.replace(".", "/") + ".py"
    file = _home(path)
    if file is None:
        return None
    if not name:
        return Place(file, 1, len(file.read_text(encoding="utf-8").splitlines()))
    return _definitions(file).get(name.partition("[")[0])


def _home(path: str) -> Path | None:
    """Find a file in the checkout, or in a wheel, where the suite is inside the package."""
    if not re.fullmatch(r"[\w/]{1,200}\.py", path) or path.startswith("/"):
        return None
    for folder in (BESIDE, BESIDE.parent):
        if (folder / path).is_file():
            return folder / path
    return None


@lru_cache(maxsize=256)
def _definitions(file: Path) -> dict[str, Place]:
    found: dict[str, Place] = {}

    def visit(body: list[ast.stmt], prefix: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                found[prefix + node.name] = Place(file, first, node.end_lineno or first)
                if isinstance(node, ast.ClassDef):
                    visit(node.body, f"{prefix}{node.name}.")

    visit(ast.parse(file.read_text(encoding="utf-8")).body, "")
    return found


def anchor(heading: str) -> str:
    """Return the anchor of a heading on GitHub."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def check_pages(pages: Mapping[str, Page]) -> None:
    """Raise PageError at the first row or link that does not resolve."""
    named = {name: each for page in pages.values() for name, each in page.equations.items()}
    for page in pages.values():
        written, _, _ = page.text.partition("<!-- status -->")  # the table is compared as a whole
        for match in LINK.finditer(written):
            _check_link(page, match.start(2), match[2], pages)
        for equation in page.equations.values():
            _check_rows(page, equation, named)
    _check_order(named)


def _check_link(page: Page, offset: int, target: str, pages: Mapping[str, Page]) -> None:
    if re.match(r"[a-z]+:", target):
        return
    name, _, fragment = target.partition("#")
    other = pages.get(name.removesuffix(".md")) if name else page
    if name.endswith(".md") and other is None:
        raise page.wrong(offset, f"{name} is not a page; pages are {', '.join(sorted(pages))}")
    if other is None and not (page.path.parent / name).is_file():
        raise page.wrong(offset, f"there is no file {name}")
    anchors = [anchor(each.heading.text) for each in other.sections] if other else []
    if fragment and other is not None and fragment not in anchors:
        raise page.wrong(offset, f"{name} has no heading with the anchor #{fragment}")


def _check_rows(page: Page, equation: Equation, named: Mapping[str, Equation]) -> None:
    def wrong(row: str, sentence: str) -> PageError:
        offset = page.line_start(equation.cells[row].offset)
        return page.wrong(offset, f"{equation.name}: {sentence}")

    for name in equation.uses:
        if name not in named:
            raise wrong("Uses", f"{name} is not an equation; write [page.name](page.md#pagename)")
        where = named[name].formula.page.path.name
        if f"[{name}]({where}#{anchor(name)})" not in equation.rows["Uses"]:
            raise wrong("Uses", f"the link of {name} has to be {where}#{anchor(name)}")
    if not equation.uses and not equation.is_definition:
        raise wrong("Uses", "it uses nothing and is not a definition, so it has no premises")
    if any(_permits_equal_timesteps(each) for each in equation.assumptions):
        raise wrong("Assumes", "every step goes to an earlier timestep; write s < t")
    _refuse_identities(equation, wrong)
    for reference in equation.code:
        place = find(reference)
        if place is None:
            raise wrong("Code", f"`{reference}` names nothing; write `package.module:function`")
        if not _cites(place, equation.name.partition(".")[0]):
            raise wrong(
                "Code", f"`{reference}` cites no equation of this page; add Eq. {equation.name}"
            )
    for reference in equation.checks:
        last = reference.replace("::", "/").rpartition("/")[2]
        if find(reference) is None or not last.startswith("test_"):
            raise wrong("Checked by", f"`{reference}` names no test; write `file.py::test`")
    row = equation.rows["Checked by"]
    if equation.code and not equation.checks:
        raise wrong("Checked by", "it has code, so that a test has to be named")
    if not equation.checks and row != "proof" and not row.startswith("prose: "):
        raise wrong("Checked by", "write the tests in backquotes, proof, or prose: and the reason")


def _cites(place: Place, page: str) -> bool:
    """Return whether the lines of a function or a class cite an equation of the page."""
    lines = place.path.read_text(encoding="utf-8").splitlines()[place.first - 1 : place.last]
    return any(name.startswith(f"{page}.") for _, name in citations("\n".join(lines)))


def _permits_equal_timesteps(assumption: Relation) -> bool:
    """Return whether s = t is permitted, of which no random instance is drawn."""
    pairs = zip(pairwise(assumption.members), assumption.signs, strict=True)
    return any(pair == (Symbol("s"), Symbol("t")) and sign != "<" for pair, sign in pairs)


def _refuse_identities(equation: Equation, wrong: Callable[[str, str], PageError]) -> None:
    """Refuse x = x, which every proof accepts."""
    if equation.relation is None:
        return
    found = is_identity(equation.relation, equation.formula.page.declared)
    if found and (equation.code or equation.is_definition):
        raise wrong("Code", "it holds for any values of its symbols, so it says nothing about them")
    if found and not equation.is_identity:
        raise wrong(
            "Uses",
            "it holds for any values of its symbols; if that is intended, begin with identity;",
        )
    if equation.is_identity and not found:
        raise wrong("Uses", "it depends on the meaning of its symbols, so it is not an identity")


def _check_order(named: Mapping[str, Equation]) -> None:
    """Refuse a cycle: no equation may be proved from itself."""
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            cycle = " <- ".join((*above[above.index(name) :], name))
            raise PageError(f"{named[name].formula.where}: Uses form a cycle: {cycle}")
        if name not in done:
            for each in named[name].uses:
                visit(each, (*above, name))
            done.add(name)

    for name in named:
        visit(name, ())


# --- citations ------------------------------------------------------------------------------------


def citations(text: str) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of every citation of the form Eq. page.name."""
    for match in CITATION.finditer(text):
        for name in NAME.finditer(match[1]):
            yield text.count("\n", 0, match.start(1) + name.start()) + 1, name[0]


def dead_citations(files: list[Path], named: Mapping[str, Equation]) -> list[str]:
    """Return `file:line: name` of each citation of a missing equation."""
    return [
        f"{path}:{line}: {name}"
        for path in files
        for line, name in citations(path.read_text(encoding="utf-8"))
        if name not in named
    ]


def uncited_functions(package: Path = verified_core.PACKAGE) -> list[str]:
    """Return each public function of the verified core whose docstring cites no equation."""
    found = []
    for module in verified_core.modules(package):
        for name, node in verified_core.functions(package, module).items():
            public = not node.name.startswith(PLAIN) and node.name != "T"
            if not public or _only_declares(node) or name in verified_core.left_out(module):
                continue
            if not list(citations(ast.get_docstring(node) or "")):
                found.append(
                    f"ddpm_core/{module}.py:{node.lineno}: {name} cites no equation; "
                    "add Eq. page.name to its docstring"
                )
    return found


def _only_declares(node: ast.FunctionDef) -> bool:
    """Return whether a method of a protocol consists of a docstring and an ellipsis."""
    return ast.unparse(node.body[-1]) == "..." and len(node.body) <= 2
