"""Slips of the pen in the pages: what the machinery of the derivations has to notice."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from hashlib import sha256

import pytest
from tqdm import tqdm

from derivations.checker import mutations, pages, prove, worlds
from derivations.checker import syntax as s
from derivations.checker.evaluate import Unsaid, evaluate
from property_tests.adapters.ddpm_core import DdpmCore
from property_tests.meta import pages as suite
from property_tests.meta.answers import ASK
from property_tests.meta.asking import Point
from property_tests.meta.test_derivations import compare

NAMED = pages.equations(pages.read_all())
prove.load()
SLOW = (s.Moment, s.Divergence, s.Integral)
POINTS = (
    Point((0.1, 0.5, 0.3, 0.75), 1, 3, 0.5, -1.25, 0.75, 5, 3),
    Point((0.3, 0.2), 1, 2, -1.5, 2.0, 1.25, 3, 2),
    Point((0.25, 0.5, 0.125), 0, 2, 1.0, 0.5, -0.5, 4, 1),
    Point((0.25, 0.5, 0.125, 0.6), 2, 4, 1.0, 0.5, 2.0, 4, 1),
    Point((0.25, 0.5, 0.125, 0.6), 2, 3, 1.0, 0.5, 2.0, 4, 1),  # with a level above t
    Point((0.1, 0.25), 0, 1, 0.5, -1.0, 0.25, 3, 1),  # with an SNR above the cap of the weights
)


def caught(mutant: mutations.Mutant, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the slip is noticed: refused, untrue in a world, other than the code, or not proved."""
    if mutant.equation is None:
        return "refused"
    page = mutant.equation.formula.page
    if mutant.equation.is_definition:
        try:
            pages.check_definition(page, mutant.equation)
        except pages.PageError:
            return "refused"
    changed = replace(page, equations={**page.equations, mutant.name: mutant.equation})
    known = NAMED | {
        name: replace(each, formula=replace(each.formula, page=changed))
        for name, each in changed.equations.items()
    }
    for each in sorted(dependents(mutant, known), key=takes_long):
        try:
            worlds.examine(each.formula, known)
        except (worlds.Untrue, Unsaid):
            return "untrue"
        if each.name in ASK and not agrees(each.name, known, monkeypatch):
            return "other than the code"
    try:
        prove.prove(known[mutant.name], known)
    except prove.Unproved:
        return "not proved"
    return ""


def dependents(
    mutant: mutations.Mutant, known: dict[str, pages.Equation]
) -> Iterator[pages.Equation]:
    """The equation itself, then those that a definition reaches: on its page, and by their Uses."""
    own = known[mutant.name]
    for name, each in known.items():
        reached = each.formula.page is own.formula.page or mutant.name in each.uses
        if each.relation and (name == mutant.name or (own.is_definition and reached)):
            yield each


def takes_long(equation: pages.Equation) -> bool:
    return any(isinstance(node, SLOW) for node in s.walk(equation.relation))


def agrees(name: str, known: dict[str, pages.Equation], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the library computes what the changed text says, at each of the points."""
    with monkeypatch.context() as patch:
        patch.setattr(suite, "equations", lambda: known)
        for point in POINTS:
            try:
                compare(DdpmCore(), name, point)
            except (AssertionError, Unsaid, ArithmeticError):
                return False
    return True


def says_the_same(mutant: mutations.Mutant) -> bool:
    """Whether the changed right side is the same number in every world: no meaning was lost."""
    original, changed = NAMED[mutant.name], mutant.equation
    assert changed is not None
    assert original.relation is not None
    assert changed.relation is not None
    known = worlds.definitions(original.formula.page, original, NAMED)
    for world in worlds.worlds(original.formula, original, known, 12):
        for before, after in zip(original.relation.members, changed.relation.members, strict=True):
            try:
                values = [evaluate(each, world) for each in (before, after)]
            except (Unsaid, ArithmeticError):
                return False
            pairs = zip(*[v if isinstance(v, tuple) else (v,) for v in values], strict=True)
            if any(abs(a - b) > 1e-40 * (1 + abs(a)) for a, b in pairs):
                return False
    return True


def chosen(count: int | None) -> Iterator[mutations.Mutant]:
    """`count` slips of each equation, those that a hash of the text puts first; all for None."""
    for equation in NAMED.values():
        if equation.relation is not None:
            found = list(mutations.mutants(equation))
            yield from sorted(found, key=lambda each: sha256(each.text.encode()).digest())[:count]


@pytest.mark.parametrize("stem", sorted({each.formula.page.stem for each in NAMED.values()}))
def test_a_slip_of_the_pen_is_caught(stem: str, monkeypatch: pytest.MonkeyPatch):
    """One of each equation; `python -m tests.derivations.test_text_mutations` tries them all."""
    for mutant in chosen(1):
        if NAMED[mutant.name].formula.page.stem == stem:
            assert caught(mutant, monkeypatch) or says_the_same(mutant), mutant


def test_there_are_enough_slips():
    every = list(chosen(None))
    assert len(every) >= 1000
    assert len(list(chosen(1))) >= 100


def test_an_uncaught_slip_would_be_reported(monkeypatch: pytest.MonkeyPatch):
    """The judges have to be able to say no: the text itself is caught by nothing."""
    equation = NAMED["posterior.mean"]
    unchanged = mutations.Mutant(equation.name, "none", equation.formula.text, equation, "")
    assert caught(unchanged, monkeypatch) == ""
    assert says_the_same(unchanged)
    slip = next(each for each in mutations.mutants(equation) if "root" in each.slip)
    assert not says_the_same(slip)


def judged(mutant: mutations.Mutant) -> str:
    with pytest.MonkeyPatch.context() as patch:
        return caught(mutant, patch) or ("says the same" if says_the_same(mutant) else "unseen")


def main() -> int:
    """Every slip of every equation; 1 if one that changes the meaning goes unseen."""
    every = list(chosen(None))
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor() as pool:
        found = tqdm(
            pool.map(judged, every, chunksize=8), total=len(every), unit="slip", disable=None
        )
        for mutant, how in zip(every, found, strict=True):
            counts[how] += 1
            if how in ("says the same", "unseen"):
                print(f"{how}: {mutant.name}, {mutant.slip}: {' '.join(mutant.text.split())}")
    print(f"{sum(counts.values())} slips: {', '.join(f'{n} {how}' for how, n in counts.items())}")
    return int(counts["unseen"] > 0)


if __name__ == "__main__":
    sys.exit(main())
