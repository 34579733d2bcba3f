"""Parse a page strictly: its symbols, its named equations with their rows, all other formulas."""

import re
from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten

from . import markdown
from .equations import Equation, Formula, Page, PageError
from .markdown import Cell, Latex, Section
from .parser import parse, parse_name
from .syntax import Relation, Symbol
from .tokens import FormulaError
from .vocabulary import KINDS

HERE = Path(__file__).resolve().parent.parent
ROWS = ("Assumes", "Uses", "Code", "Checked by", "Source")
TAG = re.compile(r"\\tag\{([^}]*)\}")
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")
PROSE = re.compile(r"prose: (?P<reason>.{12,})")
REFUSED = re.compile(  # by GitHub, or by KaTeX in a tag
    r"\\(?:operatorname|newcommand|def|label|ref|mbox|phantom|eqref|require)(?![A-Za-z])"
)


def read_all(folder: Path = HERE) -> dict[str, Page]:
    """Return every page by its stem; the symbols of README.md are shared by all."""
    readme = read(folder / "README.md", {})
    pages = {"README": readme}
    for path in sorted(folder.glob("*.md")):
        if path.stem != "README":
            if not re.fullmatch(r"[a-z][a-z_]*", path.stem) or path.stem in ("index", "graph"):
                raise PageError(f"derivations/{path.name}: a page is named like a module")
            pages[path.stem] = read(path, readme.declared)
    names: dict[str, Equation] = {}
    for page in pages.values():
        for equation in page.equations.values():
            if equation.name in names:
                first = names[equation.name].formula.where
                raise page.wrong(
                    equation.formula.offset, f"{equation.name} is named at {first} already"
                )
            names[equation.name] = equation
    return pages


def equations(pages: Mapping[str, Page]) -> dict[str, Equation]:
    """Return every equation by its name."""
    return {name: each for page in pages.values() for name, each in page.equations.items()}


