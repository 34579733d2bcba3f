"""Evaluation of a formula: as a 60-digit number, a SymPy expression or a z3 real."""

from typing import Any, Protocol

from . import syntax as s


class Domain(Protocol):
    """The arithmetic and the symbol values that `evaluate` needs."""

    def number(self, node: s.Number) -> Any: ...
    def symbol(self, node: s.Symbol) -> Any: ...
    def sqrt(self, x: Any) -> Any: ...
    def power(self, base: Any, exponent: Any) -> Any: ...
    def call(self, function: str, arguments: list[Any]) -> Any: ...
    def reduction(self, node: s.Reduction) -> Any: ...
    def moment(self, node: s.Moment) -> Any: ...
    def divergence(self, left: Any, right: Any) -> Any: ...
    def derivative(self, node: s.Derivative) -> Any: ...
    def integral(self, node: s.Integral) -> Any: ...


class Undefined(Exception):
    """The formula has no value in this domain."""


def evaluate(node: s.Node, domain: Domain) -> Any:
    """Return the value of `node`; for a Gaussian, the pair (mean, variance)."""
    match node:
        case s.Number():
            return domain.number(node)
        case s.Symbol():
            return domain.symbol(node)
        case s.Sum(terms):
            total = None
            for sign, term in terms:
                value = evaluate(term, domain)
                if total is None:
                    total = value if sign == 1 else -value
                else:
                    total = total + value if sign == 1 else total - value
            return total
        case s.Product(factors):
            value = evaluate(factors[0], domain)
            for factor in factors[1:]:
                value = value * evaluate(factor, domain)
            return value
        case s.Quotient(numerator, denominator):
            return evaluate(numerator, domain) / evaluate(denominator, domain)
        case s.Power(base, exponent):
            return domain.power(evaluate(base, domain), evaluate(exponent, domain))
        case s.Root(inside):
            return domain.sqrt(evaluate(inside, domain))
        case s.Call(function, arguments):
            return domain.call(function, [evaluate(each, domain) for each in arguments])
        case s.Gaussian(mean, variance):
            return evaluate(mean, domain), evaluate(variance, domain)
        case s.Divergence(left, right):
            return domain.divergence(left, right)
        case s.Reduction():
            return domain.reduction(node)
        case s.Moment():
            return domain.moment(node)
        case s.Derivative():
            return domain.derivative(node)
        case s.Integral():
            return domain.integral(node)
    raise AssertionError(f"no value for {node}")
