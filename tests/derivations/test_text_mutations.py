"""Typo mutations of the pages, which the checker of the derivations must catch."""

import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from hashlib import sha256

import pytest
from tqdm import tqdm

from derivations.checker import mutations, pages, prove, random_instances
from derivations.checker import syntax as s
from derivations.checker.evaluate import Undefined, evaluate
from property_tests.adapters.ddpm_core import DdpmCore
from property_tests.meta import pages as suite
from property_tests.meta.comparing import compare
from property_tests.meta.evaluation import Point
from property_tests.meta.evaluators import EVALUATORS

NAMED = pages.equations(pages.read_all())
prove.load()
SLOW = (s.Moment, s.Divergence, s.Integral)
POINTS = (  # the last one has an SNR above the clipping of the weights
    Point((0.1, 0.5, 0.3, 0.75), 1, 3, 0.5, -1.25, 0.75, 5, 3),
    Point((0.3, 0.2), 1, 2, -1.5, 2.0, 1.25, 3, 2),
    Point((0.25, 0.5, 0.125), 0, 2, 1.0, 0.5, -0.5, 4, 1),
    Point((0.25, 0.5, 0.125, 0.6), 2, 4, 1.0, 0.5, 2.0, 4, 1),
    Point((0.25, 0.5, 0.125, 0.6), 2, 3, 1.0, 0.5, 2.0, 4, 1),  # t < T
    Point((0.1, 0.25), 0, 1, 0.5, -1.0, 0.25, 3, 1),
)


def caught(mutant: mutations.Mutant, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return how the mutation is caught; an empty string means that it survived."""
    if mutant.equation is None:
        return "rejected"
    page = mutant.equation.formula.page
    if mutant.equation.is_definition:
        try:
            pages.check_definition(page, mutant.equation)
        except pages.PageError:
            return "rejected"
    changed = replace(page, equations={**page.equations, mutant.name: mutant.equation})
    known = NAMED | {
        name: replace(each, formula=replace(each.formula, page=changed))
        for name, each in changed.equations.items()
    }
    for each in sorted(dependents(mutant, known), key=is_slow):
        try:
            random_instances.check_formula(each.formula, known)
        except (random_instances.Counterexample, Undefined):
            return "counterexample"
        if each.name in EVALUATORS and not agrees(each.name, known, monkeypatch):
            return "differs from the code"
    try:
        prove.prove(known[mutant.name], known)
    except prove.Unproved:
        return "not proved"
    return ""


def dependents(
    mutant: mutations.Mutant, known: dict[str, pages.Equation]
) -> Iterator[pages.Equation]:
    """Yield the equation, then for a definition those on its page and those that use it."""
    own = known[mutant.name]
    for name, each in known.items():
        reached = each.formula.page is own.formula.page or mutant.name in each.uses
        if each.relation and (name == mutant.name or (own.is_definition and reached)):
            yield each


def is_slow(equation: pages.Equation) -> bool:
    return any(isinstance(node, SLOW) for node in s.walk(equation.relation))


def agrees(name: str, known: dict[str, pages.Equation], monkeypatch: pytest.MonkeyPatch) -> bool:
    """Return whether the library computes what the mutated text says, at all points."""
    with monkeypatch.context() as patch:
        patch.setattr(suite, "equations", lambda: known)
        for point in POINTS:
            try:
                compare(DdpmCore(), name, point)
            except (AssertionError, Undefined, ArithmeticError):
                return False
    return True


def is_equivalent(mutant: mutations.Mutant) -> bool:
    """Return whether the mutated right side has the same value in every random instance."""
    original, changed = NAMED[mutant.name], mutant.equation
    assert changed is not None
    assert original.relation is not None
    assert changed.relation is not None
    known = random_instances.definitions(original.formula.page, original, NAMED)
    for instance in random_instances.draw_instances(original.formula, original, known, 12):
        for before, after in zip(original.relation.members, changed.relation.members, strict=True):
            try:
                values = [evaluate(each, instance) for each in (before, after)]
            except (Undefined, ArithmeticError):
                return False
            pairs = zip(*[v if isinstance(v, tuple) else (v,) for v in values], strict=True)
            if any(abs(a - b) > 1e-40 * (1 + abs(a)) for a, b in pairs):
                return False
    return True


def chosen(count: int | None) -> Iterator[mutations.Mutant]:
    """Yield `count` mutations of each equation, selected by a hash of the text; all for None."""
    for equation in NAMED.values():
        if equation.relation is not None:
            found = list(mutations.mutants(equation))
            yield from sorted(found, key=lambda each: sha256(each.text.encode()).digest())[:count]


@pytest.mark.parametrize("stem", sorted({each.formula.page.stem for each in NAMED.values()}))
def test_typo_mutation_is_caught(stem: str, monkeypatch: pytest.MonkeyPatch):
    """One per equation; `python -m tests.derivations.test_text_mutations` tries all of them."""
    for mutant in chosen(1):
        if NAMED[mutant.name].formula.page.stem == stem:
            assert caught(mutant, monkeypatch) or is_equivalent(mutant), mutant


def test_there_are_enough_mutations():
    every = list(chosen(None))
    assert len(every) >= 1000
    assert len(list(chosen(1))) >= 100


def test_an_uncaught_mutation_is_reported(monkeypatch: pytest.MonkeyPatch):
    """Negative control: nothing catches the unchanged text."""
    equation = NAMED["posterior.mean"]
    unchanged = mutations.Mutant(equation.name, "none", equation.formula.text, equation, "")
    assert caught(unchanged, monkeypatch) == ""
    assert is_equivalent(unchanged)
    mutant = next(each for each in mutations.mutants(equation) if "root" in each.mutation)
    assert not is_equivalent(mutant)


def outcome(mutant: mutations.Mutant) -> str:
    with pytest.MonkeyPatch.context() as patch:
        return caught(mutant, patch) or ("equivalent" if is_equivalent(mutant) else "survived")


def main() -> int:
    """Try every mutation of every equation; return 1 if one that is not equivalent survives."""
    every = list(chosen(None))
    counts: Counter[str] = Counter()
    with ProcessPoolExecutor() as pool:
        found = tqdm(
            pool.map(outcome, every, chunksize=8), total=len(every), unit="mutation", disable=None
        )
        for mutant, how in zip(every, found, strict=True):
            counts[how] += 1
            if how in ("equivalent", "survived"):
                print(f"{how}: {mutant.name}, {mutant.mutation}: {' '.join(mutant.text.split())}")
    outcomes = ", ".join(f"{n} {how}" for how, n in counts.items())
    print(f"{sum(counts.values())} mutations: {outcomes}")
    return int(counts["survived"] > 0)


if __name__ == "__main__":
    sys.exit(main())
