"""Status table of the derivations: how each equation is checked."""

import re
from collections import Counter
from collections.abc import Mapping

from .equations import Equation, Page, PageError
from .links import anchor
from .prove import prove

PROOFS = ("definition", "derivation", "calculation", "z3", "prose")
BLOCK = re.compile(r"(?<=<!-- status -->\n).*?(?=<!-- /status -->)", re.DOTALL)


def proof_methods(named: Mapping[str, Equation]) -> dict[str, str]:
    """Return how each equation is proved; raises Unproved at the first that is not."""
    return {name: prove(equation, named) for name, equation in named.items()}


def table(pages: Mapping[str, Page], methods: Mapping[str, str]) -> str:
    """Return the counts by page, then every equation."""
    lines = [
        f"| Page | Equations | {' | '.join(PROOFS)} | with code | other formulas |",
        f"|---|{'---|' * (len(PROOFS) + 3)}",
    ]
    total: Counter[str] = Counter()
    for stem, page in sorted(pages.items()):
        if not page.equations:
            continue
        counts = Counter(methods[name] for name in page.equations)
        counts["all"] = len(page.equations)
        counts["code"] = sum(bool(each.code) for each in page.equations.values())
        counts["other"] = len(page.formulas) - len(page.equations)
        total += counts
        lines.append(_row(f"[{stem}]({stem}.md)", counts))
    lines.append(_row("all", total))
    checked = total["all"] - total["prose"]
    summary = (
        f"{checked} of {total['all']} equations ({checked / total['all']:.1%}) are machine-checked."
    )
    listing = ["| Equation | Proved by | Code |", "|---|---|---|"]
    for stem, page in sorted(pages.items()):
        for name, equation in page.equations.items():
            code = ", ".join(f"`{each}`" for each in equation.code) or "-"
            listing.append(f"| [{name}]({stem}.md#{anchor(name)}) | {methods[name]} | {code} |")
    return "\n".join(["", *lines, "", summary, "", *listing, "", ""])


def _row(first: str, counts: Counter[str]) -> str:
    cells = [
        first,
        counts["all"],
        *(counts[each] for each in PROOFS),
        counts["code"],
        counts["other"],
    ]
    return f"| {' | '.join(map(str, cells))} |"


def current_table(readme: str) -> str:
    """Return the status table that README.md contains."""
    found = BLOCK.search(readme)
    if found is None:
        raise PageError(
            "derivations/README.md:1:1: <!-- status --> ... <!-- /status --> is missing"
        )
    return found[0]


def with_table(readme: str, table: str) -> str:
    """Return the README with another table; raises PageError if it has none."""
    current_table(readme)
    return BLOCK.sub(lambda _: table, readme)