def read(path: Path, shared: Mapping[str, str], text: str | None = None) -> Page:
    """Parse the page at `path`, or `text` in its place; raises PageError."""
    page = Page(path, _text(path) if text is None else text, dict(shared))
    try:
        page.sections.extend(markdown.read(page.text))
    except markdown.MarkdownError as error:
        raise page.wrong(error.offset, str(error)) from None
    symbols = _declare(page)
    for section in page.sections:
        name = _name(page, section)
        rows = _rows(page, section) if name else {}
        for latex in section.formulas:
            if latex.is_block:
                _take_display(page, latex, name, rows)
            elif latex not in symbols:
                relation = _parsed(page, latex.offset, latex.text)
                page.formulas.append(Formula(page, latex.offset, latex.text, relation, name))
        if name and name not in page.equations:
            raise page.wrong(
                section.heading.offset, f"the section {name} has no block with \\tag{{{name}}}"
            )
    return page


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PageError(f"derivations/{path.name}: it cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        good = Page(path, data[: error.start].decode("utf-8"), {})
        byte = f"0x{data[error.start]:02x}"
        raise good.wrong(
            error.start, f"the byte {byte} is not UTF-8. Save the file as UTF-8"
        ) from None


def _name(page: Page, section: Section) -> str | None:
    """Return the name of the section's equation; None if it has none."""
    if section.level < 3:
        return None
    name, prefix = section.heading.text, page.stem.replace("_", "-")
    if not NAME.fullmatch(name) or not name.startswith(f"{prefix}."):
        raise page.wrong(
            section.heading.offset,
            f"{name!r} is not a name of an equation on this page. Write ### {prefix}.NAME with "
            "lower-case letters, digits and hyphens",
        )
    return name


def _take_display(page: Page, latex: Latex, heading: str | None, rows: Mapping[str, Cell]) -> None:
    offset, body = latex.offset, latex.text
    tag = TAG.search(body)
    if tag is None:
        marked = PROSE.search(latex.comment)
        reason = marked["reason"].removesuffix("-->").strip() if marked else ""
        relation = None if reason else _parsed(page, offset, body)
        page.formulas.append(Formula(page, offset, body, relation, heading, prose=reason))
        return
    if tag[1] != heading:
        raise page.wrong(
            offset + tag.start(1),
            f"the tag {tag[1]} is under the heading {heading or '(none)'}",
        )
    if tag[1] in page.equations:
        raise page.wrong(offset + tag.start(1), f"{tag[1]} has two blocks")
    reason_row = PROSE.match(rows["Checked by"].text)
    reason = reason_row["reason"] if reason_row else ""
    formula_text = body[: tag.start()].rstrip()
    if body[tag.end() :].replace(r"\end{aligned}", "").strip():
        raise page.wrong(offset + tag.end(), "the tag must be at the end of its block")
    relation = None if reason else _parsed(page, offset, formula_text)
    if relation is not None and not relation.signs:
        raise page.wrong(offset, f"{tag[1]} states nothing: it has no =, < or \\le")
    formula = Formula(page, offset, formula_text, relation, heading, tag[1], reason)
    assumptions = _assumptions(page, rows["Assumes"])
    equation = Equation(formula, tag[1], rows, assumptions)
    if relation is not None and equation.is_definition:
        check_definition(page, equation)
    page.formulas.append(formula)
    page.equations[tag[1]] = equation


def _assumptions(page: Page, cell: Cell) -> tuple[Relation, ...]:
    """Parse the formulas of the row Assumes; other conditions are refused."""
    words = cell.text
    for latex in cell.formulas:
        words = words.replace(f"$`{latex.text}`$", "", 1)
    unread = re.search(r"\\|[<>=]", words)
    if unread:
        way = f"{unread[0]} in Assumes is not parsed. Write a condition as $`0 \\le s < t`$"
        raise page.wrong(page.line_start(cell.offset), way)
    return tuple(_parsed(page, latex.offset, latex.text) for latex in cell.formulas)


def check_definition(page: Page, equation: Equation) -> None:
    """Refuse a definition whose left side differs from the symbol table in an index."""
    assert equation.relation is not None
    left = equation.relation.members[0]
    name = left.name if isinstance(left, Symbol) else ""
    if name in page.patterns and left != page.patterns[name]:
        raise page.wrong(
            equation.formula.offset,
            f"{equation.name} defines {name} with other indices or arguments than the table of "
            "symbols shows; write its left side as in the table",
        )


def _rows(page: Page, section: Section) -> dict[str, Cell]:
    """Return the five rows under an equation, by name."""
    pairs = [(row[0].text, row[1]) for row in section.rows if len(row) == 2]
    table = [(name, cell) for name, cell in pairs if name in ROWS and cell.text]
    if tuple(name for name, _ in table) != ROWS:
        raise page.wrong(
            page.line_start(section.heading.offset),
            f"an equation has the rows {', '.join(ROWS)}, in this order, as | Code | - |; "
            f"found are {', '.join(name for name, _ in table) or 'none'}",
        )
    return dict(table)


def _declare(page: Page) -> set[Latex]:
    """Add every | $`symbol`$ | kind | meaning | of a table to the page; return the symbols."""
    symbols = set()
    rows = (row for section in page.sections for row in section.rows if len(row) > 2)
    for first, kind, *_ in rows:
        latex = next(iter(first.formulas), None)
        is_symbol = latex is not None and first.text == f"$`{latex.text}`$"
        if not is_symbol or not re.fullmatch(r"\w+", kind.text):
            continue
        try:
            symbol = parse_name(latex.text)
        except FormulaError as error:
            raise page.wrong(latex.offset + error.offset, str(error)) from None
        if kind.text not in KINDS:
            raise page.wrong(kind.offset, f"{kind.text} is not a kind. Kinds are {KINDS}")
        if page.declared.get(symbol.name, kind.text) != kind.text:
            raise page.wrong(
                latex.offset,
                f"{symbol.name} is a {page.declared[symbol.name]} in the table of all pages",
            )
        page.declared[symbol.name] = kind.text
        page.patterns[symbol.name] = symbol
        symbols.add(latex)
    return symbols


def _parsed(page: Page, offset: int, text: str) -> Relation:
    refused = REFUSED.search(text)
    if refused:
        raise page.wrong(offset + refused.start(), f"GitHub refuses {refused[0]}")
    try:
        return parse(text, page.declared)
    except FormulaError as error:
        where = shorten(text, 100)
        raise page.wrong(offset + error.offset, f"{error} (in {where})") from None
