"""Dependency graph of the equations: an arc for each row Uses, beside the list of equations."""

from collections.abc import Iterable, Mapping
from typing import Any

from ..checker.equations import Equation
from ..checker.links import anchor
from .outcomes import Outcome

ROW, TITLE, LEFT = 22, 40, 130  # pixels: a name, the space above a page's first, the widest arc
TEXT = LEFT + 22  # pixels: left end of the names


def graph(
    order: Iterable[str], named: Mapping[str, Equation], outcomes: Mapping[str, Outcome]
) -> dict[str, Any]:
    """Return the positions of names and arcs, for graph.html."""
    heights: dict[str, int] = {}
    headings, names, y = [], [], 0
    for stem in order:
        own = {name: each for name, each in named.items() if each.formula.page.stem == stem}
        if own:
            y += TITLE
            headings.append({"x": TEXT, "y": y, "text": stem})
        for name, equation in own.items():
            y += ROW
            heights[name] = y
            colour = outcomes[name].colour
            place = {"x": TEXT, "y": y, "anchor": anchor(name), "colour": colour}
            names.append({**place, "equation": equation})
    arcs = [
        {"used": used, "user": user, "path": _arc(heights[used], heights[user])}
        for user in heights
        for used in named[user].uses
    ]
    size = {"width": LEFT + 285, "height": y + ROW}
    return {**size, "arcs": arcs, "headings": headings, "names": names}


def _arc(start: int, end: int) -> str:
    right = LEFT + 4
    x = right - min(LEFT, 14 + abs(end - start) // 9)
    return f"M{right} {start}C{x} {start} {x} {end} {right} {end}"
