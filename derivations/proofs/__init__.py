"""Proofs of the equations that need more than symbolic calculation.

A proof is a function that derives the members of an equation from the one-step kernel in SymPy and
compares them with the parsed text. Equations without one are proved by calculation from two
kernels (`checker.symbolic`) and the equations under Uses.
"""

from collections.abc import Callable
from typing import Any

Proof = Callable[[Any], None]
PROOFS: dict[str, Proof] = {}


def proves(name: str) -> Callable[[Proof], Proof]:
    """Register a proof, which receives a `Claim` and raises AssertionError if it fails."""

    def register(proof: Proof) -> Proof:
        assert name not in PROOFS, f"{name} has two proofs"
        PROOFS[name] = proof
        return proof

    return register
