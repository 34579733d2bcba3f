"""DPM-Solver++: what the exponential of a step is in terms of the levels."""

from typing import Any

import sympy as sp

from ..checker.symbolic import a, b, same
from . import proves


@proves("dpm-solver.is-ddim")
def is_ddim(claim: Any) -> None:
    """The exponential of a logarithm is a root of a ratio; with noise over signal as the free
    numbers, SymPy sees that nothing under a root is negative."""
    first, second = sp.symbols("p r", positive=True)
    levels = {a: 1 / sp.sqrt(1 + first), b: 1 / sp.sqrt(1 + second)}
    left, right = (sp.simplify(member.subs(levels)) for member in claim.members())
    assert not left.has(sp.exp, sp.log), "an exponential is left"
    assert same(left, right), "the exponential of the step gives another coefficient"
