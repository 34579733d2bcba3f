"""What a formula is made of, once it is read."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Union

Node = Union[
    "Number", "Symbol", "Sum", "Product", "Quotient", "Power", "Root", "Call", "Running",
    "Gaussian", "Divergence", "Moment", "Slope", "Integral",
]  # fmt: skip


@dataclass(frozen=True)
class Number:
    """A decimal as it is written."""

    value: Fraction


@dataclass(frozen=True)
class Symbol:
    """A declared name with its index, as in beta_(t | s), or its arguments, as in q(x_t | x_s)."""

    name: str
    index: tuple[Node, ...] = ()
    arguments: tuple[Node, ...] = ()
    given: tuple[Node, ...] = ()  # what stands behind the bar of the index or of the arguments


@dataclass(frozen=True)
class Sum:
    """Terms, each with its sign."""

    terms: tuple[tuple[int, Node], ...]


@dataclass(frozen=True)
class Product:
    factors: tuple[Node, ...]


@dataclass(frozen=True)
class Quotient:
    above: Node
    below: Node


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
class Running:
    """A sum or a product over a level: kind is sum or prod."""

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
    """The Kullback-Leibler divergence of two laws."""

    left: Node
    right: Node


@dataclass(frozen=True)
class Moment:
    """E or Var of `body`: under the law of `under`, or given `given` by Bayes' rule on the data."""

    kind: str
    body: Node
    under: Node | None = None
    given: Node | None = None


@dataclass(frozen=True)
class Slope:
    """The derivative of `body` in one symbol."""

    variable: Symbol
    body: Node


@dataclass(frozen=True)
class Integral:
    """Over the whole line."""

    variable: Symbol
    body: Node


@dataclass(frozen=True)
class Relation:
    """members[0] signs[0] members[1] signs[1] ...; a single member states nothing."""

    members: tuple[Node, ...]
    signs: tuple[str, ...]  # = < <= > >=


def walk(node: object) -> Iterator[Node]:
    """The node and all below it."""
    if isinstance(node, tuple):
        for each in node:
            yield from walk(each)
    elif hasattr(node, "__dataclass_fields__"):
        if not isinstance(node, Relation):
            yield node
        for field in fields(node):
            yield from walk(getattr(node, field.name))


def symbols(node: object) -> Iterator[Symbol]:
    """Every symbol in it, those of indices included."""
    return (each for each in walk(node) if isinstance(each, Symbol))
