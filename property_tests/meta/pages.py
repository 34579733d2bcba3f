"""Access to the derivations: next to the suite in a checkout, inside the package in a wheel."""

import importlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from ..oracles.exact import mpf
from ..protocol import Betas

_HOME = __package__.rpartition("property_tests")[0]  # "" or "ddpm_core."
_pages = importlib.import_module(f"{_HOME}derivations.checker.pages")
_random_instances = importlib.import_module(f"{_HOME}derivations.checker.random_instances")
_numeric = importlib.import_module(f"{_HOME}derivations.checker.numeric")
_syntax = importlib.import_module(f"{_HOME}derivations.checker.syntax")
_evaluate = importlib.import_module(f"{_HOME}derivations.checker.evaluate").evaluate
Values = dict[tuple[Any, ...], Any]


class Text(NamedTuple):
    """The value of the right side of an equation, and the sum of its absolute terms."""

    exact: mpf
    size: mpf


@lru_cache(maxsize=1)
def equations() -> dict[str, Any]:
    """Return every named equation of the pages."""
    return dict(_pages.equations(_pages.read_all()))


def with_code() -> Iterator[str]:
    """Yield the equations that define the output of a function."""
    for name, equation in equations().items():
        if equation.code and equation.relation and equation.relation.signs[0] == "=":
            yield name


def is_distribution(name: str) -> bool:
    """Return whether the right side is a Gaussian distribution."""
    return isinstance(equations()[name].relation.members[-1], _syntax.Gaussian)


def instance(name: str, betas: Betas, integers: dict[str, int], values: Values) -> Any | None:
    """Return the instance for evaluation; None if an assumption does not hold."""
    equation = equations()[name]
    page = equation.formula.page
    known = _random_instances.definitions(page, equation, equations())
    number = _numeric.mpf  # of the context in which it is evaluated
    fixed = {key: number(value) for key, value in values.items()}
    data = ((number(1), number(0), number(1)),)
    spec = tuple(map(number, betas))
    found = _numeric.RandomInstance(name, integers, spec, data, page.declared, known, fixed)
    return (
        found
        if all(_random_instances.holds(each, found) for each in equation.assumptions)
        else None
    )


def text(name: str, where: Any, part: int | None = None) -> Text:
    """Evaluate the right side; `part` 0 or 1 is the mean or the variance of a distribution."""
    side = equations()[name].relation.members[1]
    if part is not None:
        side = (side.mean, side.variance)[part]
    return Text(_evaluate(side, where), size(_derived(name, side), where))


def _derived(name: str, side: Any) -> Any:
    """Return what an equation in use derives `side` to be, whose terms rounding acts on."""
    for used in equations()[name].uses:
        relation = equations()[used].relation
        if relation and relation.signs[0] == "=" and relation.members[0] == side:
            return relation.members[1]
    return side


def conditions(name: str, where: Any) -> tuple[int, list[int]]:
    """Return the timestep of a distribution and the timesteps it is conditioned on."""
    left = equations()[name].relation.members[0]
    target, *given = (where.integer(each.index[0]) for each in (*left.arguments, *left.given))
    return target, given


def coefficients(name: str, where: Any, given: list[int]) -> dict[int, float]:
    """Return the coefficients of the mean, which is linear in the conditioning states."""
    zeros: Values = {("x", (timestep,), ()): mpf(0) for timestep in given}
    found = {}
    for timestep in given:
        unit = zeros | {("x", (timestep,), ()): mpf(1)}
        found[timestep] = float(text(name, replace(where, fixed=where.fixed | unit), 0).exact)
    return found


def size(node: Any, where: Any) -> mpf:
    """Return the sum of the absolute terms of a formula, at any depth."""
    match node:
        case _syntax.Sum(terms):
            return sum(size(term, where) for _, term in terms)
        case _syntax.Product(factors):
            total = mpf(1)
            for factor in factors:
                total *= size(factor, where)
            return total
        case _syntax.Quotient(numerator, denominator):
            return size(numerator, where) / abs(_evaluate(denominator, where))
        case _syntax.Power(base, exponent) if isinstance(exponent, _syntax.Number):
            return size(base, where) ** int(exponent.value)
        case _syntax.Symbol() if _is_defined(node, where):
            return size(where.definitions[node.name].members[1], where)
    return abs(_evaluate(node, where))


def _is_defined(node: Any, where: Any) -> bool:
    """Return whether it is a bare symbol with a definition."""
    bare = not node.index and not node.arguments
    return bare and node.name in where.definitions and (node.name, (), ()) not in where.fixed
