"""Strict parser from LaTeX to a syntax tree; anything ambiguous is an error with its column.

Juxtaposition is always a product. A name must be declared on the page; a sequence needs its index,
a function its arguments. \\log, \\sin and the like take one factor; brackets or \\cdot must precede
a further one, which could be read as a part of the argument.
"""

import re
from collections.abc import Mapping
from fractions import Fraction

from . import vocabulary
from .syntax import (
    Call,
    Derivative,
    Divergence,
    Gaussian,
    Integral,
    Moment,
    Node,
    Number,
    Power,
    Product,
    Quotient,
    Reduction,
    Relation,
    Root,
    Sum,
    Symbol,
)
from .tokens import Cursor


def parse(text: str, declared: Mapping[str, str]) -> Relation:
    """Return the relation that `text` states; `declared` maps names to one of KINDS."""
    parser = _Parser(text, declared)
    relation = parser.relation()
    parser.expect("", "the end")
    return relation


def parse_name(text: str) -> Symbol:
    """Return the symbol of a declaration, which may use undeclared names."""
    parser = _Parser(text, None)
    symbol = parser.symbol()
    parser.expect("", "the end: one symbol is declared at a time")
    return symbol


class _Parser(Cursor):
    def __init__(self, text: str, declared: Mapping[str, str] | None) -> None:
        super().__init__(text)
        self.declared = declared
        self.bound: list[str] = []  # index variables of the enclosing sums and products
        self.open_call = False  # whether the last factor was a function without brackets

    # --- grammar ----------------------------------------------------------------------------------

    def relation(self) -> Relation:
        members, signs = [self.expression()], []
        while self.here in vocabulary.RELATIONS:
            signs.append(vocabulary.RELATIONS[self.next()])
            members.append(self.expression())
        return Relation(tuple(members), tuple(signs))

    def expression(self) -> Node:
        terms: list[tuple[int, Node]] = []
        sign = 1
        if self.here in ("+", "-"):
            sign = -1 if self.next() == "-" else 1
        terms.append((sign, self.term()))
        while self.here in ("+", "-"):
            sign = -1 if self.next() == "-" else 1
            terms.append((sign, self.term()))
        return terms[0][1] if terms[0][0] == 1 and len(terms) == 1 else Sum(tuple(terms))

    def term(self) -> Node:
        factors = [self.factor()]
        while True:
            if self.here in (r"\cdot", r"\times"):
                self.next()
                factors.append(self.factor())
            elif self.here == "/":
                self.next()
                factors[-1] = Quotient(factors[-1], self.factor())
                if self.starts_factor():
                    raise self.error("a factor after a / b is ambiguous; write a fraction")
            elif self.starts_factor():
                if self.open_call:
                    message = (
                        "follows a function without brackets and could be part of its argument"
                    )
                    raise self.error(f"{self.here} {message}; put the argument in brackets")
                factors.append(self.factor())
            else:
                return factors[0] if len(factors) == 1 else Product(tuple(factors))

    def starts_factor(self) -> bool:
        if self.kind in ("number", "letter"):
            return True
        if self.kind == "word":
            return self.here != r"\mathrm{d}"
        if self.kind == "command":
            return self.here not in vocabulary.STOPS
        return self.here in ("(", "[", "{")

    def factor(self) -> Node:
        self.open_call = False
        base = self.atom()
        if self.here == "!":
            raise self.error("factorials are not supported")
        if self.here == "^":
            self.next()
            open_call = self.open_call
            base = Power(base, self.braced(self.expression) if self.here == "{" else self.digit())
            self.open_call = open_call
        return base

    def digit(self) -> Node:
        """Parse ^ or _ without braces: one digit, as LaTeX typesets it, or one name."""
        if self.kind == "number" and len(self.here) > 1:
            raise self.error(f"only {self.here[0]} of {self.here} would be typeset; write braces")
        return self.atom()

    def atom(self) -> Node:
        token, kind = self.here, self.kind
        if kind == "number":
            return Number(Fraction(self.next()))
        if token in vocabulary.BRACKETS:
            self.next()
            inside = self.expression()
            self.expect(vocabulary.BRACKETS[token])
            self.open_call = False
            if token == r"\lVert":
                if self.here != "^" or self.tokens[self.at + 1][0] != "2":
                    raise self.error(r"\lVert ... \rVert is elementwise and must be followed by ^2")
                return inside
            named = {r"\lvert": "abs", r"\lfloor": "floor"}.get(token)
            return Call(named, (inside,)) if named else inside
        if token in vocabulary.FRACTIONS:
            self.next()
            return Quotient(self.braced(self.expression), self.braced(self.expression))
        if token == r"\sqrt":
            self.next()
            return Root(self.braced(self.expression))
        if token in vocabulary.ONE_ARGUMENT:
            return self.call()
        if token in vocabulary.TWO_ARGUMENTS:
            self.next()
            self.expect("(")
            first = self.expression()
            self.expect(",")
            second = self.expression()
            self.expect(")")
            return Call(vocabulary.TWO_ARGUMENTS[token], (first, second))
        if token in (r"\sum", r"\prod"):
            return self.reduction()
        if token == r"\mathcal":
            return self.gaussian()
        if token == r"\mathbb" or token == r"\mathrm{Var}":
            return self.moment()
        if token in (r"\nabla", r"\int"):
            return self.calculus()
        if [each[0] for each in self.tokens[self.at : self.at + 4 : 3]] == ["D", r"\mathrm{KL}"]:
            return self.divergence()
        return self.symbol()

    def calculus(self) -> Node:
        if self.next() == r"\int":
            body = self.expression()
            self.expect(r"\mathrm{d}")
            return Integral(self.symbol(), body)
        self.expect("_")
        variable = self.braced(self.symbol)
        return Derivative(variable, self.factor())

    def call(self) -> Node:
        name = vocabulary.ONE_ARGUMENT[self.next()]
        exponent: Node | None = None
        if self.here == "^":
            self.next()
            exponent = self.braced(self.expression) if self.here == "{" else self.digit()
        bracketed = self.here in ("(", "[", "{") or self.here in (*vocabulary.FRACTIONS, r"\sqrt")
        result: Node = Call(name, (self.factor(),))
        self.open_call = not bracketed
        return result if exponent is None else Power(result, exponent)

    def reduction(self) -> Node:
        kind = self.next()[1:]
        self.expect("_")
        self.expect("{")
        at, variable = self.at, self.next()
        if not re.fullmatch("[a-z]", variable) or variable in (self.declared or {}):
            raise self.error(f"{variable} cannot be an index variable: it is already in use", at)
        self.expect("=")
        first = self.expression()
        self.expect("}")
        self.expect("^")
        last = self.braced(self.expression) if self.here == "{" else self.digit()
        self.bound.append(variable)
        body = self.term()
        self.bound.pop()
        return Reduction(kind, variable, first, last, body)

    def gaussian(self) -> Node:
        self.next()
        self.braced(lambda: self.expect("N"))
        self.expect("(")
        mean = self.expression()
        self.expect(",")
        variance = self.expression()
        self.expect(")")
        return Gaussian(mean, variance)

    def divergence(self) -> Node:
        self.next()
        self.expect("_")
        self.braced(lambda: self.expect(r"\mathrm{KL}"))
        self.expect("(")
        left = self.expression()
        self.expect(r"\|")
        right = self.expression()
        self.expect(")")
        return Divergence(left, right)

    def moment(self) -> Node:
        if self.next() == r"\mathbb":
            self.braced(lambda: self.expect("E"))
            kind = "E"
        else:
            kind = "Var"
        distribution: Node | None = None
        if self.here == "_":
            self.next()
            distribution = self.braced(self.expression)
        self.expect("[")
        body = self.expression()
        given: Node | None = None
        if self.here == r"\mid":
            self.next()
            given = self.symbol()
        self.expect("]")
        if (distribution is None) == (given is None):
            either = r"\mathbb{E}_{q(x_t \mid x_0)}[...] or \mathbb{E}[... \mid x_t]"
            raise self.error(f"a moment needs a distribution or a condition: write {either}")
        return Moment(kind, body, distribution, given)

    # --- names ------------------------------------------------------------------------------------

    def name(self) -> str:
        at, token, kind = self.at, self.here, self.kind
        self.next()
        if token in vocabulary.ACCENTS:
            return token + "{" + self.braced(self.name) + "}"
        if kind not in ("letter", "word") and token not in vocabulary.GREEK:
            raise self.error(f"{token or 'the end'} is not a name, a number or a known command", at)
        return token

    def symbol(self) -> Symbol:
        at, name = self.at, self.name()
        if self.here == "'":
            name += self.next()
        index: tuple[Node, ...] = ()
        given: tuple[Node, ...] = ()
        if self.here == "_":
            self.next()
            if self.here == "{" and self.tokens[self.at + 1][1] == "word":
                name += "_{" + self.braced(self.next) + "}"
            elif self.here == "{":
                self.expect("{")
                index, given = self.listed()
                self.expect("}")
            else:
                index = (self.digit(),)
        kind = "integer" if name in self.bound else (self.declared or {}).get(name)
        if self.declared is not None and kind is None:
            known = ", ".join(sorted(self.declared))
            raise self.error(f"{name} is not declared on this page; declared are {known}", at)
        arguments: tuple[Node, ...] = ()
        if kind == "function" or (self.declared is None and self.here == "("):
            self.expect("(", f"( and the arguments of {name}")
            arguments, given = self.listed()
            self.expect(")")
        if kind == "sequence" and not index:
            raise self.error(f"{name} is a sequence and needs its index", at)
        if index and kind not in ("sequence", "function", None):
            raise self.error(f"{name} is a {kind} and has no index", at)
        return Symbol(name, index, arguments, given)

    def listed(self) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """Parse a, b \\mid c, d."""
        sides: list[list[Node]] = [[self.expression()]]
        while self.here in (",", r"\mid"):
            if self.next() == r"\mid":
                sides.append([])
            sides[-1].append(self.expression())
        if len(sides) > 2:
            raise self.error("at most one bar is allowed")
        return tuple(sides[0]), tuple(sides[1]) if len(sides) == 2 else ()
