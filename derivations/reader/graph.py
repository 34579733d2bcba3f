"""Which equation is proved from which: an arc for each row Uses, beside the list of all of them."""

from collections.abc import Iterable, Mapping

from ..checker.equations import Equation
from ..checker.links import anchor
from .markdown import html_name
from .outcomes import Outcome

ROW, TITLE, LEFT = 22, 40, 130  # pixels: a name, the space above a page's first, the widest arc


def graph(
    order: Iterable[str], named: Mapping[str, Equation], outcomes: Mapping[str, Outcome]
) -> str:
    """SVG, and the CSS that lights up the arcs of the name under the pointer or in the address."""
    heights: dict[str, int] = {}
    names, y = [], 0
    for stem in order:
        own = [name for name, each in named.items() if each.formula.page.stem == stem]
        if own:
            y += TITLE
            names.append(f'<text class="page" x="{LEFT + 22}" y="{y}">{stem}</text>')
        for name in own:
            y += ROW
            heights[name] = y
            names.append(
                f'<a id="{anchor(name)}" href="{html_name(stem)}#{anchor(name)}">'
                f'<circle class="{outcomes[name].colour}" cx="{LEFT + 10}" cy="{y}" r="5">'
                f"<title>{outcomes[name].colour}</title></circle>"
                f'<text x="{LEFT + 22}" y="{y + 5}">{name}</text></a>'
            )
    arcs = [
        f'<path data-from="{used}" data-to="{user}" d="{_arc(heights[used], heights[user])}"/>'
        for user in heights
        for used in named[user].uses
    ]
    return (
        f'<svg viewBox="0 0 {LEFT + 285} {y + ROW}" aria-label="what follows from what">'
        f'<g fill="none">{"".join(arcs)}</g>{"".join(names)}</svg>'
        f"<style>{''.join(map(_lit, heights))}</style>"
    )


def _arc(start: int, end: int) -> str:
    right = LEFT + 4
    x = right - min(LEFT, 14 + abs(end - start) // 9)
    return f"M{right} {start}C{x} {start} {x} {end} {right} {end}"


def _lit(name: str) -> str:
    """What it is proved from in one colour, what is proved from it in the other."""
    here = f"svg:has(#{anchor(name)}:is(:hover,:focus,:target))"
    return (
        f'{here} [data-to="{name}"]{{stroke:var(--from);stroke-width:2.5;opacity:1}}'
        f'{here} [data-from="{name}"]{{stroke:var(--to);stroke-width:2.5;opacity:1}}'
    )
