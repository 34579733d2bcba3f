"""Which proof an equation has: z3, calculation, or a derivation of its own."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

from ..proofs import PROOFS
from . import smt, symbolic
from . import syntax as n
from .equations import Equation
from .evaluate import Unsaid, evaluate
from .pages import HERE

STEPS = (r"\alpha", r"\beta")


class Unproved(AssertionError):
    """No proof goes through."""


@dataclass(frozen=True)
class Claim:
    """An equation as its proof sees it."""

    equation: Equation
    named: Mapping[str, Equation]

    @property
    def relation(self) -> n.Relation:
        assert self.equation.relation is not None
        return self.equation.relation

    def world(self, **choices: Any) -> symbolic.Pair:
        """Two kernels, and what the equations under Uses say of further symbols."""
        used = known(self.equation, self.named)
        names = {each.name for each in n.symbols(self.relation)}
        fitting = {
            "single_step": _single_step(self.relation),
            "whole_chain": "T" in names and not names & {"s", "t"},
        }
        return symbolic.Pair(self.equation.formula.page.declared, used, **{**fitting, **choices})

    def reals(self) -> smt.Reals:
        """The same for z3, with what the equation assumes."""
        used, single = known(self.equation, self.named), _single_step(self.relation)
        world = smt.Reals(self.equation.formula.page.declared, used, single)
        for assumption in self.equation.assumptions:
            world.assume(assumption)
        return world

    def members(self, **choices: Any) -> list[Any]:
        """Every member in this world."""
        world = self.world(**choices)
        return [evaluate(member, world) for member in self.relation.members]


def known(equation: Equation, named: Mapping[str, Equation]) -> dict[str, n.Relation]:
    """What Uses explains, and what those explanations use in turn: never the equation itself."""
    found: dict[str, n.Relation] = {}
    ahead = [*equation.uses]
    if equation.is_definition:
        ahead.append(equation.name)
    seen = set()
    while ahead:
        name = ahead.pop(0)
        if (
            name in seen
            or name not in named
            or (name == equation.name and not equation.is_definition)
        ):
            continue
        seen.add(name)
        relation = named[name].relation
        left = relation.members[0] if relation else None
        if isinstance(left, n.Symbol) and relation and relation.signs[0] == "=":
            recursive = any(each.name == left.name for each in n.symbols(relation.members[1]))
            if left.name not in symbolic.CORE and not recursive:
                found.setdefault(left.name, relation)
        ahead += named[name].uses
    return found


def _single_step(relation: n.Relation) -> bool:
    """Whether t - 1 is a level of it, named or in alpha_t and beta_t, so that s has to be t - 1."""
    before = n.Sum(((1, n.Symbol("t")), (-1, n.Number(Fraction(1)))))
    return any(
        node == before
        or (isinstance(node, n.Symbol) and node.name in STEPS and node.index and not node.given)
        for node in n.walk(relation)
    )


def load() -> None:
    """Import every file of proofs."""
    for path in sorted((HERE / "proofs").glob("*.py")):
        if path.stem != "__init__":
            import_module(f"..proofs.{path.stem}", __package__)


def prove(equation: Equation, named: Mapping[str, Equation]) -> str:
    """How the equation is proved: definition, prose, derivation, z3 or calculation."""
    if equation.relation is None:
        return "prose"
    if equation.name in PROOFS:
        try:
            PROOFS[equation.name](Claim(equation, named))
        except Exception as error:  # whatever it is, its place has to be said
            raise Unproved(f"{equation.formula.where}: {equation.name}: {error}") from None
        return "derivation"
    if equation.is_definition:
        return "definition"
    claim = Claim(equation, named)
    reasons = []
    for way in (by_z3, by_calculation):
        try:
            result = way(claim)
        except Exception as error:  # a way that does not apply; told if no other does
            reasons.append(f"{way.__name__}: {error}")
            continue
        if result:
            return result
        reasons.append(f"{way.__name__}: the sides differ")
    raise Unproved(
        f"{equation.formula.where}: {equation.name} is not proved ({'; '.join(reasons)}); mend the "
        f"formula, add what it needs to Uses, or write its proof in derivations/proofs"
    )


def by_z3(claim: Claim) -> str | None:
    """Over the reals, roots as non-negative variables."""
    return "z3" if smt.proved(claim.relation, claim.reals()) else None


def by_calculation(claim: Claim) -> str | None:
    """All members are one expression of the two kernels."""
    if set(claim.relation.signs) != {"="}:
        raise Unsaid("an inequality")
    first, *others = claim.members()
    if any(isinstance(member, tuple) for member in (first, *others)):
        raise Unsaid("a law, which takes a derivation")
    return "calculation" if all(symbolic.same(first, other) for other in others) else None
