"""Numerical check of a formula in random instances that satisfy its assumptions."""

import random
from collections.abc import Iterator, Mapping

from . import core_symbols as core_symbols  # fills numeric.CORE_SYMBOLS
from . import syntax as s
from .equations import Equation, Formula, Page
from .evaluate import Undefined, evaluate
from .numeric import RandomInstance
from .quadrature import DIGITS, gaussian_log_density, mp, mpf

INSTANCES = 6  # each with its own schedule, timesteps and numbers
INSTANCES_OF_INTEGRALS = 2  # a sum over a grid is slow
TRIES = 4000


class Counterexample(AssertionError):
    """A random instance in which a formula does not hold."""


def definitions(
    page: Page, equation: Equation | None, named: Mapping[str, Equation]
) -> dict[str, s.Relation]:
    """Return the definitions on this page and in the equations used, by the name they define."""
    used = [named[name] for name in (equation.uses if equation else ()) if name in named]
    found = {}
    for each in (*used, *page.equations.values()):
        left = each.relation.members[0] if each.relation else None
        if each.is_definition and isinstance(left, s.Symbol):
            assert each.relation is not None
            found[left.name] = each.relation
    return found


def draw_instances(
    formula: Formula,
    equation: Equation | None,
    known: Mapping[str, s.Relation],
    count: int = INSTANCES,
) -> Iterator[RandomInstance]:
    """Yield random instances that satisfy the assumptions of the equation."""
    assumptions = equation.assumptions if equation else ()
    declared = formula.page.declared
    found = 0
    for attempt in range(TRIES):
        instance = _draw(f"{formula.page.stem} {formula.text} {attempt}", declared, known)
        wanted = found % 2 or attempt > TRIES / 2 or _is_general(instance)
        if wanted and all(holds(each, instance) for each in assumptions):
            yield instance
            found += 1
            if found == count:
                return
    subject = equation.name if equation else "the page"
    raise Undefined(f"no random instance satisfies the assumptions of {subject}")


def _is_general(instance: RandomInstance) -> bool:
    """Whether 0, s, t - 1, t and T are all different, so that no typo mutation is hidden."""
    s, t, T = (instance.integers[name] for name in "stT")
    return len({0, s, t - 1, t, T}) == 5


def _draw(
    seed: str, declared: Mapping[str, str], known: Mapping[str, s.Relation]
) -> RandomInstance:
    rng = random.Random(seed)
    T = rng.choice([2, 4, 5])
    t = rng.randint(1, T)
    integers = {name: rng.randint(0, T) for name, kind in declared.items() if kind == "integer"}
    integers |= {"T": T, "t": t, "s": rng.randint(0, t - 1), "K": rng.randint(1, 3)}
    betas = tuple(mpf(round(rng.uniform(0.05, 0.9), 6)) for _ in range(T))
    weights = [rng.uniform(0.2, 1) for _ in range(integers["K"])]
    data = tuple(
        (
            mpf(w) / sum(map(mpf, weights)),
            mpf(round(rng.uniform(-1.5, 1.5), 6)),
            mpf(round(rng.uniform(0.1, 1.2), 6)),
        )
        for w in weights
    )
    return RandomInstance(seed, integers, betas, data, declared, known)


def holds(relation: s.Relation, instance: RandomInstance) -> bool:
    """Return whether the relation holds in this instance; an undefined relation does not."""
    try:
        check(relation, instance)
    except (Counterexample, Undefined, ArithmeticError):
        return False
    return True


def check(relation: s.Relation, instance: RandomInstance) -> None:
    """Raise Counterexample if two neighbouring members violate the sign between them."""
    values = [_value(member, relation, instance) for member in relation.members]
    for left, sign, right in zip(values, relation.signs, values[1:], strict=False):
        size = max(mpf(1), abs(left), abs(right))
        differ = abs(left - right) > size * mpf(10) ** -DIGITS
        true = {
            "=": not differ,
            "<": differ and left < right,
            ">": differ and left > right,
            "<=": left <= right or not differ,
            ">=": left >= right or not differ,
        }[sign]
        if not true:
            raise Counterexample(
                f"its sides are {mp.nstr(left, 12)} {sign} {mp.nstr(right, 12)} at "
                + ", ".join(f"{name} = {value}" for name, value in instance.integers.items())
                + f", betas {', '.join(mp.nstr(beta, 6) for beta in instance.betas)}"
            )


def _value(member: s.Node, relation: s.Relation, instance: RandomInstance) -> mpf:
    """Return a number; for a Gaussian, its log density at the density it is compared with."""
    value = evaluate(member, instance)
    densities = [each for each in relation.members if isinstance(each, s.Symbol) and each.arguments]
    if isinstance(value, tuple):
        if not densities:
            raise Undefined("a distribution that is not compared with a density")
        return gaussian_log_density(evaluate(densities[0].arguments[0], instance), *value)
    if any(isinstance(each, s.Gaussian) for each in relation.members):
        return mp.log(value)
    return value


def states(relation: s.Relation, declared: Mapping[str, str]) -> bool:
    """Return whether the relation can be false; s = t - 1 only chooses timesteps."""
    named = {each.name for each in s.symbols(relation)}
    chooses = bool(named) and all(declared.get(name) == "integer" for name in named)
    return bool(relation.signs) and not chooses


def check_formula(formula: Formula, named: Mapping[str, Equation]) -> None:
    """Raise Counterexample, with the position, unless the formula holds in all random instances.

    `named` holds the equations of all pages.
    """
    relation = formula.relation
    if relation is None or not states(relation, formula.page.declared):
        return
    equation = formula.page.equations.get(formula.equation or "")
    definitions_here = definitions(formula.page, equation, named)
    integrals = (s.Moment, s.Divergence, s.Integral)
    has_integral = any(isinstance(each, integrals) for each in s.walk(relation))
    count = INSTANCES_OF_INTEGRALS if has_integral else INSTANCES
    try:
        for instance in draw_instances(formula, equation, definitions_here, count):
            check(relation, instance)
    except Counterexample as error:
        name = f"{formula.tag} " if formula.tag else ""
        raise Counterexample(f"{formula.where}: {name}does not hold: {error}") from None
    except Exception as error:  # whatever the cause, report its position
        raise Undefined(f"{formula.where}: {' '.join(formula.text.split())}: {error}") from None
