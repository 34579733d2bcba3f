"""What a formula comes to in a world: numbers of 60 digits, SymPy's expressions or z3's reals."""

from typing import Any, Protocol

from . import syntax as s


class World(Protocol):
    """The arithmetic and the meanings that an evaluation needs."""

    def number(self, node: s.Number) -> Any: ...
    def symbol(self, node: s.Symbol) -> Any: ...
    def sqrt(self, x: Any) -> Any: ...
    def power(self, base: Any, exponent: Any) -> Any: ...
    def call(self, function: str, arguments: list[Any]) -> Any: ...
    def running(self, node: s.Running) -> Any: ...
    def moment(self, node: s.Moment) -> Any: ...
    def divergence(self, left: Any, right: Any) -> Any: ...
    def slope(self, node: s.Slope) -> Any: ...
    def integral(self, node: s.Integral) -> Any: ...


class Unsaid(Exception):
    """A world has no meaning for what the formula says."""


def evaluate(node: s.Node, world: World) -> Any:
    """The value of `node`; a Gaussian is the pair of its mean and variance."""
    match node:
        case s.Number():
            return world.number(node)
        case s.Symbol():
            return world.symbol(node)
        case s.Sum(terms):
            total = None
            for sign, term in terms:
                value = evaluate(term, world)
                if total is None:
                    total = value if sign == 1 else -value
                else:
                    total = total + value if sign == 1 else total - value
            return total
        case s.Product(factors):
            value = evaluate(factors[0], world)
            for factor in factors[1:]:
                value = value * evaluate(factor, world)
            return value
        case s.Quotient(above, below):
            return evaluate(above, world) / evaluate(below, world)
        case s.Power(base, exponent):
            return world.power(evaluate(base, world), evaluate(exponent, world))
        case s.Root(inside):
            return world.sqrt(evaluate(inside, world))
        case s.Call(function, arguments):
            return world.call(function, [evaluate(each, world) for each in arguments])
        case s.Gaussian(mean, variance):
            return evaluate(mean, world), evaluate(variance, world)
        case s.Divergence(left, right):
            return world.divergence(left, right)
        case s.Running():
            return world.running(node)
        case s.Moment():
            return world.moment(node)
        case s.Slope():
            return world.slope(node)
        case s.Integral():
            return world.integral(node)
    raise AssertionError(f"no value for {node}")
