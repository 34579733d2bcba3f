"""Reads a page strictly: its symbols, its named equations with their rows, every other formula."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import shorten

from .equations import Equation, Formula, Page, PageError
from .parser import parse, parse_name
from .syntax import Relation, Symbol
from .tokens import FormulaError
from .vocabulary import KINDS

HERE = Path(__file__).resolve().parent.parent
ROWS = ("Assumes", "Uses", "Code", "Checked by", "Source")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| (Assumes|Uses|Code|Checked by|Source) \| (.*) \|$", re.MULTILINE)
INLINE = re.compile(r"\$`(.+?)`\$", re.DOTALL)
TAG = re.compile(r"\\tag\{([^}]*)\}")
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*\.[a-z0-9]+(?:-[a-z0-9]+)*")
PROSE = re.compile(r"prose: (?P<reason>.{12,})")
FOLDS = ("<details>", "</details>", "<summary>", "</summary>")
REFUSED = re.compile(  # by GitHub, or by KaTeX in a tag
    r"\\(?:operatorname|newcommand|def|label|ref|mbox|phantom|eqref|require)(?![A-Za-z])"
)


def read_all(folder: Path = HERE) -> dict[str, Page]:
    """Every page by its stem; README.md declares what all share."""
    readme = read(folder / "README.md", {})
    pages = {"README": readme}
    for path in sorted(folder.glob("*.md")):
        if path.stem != "README":
            if not re.fullmatch(r"[a-z][a-z_]*", path.stem) or path.stem in ("index", "graph"):
                raise PageError(f"derivations/{path.name}: a page has the name of a module")
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
    """Every equation by its name."""
    return {name: each for page in pages.values() for name, each in page.equations.items()}


def read(path: Path, shared: Mapping[str, str], text: str | None = None) -> Page:
    """The page at `path`, or the page that it would be with `text`; raises PageError."""
    page = Page(path, _text(path) if text is None else text, dict(shared))
    _refuse_other_math(page)
    blocks = list(_fenced(page))
    declarations = _declare(page)
    for start, end, heading in _sections(page):
        rows = _rows(page, start, end) if heading else {}
        for offset, body, tagged in blocks:
            if start <= offset < end:
                _take_display(page, offset, body, tagged, heading, rows)
        for match in INLINE.finditer(page.text, start, end):
            inside = any(offset <= match.start() < offset + len(body) for offset, body, _ in blocks)
            if not inside and match.start() not in declarations:
                relation = _parsed(page, match.start(1), match[1])
                page.formulas.append(Formula(page, match.start(1), match[1], relation, heading))
        if heading and heading not in page.equations:
            raise page.wrong(start, f"the section {heading} holds no block with \\tag{{{heading}}}")
    return page


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise PageError(f"derivations/{path.name}: it cannot be read: {error.strerror}") from None
    try:
        return data.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        good = Page(path, data[: error.start].decode("utf-8"), {})
        byte = f"0x{data[error.start]:02x}"
        raise good.wrong(error.start, f"the byte {byte} is no UTF-8; save it as UTF-8") from None


def _sections(page: Page) -> Iterator[tuple[int, int, str | None]]:
    """(start, end, name of the equation or None) of what stands under each heading."""
    starts = [match.start() for match in re.finditer(r"^#{1,3} .*$", page.text, re.MULTILINE)]
    for start, end in zip([0, *starts], [*starts, len(page.text)], strict=True):
        title = page.text[start:end].partition("\n")[0]
        if not title.startswith("### "):
            yield start, end, None
            continue
        name = title.removeprefix("### ").strip()
        prefix = page.stem.replace("_", "-")
        if not NAME.fullmatch(name) or not name.startswith(f"{prefix}."):
            raise page.wrong(
                start + 4,
                f"{name!r} is no name of an equation of this page; write ### {prefix}.NAME with "
                "small letters, figures and hyphens",
            )
        yield start, end, name


def _fenced(page: Page) -> Iterator[tuple[int, str, bool]]:
    """(offset of the body, body, whether it is tagged) of each math block."""
    for match in FENCE.finditer(page.text):
        if match[1] == "math":
            yield match.start(2), match[2], bool(TAG.search(match[2]))


def _take_display(
    page: Page, offset: int, body: str, tagged: bool, heading: str | None, rows: dict[str, str]
) -> None:
    before = page.text[:offset].rstrip().removesuffix("```math").rstrip()
    comment = before[before.rfind("\n") + 1 :]
    marked = PROSE.search(comment) if comment.startswith("<!--") else None
    if not tagged:
        reason = marked["reason"].removesuffix("-->").strip() if marked else ""
        relation = None if reason else _parsed(page, offset, body)
        page.formulas.append(Formula(page, offset, body, relation, heading, prose=reason))
        return
    tag = TAG.search(body)
    assert tag is not None
    if tag[1] != heading:
        raise page.wrong(
            offset + tag.start(1),
            f"the tag {tag[1]} stands under the heading {heading or '(none)'}",
        )
    if tag[1] in page.equations:
        raise page.wrong(offset + tag.start(1), f"{tag[1]} has two blocks")
    reason_row = PROSE.match(rows["Checked by"])
    reason = reason_row["reason"] if reason_row else ""
    formula_text = body[: tag.start()].rstrip()
    if body[tag.end() :].replace(r"\end{aligned}", "").strip():
        raise page.wrong(offset + tag.end(), "the tag stands at the end of its block")
    relation = None if reason else _parsed(page, offset, formula_text)
    if relation is not None and not relation.signs:
        raise page.wrong(offset, f"{tag[1]} states nothing: it has no =, < or \\le")
    formula = Formula(page, offset, formula_text, relation, heading, tag[1], reason)
    start = page.text.find("| Assumes |", offset)
    unread = re.search(r"\\|[<>=]", INLINE.sub("", rows["Assumes"]))
    if unread:
        way = f"{unread[0]} in Assumes is read by nobody; write a condition as $`0 \\le s < t`$"
        raise page.wrong(start, way)
    assumptions = tuple(
        _parsed(page, start + match.start(1), match[1])
        for match in INLINE.finditer(page.text[start : page.text.index("\n", start)])
    )
    equation = Equation(formula, tag[1], rows, assumptions)
    if relation is not None and equation.is_definition:
        check_definition(page, equation)
    page.formulas.append(formula)
    page.equations[tag[1]] = equation


def check_definition(page: Page, equation: Equation) -> None:
    """Refuse one whose left side is not the symbol of the table, index for index."""
    assert equation.relation is not None
    left = equation.relation.members[0]
    name = left.name if isinstance(left, Symbol) else ""
    if name in page.patterns and left != page.patterns[name]:
        raise page.wrong(
            equation.formula.offset,
            f"{equation.name} defines {name} with other indices or arguments than the table of "
            "symbols shows; write its left side as it stands there",
        )


def _rows(page: Page, start: int, end: int) -> dict[str, str]:
    """The five rows under an equation."""
    table = ROW.findall(page.text, start, end)
    if tuple(name for name, _ in table) != ROWS:
        raise page.wrong(
            start,
            f"an equation has the rows {', '.join(ROWS)}, in this order, as | Code | - |; "
            f"found are {', '.join(name for name, _ in table) or 'none'}",
        )
    return dict(table)


def _declare(page: Page) -> set[int]:
    """Take | $`symbol`$ | kind | meaning | from the table of symbols; returns where they are."""
    places = set()
    for match in re.finditer(r"^\| \$`(.+?)`\$ \| (\w+) \| .+ \|$", page.text, re.MULTILINE):
        try:
            symbol = parse_name(match[1])
        except FormulaError as error:
            raise page.wrong(match.start(1) + error.offset, str(error)) from None
        if match[2] not in KINDS:
            raise page.wrong(match.start(2), f"{match[2]} is no kind; it is one of {KINDS}")
        if page.declared.get(symbol.name, match[2]) != match[2]:
            raise page.wrong(
                match.start(1),
                f"{symbol.name} is a {page.declared[symbol.name]} in the table of all pages",
            )
        page.declared[symbol.name] = match[2]
        page.patterns[symbol.name] = symbol
        places.add(match.start() + 2)
    return places


def _parsed(page: Page, offset: int, text: str) -> Relation:
    refused = REFUSED.search(text)
    if refused:
        raise page.wrong(offset + refused.start(), f"GitHub refuses {refused[0]}")
    try:
        return parse(text, page.declared)
    except FormulaError as error:
        where = shorten(text, 100)
        raise page.wrong(offset + error.offset, f"{error} (in {where})") from None


def _refuse_other_math(page: Page) -> None:
    """Whatever else would be set as a formula, or would swallow one, and be read by nobody."""
    rest = FENCE.sub(
        lambda m: m[0] if m[1] != "math" and "math" in m[1].lower() else " " * len(m[0]), page.text
    )
    rest = INLINE.sub(lambda m: " " * len(m[0]), rest)
    for match in re.finditer(r"</?(\w+)[^>]*>|^\[[^\]]+\]:|\]\([^)\n]* [^)\n]*\)|\]\[", rest, re.M):
        if match[0] not in FOLDS:
            way = "write [text](page.md#place), and no HTML but details and summary"
            raise page.wrong(match.start(), f"{match[0]} is not checked by anyone: {way}")
    for match in re.finditer(r"\$|^[ \t]*(```|~~~)", rest, re.MULTILINE):
        way = "write $`...`$ in a line, or a block from ```math to ```"
        raise page.wrong(match.start(), f"{match[0]} begins nothing that is read; {way}")
