"""Proof of identities and inequalities by z3, with roots as non-negative real variables."""

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import z3

from . import syntax as n
from .evaluate import Undefined, evaluate
from .symbolic import TIMESTEPS, T, s, t

MILLISECONDS = 5000


@dataclass
class Reals:
    """Evaluation in z3 reals: the two kernels of `symbolic`, with scales in (0, 1]."""

    declared: Any
    known: Any
    single_step: bool = False
    facts: list[Any] = field(default_factory=list)
    roots: dict[str, Any] = field(default_factory=dict)
    integers: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.a, self.b = z3.Reals("a b")
        self.facts += [self.a > 0, self.a <= 1, self.b > 0, self.b < 1]
        alpha_bar_t = self.a * self.a * self.b * self.b
        self.alpha_bars = {0: z3.RealVal(1), s: self.a * self.a, t: alpha_bar_t}
        if self.single_step:
            self.alpha_bars[t - 1] = self.alpha_bars[s]
        for value, root in (
            (self.alpha_bars[s], self.a),
            (self.alpha_bars[t], self.a * self.b),
            (self.b * self.b, self.b),
        ):
            self.roots[value.sexpr()] = root

    def assume(self, relation: n.Relation) -> None:
        """Add an assumption on reals; those on timesteps are built in."""
        names = {each.name for each in n.symbols(relation)}
        if any(self.declared.get(name) == "integer" for name in names):
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
            raise Undefined("a power that is not an integer")
        count = exponent.numerator_as_long()
        if count < 0:
            raise Undefined("a negative power")
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
        raise Undefined(f"{function} is not algebraic")

    def symbol(self, node: n.Symbol) -> Any:
        index = tuple(self.integer(each) for each in (*node.index, *node.given))
        if node.name == r"\bar{\alpha}":
            return self.alpha_bar(index[0])
        if node.name in (r"\alpha", r"\beta"):
            before = index[1] if len(index) == 2 else index[0] - 1
            ratio = self.ratio(index[0], before)
            return ratio if node.name == r"\alpha" else 1 - ratio
        if node.name == r"\epsilon":  # the noise in x_t
            x_0, x_t = z3.Reals("x_0 x_t")
            scale, std = self.sqrt(self.alpha_bar(t)), self.sqrt(1 - self.alpha_bar(t))
            return (x_t - scale * x_0) / std
        if node.name in self.known:
            left, right = self.known[node.name].members[:2]
            inner = dict(self.integers)
            if node.arguments:
                index = tuple(self.integer(each) for each in node.arguments)
            variables = left.arguments or (*left.index, *left.given)
            for variable, value in zip(variables, index, strict=True):
                inner[variable.name] = value
            before, self.integers = self.integers, inner
            value = evaluate(right, self)
            self.integers = before
            return value
        if node.arguments or node.name in TIMESTEPS or self.declared.get(node.name) == "integer":
            raise Undefined(f"{node.name} is not a real number of the two kernels")
        variable = z3.Real("_".join(map(str, (node.name, *index))))
        kind = self.declared.get(node.name, "real")
        if kind in ("positive", "fraction"):
            self.facts.append(variable > 0)
        if kind == "fraction":
            self.facts.append(variable < 1)
        return variable

    def integer(self, node: n.Node) -> Any:
        """Return an integer as a SymPy expression; z3 only handles real values here."""
        if isinstance(node, n.Number):
            return int(node.value)
        if isinstance(node, n.Symbol) and node.name in {**TIMESTEPS, **self.integers}:
            return self.integers.get(node.name, TIMESTEPS.get(node.name, T))
        if node == n.Sum(((1, n.Symbol("t")), (-1, n.Number(Fraction(1))))):
            return t - 1
        raise Undefined("a timestep other than 0, s, t and t - 1")

    def alpha_bar(self, timestep: Any) -> Any:
        if timestep not in self.alpha_bars:
            raise Undefined(f"the timestep {timestep} is not 0, s or t")
        return self.alpha_bars[timestep]

    def ratio(self, later: Any, earlier: Any) -> Any:
        if (later, earlier) in ((t, s), (t, t - 1)) and earlier in self.alpha_bars:
            return self.b * self.b
        if earlier == 0:
            return self.alpha_bar(later)
        raise Undefined("a step between timesteps other than 0, s and t")

    def reduction(self, *node: n.Node) -> Any:
        raise Undefined("a sum, a product, a moment or an integral")

    moment = divergence = derivative = integral = reduction


def compare(left: Any, sign: str, right: Any) -> Any:
    """Return the z3 formula of one comparison."""
    return {"=": left == right, "<": left < right, ">": left > right, "<=": left <= right}.get(
        sign, left >= right
    )


def proved(relation: n.Relation, reals: Reals) -> bool | None:
    """Return True if no counterexample exists, False if z3 finds one, None if z3 is undecided."""
    members = [evaluate(member, reals) for member in relation.members]
    if any(isinstance(member, tuple) for member in members):
        raise Undefined("a distribution is not a number")
    wanted = [
        compare(left, sign, right)
        for left, sign, right in zip(members, relation.signs, members[1:], strict=False)
    ]
    solver = z3.Solver()
    solver.set("timeout", MILLISECONDS)
    divisors = [each.arg(1) for member in members for each in _divisions(member)]
    solver.add(*reals.facts, *(each != 0 for each in divisors), z3.Not(z3.And(*wanted)))
    answer = solver.check()
    return True if answer == z3.unsat else False if answer == z3.sat else None


def _divisions(expression: Any) -> list[Any]:
    found = [expression] if z3.is_div(expression) else []
    for child in expression.children():
        found += _divisions(child)
    return found
