"""DPM-Solver++: the exponential of a step in log-SNR as a coefficient."""

from typing import Any

import sympy as sp

from ..checker.symbolic import a, b, same
from . import proves


@proves("dpm-solver.is-ddim")
def is_ddim(claim: Any) -> None:
    """Show that the exponential of a logarithm is the root of a ratio.

    The free symbols are noise-to-signal ratios: SymPy then finds every radicand positive.
    """
    first, second = sp.symbols("p r", positive=True)
    ratios = {a: 1 / sp.sqrt(1 + first), b: 1 / sp.sqrt(1 + second)}
    left, right = (sp.simplify(member.subs(ratios)) for member in claim.members())
    assert not left.has(sp.exp, sp.log), "an exponential remains"
    assert same(left, right), "the exponential of the step gives another coefficient"
