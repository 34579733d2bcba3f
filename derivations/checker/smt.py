"""Identities and inequalities decided by z3 over the reals, roots as non-negative variables."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import z3

from . import syntax as n
from .evaluate import Unsaid, evaluate
from .symbolic import LEVELS, T, s, t

MILLISECONDS = 5000


@dataclass
class Reals:
    """The pair of kernels of `symbolic`, as z3 knows them: scales in (0, 1], no more."""

    declared: Any
    known: Any
    single_step: bool = False
    facts: list[Any] = field(default_factory=list)
    roots: dict[str, Any] = field(default_factory=dict)
    levels: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.a, self.b = z3.Reals("a b")
        self.facts += [self.a > 0, self.a <= 1, self.b > 0, self.b < 1]
        self.above = {0: z3.RealVal(1), s: self.a * self.a, t: self.a * self.a * self.b * self.b}
        if self.single_step:
            self.above[t - 1] = self.above[s]
        for value, root in (
            (self.above[s], self.a),
            (self.above[t], self.a * self.b),
            (self.b * self.b, self.b),
        ):
            self.roots[value.sexpr()] = root

    def assume(self, relation: n.Relation) -> None:
        """Add an assumption that speaks of real numbers; one of levels is built in already."""
        names = {each.name for each in n.symbols(relation)}
        if any(self.declared.get(name) == "level" for name in names):
            return
        values = [evaluate(member, self) for member in relation.members]
        for left, sign, right in zip(values, relation.signs, values[1:], strict=False):
            self.facts.append(compare(left, sign, right))

    def number(self, node: n.Number) -> Any:
        return z3.Q(node.value.numerator, node.value.denominator)

    def sqrt(self, x: Any) -> Any:
        key = x.sexpr()
        if key not in self.roots:
            root = z3.Real(f"root{len(self.roots)}")
            self.facts += [root >= 0, root * root == x]
            self.roots[key] = root
        return self.roots[key]

    def power(self, base: Any, exponent: Any) -> Any:
        if not z3.is_rational_value(exponent) or exponent.denominator_as_long() != 1:
            raise Unsaid("a power that is no integer")
        count = exponent.numerator_as_long()
        if count < 0:
            raise Unsaid("a negative power")
        value = z3.RealVal(1)
        for _ in range(count):
            value = value * base
        return value

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function == "abs":
            return z3.If(arguments[0] < 0, -arguments[0], arguments[0])
        if function in ("min", "max"):
            first, second = arguments
            smaller = first < second
            return (
                z3.If(smaller, first, second)
                if function == "min"
                else z3.If(smaller, second, first)
            )
        raise Unsaid(f"{function} is not algebraic")

    def symbol(self, node: n.Symbol) -> Any:
        index = tuple(self.level(each) for each in (*node.index, *node.given))
        if node.name == r"\bar{\alpha}":
            return self.kept(index[0])
        if node.name in (r"\alpha", r"\beta"):
            low = index[1] if len(index) == 2 else index[0] - 1
            ratio = self.ratio(index[0], low)
            return ratio if node.name == r"\alpha" else 1 - ratio
        if node.name == r"\epsilon":  # what x_t holds beside x_0
            x_0, x_t = z3.Reals("x_0 x_t")
            return (x_t - self.sqrt(self.kept(t)) * x_0) / self.sqrt(1 - self.kept(t))
        if node.name in self.known:
            left, right = self.known[node.name].members[:2]
            inner = dict(self.levels)
            if node.arguments:
                index = tuple(self.level(each) for each in node.arguments)
            variables = left.arguments or (*left.index, *left.given)
            for variable, value in zip(variables, index, strict=True):
                inner[variable.name] = value
            before, self.levels = self.levels, inner
            value = evaluate(right, self)
            self.levels = before
            return value
        if node.arguments or node.name in LEVELS or self.declared.get(node.name) == "level":
            raise Unsaid(f"{node.name} is no real number of the two kernels")
        variable = z3.Real("_".join(map(str, (node.name, *index))))
        kind = self.declared.get(node.name, "real")
        if kind in ("positive", "fraction"):
            self.facts.append(variable > 0)
        if kind == "fraction":
            self.facts.append(variable < 1)
        return variable

    def level(self, node: n.Node) -> Any:
        """A level as SymPy's expression, since z3 is asked of numbers alone."""
        if isinstance(node, n.Number):
            return int(node.value)
        if isinstance(node, n.Symbol) and node.name in {**LEVELS, **self.levels}:
            return self.levels.get(node.name, LEVELS.get(node.name, T))
        if node == n.Sum(((1, n.Symbol("t")), (-1, n.Number(Fraction(1))))):
            return t - 1
        raise Unsaid("a level that is neither 0, s, t nor t - 1")

    def kept(self, level: Any) -> Any:
        if level not in self.above:
            raise Unsaid(f"the level {level} is neither 0, s nor t")
        return self.above[level]

    def ratio(self, high: Any, low: Any) -> Any:
        if (high, low) in ((t, s), (t, t - 1)) and low in self.above:
            return self.b * self.b
        if low == 0:
            return self.kept(high)
        raise Unsaid("a step between levels other than 0, s and t")

    def running(self, *node: n.Node) -> Any:
        raise Unsaid("a sum, a moment or an integral")

    moment = divergence = slope = integral = running


def compare(left: Any, sign: str, right: Any) -> Any:
    """The formula that z3 decides."""
    return {"=": left == right, "<": left < right, ">": left > right, "<=": left <= right}.get(
        sign, left >= right
    )


def proved(relation: n.Relation, world: Reals) -> bool | None:
    """True where no counterexample exists, False where z3 shows one, None where it cannot say."""
    members = [evaluate(member, world) for member in relation.members]
    if any(isinstance(member, tuple) for member in members):
        raise Unsaid("a law is no number")
    wanted = [
        compare(left, sign, right)
        for left, sign, right in zip(members, relation.signs, members[1:], strict=False)
    ]
    solver = z3.Solver()
    solver.set("timeout", MILLISECONDS)
    divisors = [each.arg(1) for member in members for each in _divisions(member)]
    solver.add(*world.facts, *(each != 0 for each in divisors), z3.Not(z3.And(*wanted)))
    answer = solver.check()
    return True if answer == z3.unsat else False if answer == z3.sat else None


def _divisions(expression: Any) -> list[Any]:
    found = [expression] if z3.is_div(expression) else []
    for child in expression.children():
        found += _divisions(child)
    return found
