"""How each equation is reached from the one-step kernel, where it takes more than calculation.

A proof is a function that derives, in SymPy, what the equation's members have to be; the checker
compares it with the text. Equations without one are proved by calculation in the world of two
kernels (`checker.symbolic`), to which Uses contributes what was proved before.
"""

from collections.abc import Callable
from typing import Any

Proof = Callable[[Any], None]
PROOFS: dict[str, Proof] = {}


def proves(name: str) -> Callable[[Proof], Proof]:
    """Register a proof; it is given a `Claim` and raises AssertionError where it fails."""

    def register(proof: Proof) -> Proof:
        assert name not in PROOFS, f"{name} has two proofs"
        PROOFS[name] = proof
        return proof

    return register
