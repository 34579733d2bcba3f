"""Whether a formula is so in random worlds that keep its assumptions."""

import random
from collections.abc import Iterator, Mapping

from . import meanings as meanings  # fills numeric.MEANINGS
from . import syntax as s
from .equations import Equation, Formula, Page
from .evaluate import Unsaid, evaluate
from .grids import DIGITS, log_normal, mp, mpf
from .numeric import Numbers

WORLDS = 6  # each draws its schedule, levels and numbers afresh
WORLDS_OF_INTEGRALS = 2  # a sum over a grid takes a while
TRIES = 4000


class Untrue(AssertionError):
    """A formula fails in a world."""


def definitions(
    page: Page, equation: Equation | None, named: Mapping[str, Equation]
) -> dict[str, s.Relation]:
    """What is defined, by the name on the left: on this page, or in an equation that is used."""
    used = [named[name] for name in (equation.uses if equation else ()) if name in named]
    found = {}
    for each in (*used, *page.equations.values()):
        left = each.relation.members[0] if each.relation else None
        if each.is_definition and isinstance(left, s.Symbol):
            assert each.relation is not None
            found[left.name] = each.relation
    return found


def worlds(
    formula: Formula,
    equation: Equation | None,
    known: Mapping[str, s.Relation],
    count: int = WORLDS,
) -> Iterator[Numbers]:
    """Worlds in which the assumptions of the equation hold."""
    assumptions = equation.assumptions if equation else ()
    declared = formula.page.declared
    found = 0
    for attempt in range(TRIES):
        world = _draw(f"{formula.page.stem} {formula.text} {attempt}", declared, known)
        wanted = found % 2 or attempt > TRIES / 2 or _is_general(world)
        if wanted and all(holds(each, world) for each in assumptions):
            yield world
            found += 1
            if found == count:
                return
    raise Unsaid(f"no world keeps the assumptions of {equation.name if equation else 'the page'}")


def _is_general(world: Numbers) -> bool:
    """Whether no two of 0, s, t - 1, t and T are the same level, so that no slip hides."""
    s, t, T = (world.levels[name] for name in "stT")
    return len({0, s, t - 1, t, T}) == 5


def _draw(seed: str, declared: Mapping[str, str], known: Mapping[str, s.Relation]) -> Numbers:
    chance = random.Random(seed)
    T = chance.choice([2, 4, 5])
    t = chance.randint(1, T)
    levels = {name: chance.randint(0, T) for name, kind in declared.items() if kind == "level"}
    levels |= {"T": T, "t": t, "s": chance.randint(0, t - 1), "K": chance.randint(1, 3)}
    betas = tuple(mpf(round(chance.uniform(0.05, 0.9), 6)) for _ in range(T))
    weights = [chance.uniform(0.2, 1) for _ in range(levels["K"])]
    data = tuple(
        (
            mpf(w) / sum(map(mpf, weights)),
            mpf(round(chance.uniform(-1.5, 1.5), 6)),
            mpf(round(chance.uniform(0.1, 1.2), 6)),
        )
        for w in weights
    )
    return Numbers(seed, levels, betas, data, declared, known)


def holds(relation: s.Relation, world: Numbers) -> bool:
    """Whether every sign of the relation is right in this world; what has no meaning is not."""
    try:
        check(relation, world)
    except (Untrue, Unsaid, ArithmeticError):
        return False
    return True


def check(relation: s.Relation, world: Numbers) -> None:
    """Raise Untrue where two members do not compare as their sign says."""
    values = [_value(member, relation, world) for member in relation.members]
    for left, sign, right in zip(values, relation.signs, values[1:], strict=False):
        size = max(mpf(1), abs(left), abs(right))
        apart = abs(left - right) > size * mpf(10) ** -DIGITS
        true = {
            "=": not apart,
            "<": apart and left < right,
            ">": apart and left > right,
            "<=": left <= right or not apart,
            ">=": left >= right or not apart,
        }[sign]
        if not true:
            raise Untrue(
                f"it comes to {mp.nstr(left, 12)} {sign} {mp.nstr(right, 12)} at "
                + ", ".join(f"{name} = {level}" for name, level in world.levels.items())
                + f", betas {', '.join(mp.nstr(beta, 6) for beta in world.betas)}"
            )


def _value(member: s.Node, relation: s.Relation, world: Numbers) -> mpf:
    """A number; of a Gaussian its log density where the density beside it is taken."""
    value = evaluate(member, world)
    beside = [each for each in relation.members if isinstance(each, s.Symbol) and each.arguments]
    if isinstance(value, tuple):
        if not beside:
            raise Unsaid("a law with no density beside it")
        return log_normal(evaluate(beside[0].arguments[0], world), *value)
    if any(isinstance(each, s.Gaussian) for each in relation.members):
        return mp.log(value)
    return value


def states(relation: s.Relation, declared: Mapping[str, str]) -> bool:
    """Whether it says something, or only chooses levels, as s = t - 1 does."""
    named = {each.name for each in s.symbols(relation)}
    chooses = bool(named) and all(declared.get(name) == "level" for name in named)
    return bool(relation.signs) and not chooses


def examine(formula: Formula, named: Mapping[str, Equation]) -> None:
    """Raise Untrue, naming the place, unless the formula holds in every world.

    `named` are the equations of all pages.
    """
    relation = formula.relation
    if relation is None or not states(relation, formula.page.declared):
        return
    equation = formula.page.equations.get(formula.equation or "")
    known = definitions(formula.page, equation, named)
    integrals = (s.Moment, s.Divergence, s.Integral)
    slow = any(isinstance(each, integrals) for each in s.walk(relation))
    try:
        for world in worlds(formula, equation, known, WORLDS_OF_INTEGRALS if slow else WORLDS):
            check(relation, world)
    except Untrue as error:
        name = f"{formula.tag} " if formula.tag else ""
        raise Untrue(f"{formula.where}: {name}is not so: {error}") from None
    except Exception as error:  # whatever it is, its place has to be said
        raise Unsaid(f"{formula.where}: {' '.join(formula.text.split())}: {error}") from None
