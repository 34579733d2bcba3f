"""Syntax tree of a parsed formula."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Union

Node = Union[
    "Number", "Symbol", "Sum", "Product", "Quotient", "Power", "Root", "Call", "Reduction",
    "Gaussian", "Divergence", "Moment", "Derivative", "Integral",
]  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A decimal number."""

    value: Fraction


@dataclass(frozen=True)
class Symbol:
    """A declared name with its index, as in beta_(t | s), or its arguments, as in q(x_t | x_s)."""

    name: str
    index: tuple[Node, ...] = ()
    arguments: tuple[Node, ...] = ()
    given: tuple[Node, ...] = ()  # after the bar of the index or of the arguments


@dataclass(frozen=True)
class Sum:
    """Terms with their signs."""

    terms: tuple[tuple[int, Node], ...]


@dataclass(frozen=True)
class Product:
    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Quotient:
    numerator: Node
    denominator: Node


@dataclass(frozen=True)
class Power:
    base: Node
    exponent: Node


@dataclass(frozen=True)
class Root:
    inside: Node


@dataclass(frozen=True)
class Call:
    """log, exp, sin, cos and abs of one argument, min and max of two."""

    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True)
class Reduction:
    """A sum or product over an integer index; kind is "sum" or "prod"."""

    kind: str
    variable: str
    first: Node
    last: Node
    body: Node


@dataclass(frozen=True)
class Gaussian:
    """N(mean, variance)."""

    mean: Node
    variance: Node


@dataclass(frozen=True)
class Divergence:
    """The Kullback-Leibler divergence between two distributions."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Moment:
    """E or Var of `body`, under `distribution` or given `given` by Bayes' rule on the data."""

    kind: str
    body: Node
    distribution: Node | None = None
    given: Node | None = None


@dataclass(frozen=True)
class Derivative:
    """The derivative of `body` with respect to one symbol."""

    variable: Symbol
    body: Node


@dataclass(frozen=True)
class Integral:
    """An integral over the real line."""

    variable: Symbol
    body: Node


@dataclass(frozen=True)
class Relation:
    """members[0] signs[0] members[1] signs[1] ...; a single member states nothing."""

    members: tuple[Node, ...]
    signs: tuple[str, ...]  # = < <= > >=


def walk(node: object) -> Iterator[Node]:
    """Yield the node and all its descendants."""
    if isinstance(node, tuple):
        for each in node:
            yield from walk(each)
    elif hasattr(node, "__dataclass_fields__"):
        if not isinstance(node, Relation):
            yield node
        for field in fields(node):
            yield from walk(getattr(node, field.name))


def symbols(node: object) -> Iterator[Symbol]:
    """Yield every symbol in the node, including those in indices."""
    return (each for each in walk(node) if isinstance(each, Symbol))
