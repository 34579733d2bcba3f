"""Proof of an equation: by its own derivation, by z3 or by symbolic calculation."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from importlib import import_module
from typing import Any

from ..proofs import PROOFS
from . import smt, symbolic
from . import syntax as n
from .equations import Equation
from .evaluate import Undefined, evaluate
from .pages import HERE

STEPS = (r"\alpha", r"\beta")


class Unproved(AssertionError):
    """No proof of the equation succeeds."""


@dataclass(frozen=True)
class Claim:
    """An equation with the equations that its proof may use."""

    equation: Equation
    named: Mapping[str, Equation]

    @property
    def relation(self) -> n.Relation:
        assert self.equation.relation is not None
        return self.equation.relation

    def kernel_pair(self, **choices: Any) -> symbolic.KernelPair:
        """Return two symbolic kernels, and the definitions of further symbols from Uses."""
        used = usable_definitions(self.equation, self.named)
        names = {each.name for each in n.symbols(self.relation)}
        fitting = {
            "single_step": _single_step(self.relation),
            "full_process": "T" in names and not names & {"s", "t"},
        }
        return symbolic.KernelPair(
            self.equation.formula.page.declared, used, **{**fitting, **choices}
        )

    def reals(self) -> smt.Reals:
        """Return the same for z3, with the assumptions of the equation."""
        used, single = usable_definitions(self.equation, self.named), _single_step(self.relation)
        reals = smt.Reals(self.equation.formula.page.declared, used, single)
        for assumption in self.equation.assumptions:
            reals.assume(assumption)
        return reals

    def members(self, **choices: Any) -> list[Any]:
        """Return the value of every member."""
        pair = self.kernel_pair(**choices)
        return [evaluate(member, pair) for member in self.relation.members]


def usable_definitions(equation: Equation, named: Mapping[str, Equation]) -> dict[str, n.Relation]:
    """Return the definitions reachable through Uses, never the equation itself."""
    found: dict[str, n.Relation] = {}
    queue = [*equation.uses]
    if equation.is_definition:
        queue.append(equation.name)
    seen = set()
    while queue:
        name = queue.pop(0)
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
        queue += named[name].uses
    return found


def _single_step(relation: n.Relation) -> bool:
    """Whether t - 1 is an index in it, explicitly or in alpha_t and beta_t, so that s = t - 1."""
    before = n.Sum(((1, n.Symbol("t")), (-1, n.Number(Fraction(1)))))
    return any(
        node == before
        or (isinstance(node, n.Symbol) and node.name in STEPS and node.index and not node.given)
        for node in n.walk(relation)
    )


def load() -> None:
    """Import every proof module."""
    for path in sorted((HERE / "proofs").glob("*.py")):
        if path.stem != "__init__":
            import_module(f"..proofs.{path.stem}", __package__)


def prove(equation: Equation, named: Mapping[str, Equation]) -> str:
    """Return how the equation is proved: definition, prose, derivation, z3 or calculation."""
    if equation.relation is None:
        return "prose"
    if equation.name in PROOFS:
        try:
            PROOFS[equation.name](Claim(equation, named))
        except Exception as error:  # whatever the cause, report its position
            raise Unproved(f"{equation.formula.where}: {equation.name}: {error}") from None
        return "derivation"
    if equation.is_definition:
        return "definition"
    claim = Claim(equation, named)
    reasons = []
    for method in (by_z3, by_calculation):
        try:
            result = method(claim)
        except Exception as error:  # the method does not apply; reported if the other fails too
            reasons.append(f"{method.__name__}: {error}")
            continue
        if result:
            return result
        reasons.append(f"{method.__name__}: the sides differ")
    raise Unproved(
        f"{equation.formula.where}: {equation.name} is not proved ({'; '.join(reasons)}); correct "
        f"the formula, add what it needs to Uses, or write a proof in derivations/proofs"
    )


def by_z3(claim: Claim) -> str | None:
    """Prove over the reals, with roots as non-negative variables."""
    return "z3" if smt.proved(claim.relation, claim.reals()) else None


def by_calculation(claim: Claim) -> str | None:
    """Prove that all members simplify to the same expression of the two kernels."""
    if set(claim.relation.signs) != {"="}:
        raise Undefined("an inequality")
    first, *others = claim.members()
    if any(isinstance(member, tuple) for member in (first, *others)):
        raise Undefined("a distribution, which needs a derivation")
    return "calculation" if all(symbolic.same(first, other) for other in others) else None
