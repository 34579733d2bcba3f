"""The closed form of the forward process, by composing one-step kernels."""

from typing import Any

import sympy as sp

from ..checker.evaluate import evaluate
from ..checker.symbolic import a, b, s, same, t
from . import proves

c = sp.Symbol("c", positive=True)  # scale of the kernel from s to t - 1


@proves("forward-process.two-steps")
def two_steps(claim: Any) -> None:
    """Compose two free betas: the first variance is scaled by one step, whose own is added."""
    older, newer = sp.symbols("older newer", positive=True)
    values = {}
    for timestep, beta in ((t - 1, older), (t, newer)):
        values[(r"\beta", (timestep,), ())] = beta
        values[(r"\alpha", (timestep,), ())] = 1 - beta
    left, right = claim.members(values=values)
    composed = (sp.sqrt(1 - newer) * sp.sqrt(older)) ** 2 + newer
    assert same(left, composed), "the left side is not the variance of two steps"
    assert same(left, right), "the sides differ"


@proves("forward-process.marginal")
def marginal(claim: Any) -> None:
    """Induction on t: the identity at 0, then one more kernel from t - 1 to t."""
    x_0 = sp.Symbol("x_0", real=True)
    _, distribution = claim.relation.members
    at = {
        timestep: evaluate(
            distribution, claim.kernel_pair(single_step=True, values={("t",): timestep})
        )
        for timestep in (sp.Integer(0), t - 1, t)
    }
    assert at[sp.Integer(0)] == (x_0, 0), f"at t = 0 it is {at[sp.Integer(0)]}, not x_0"
    _one_more_step(at[t - 1], at[t])


@proves("forward-process.step")
def step(claim: Any) -> None:
    """Induction on t from s: the identity at s, then one more kernel from t - 1 to t."""
    x_s = sp.Symbol("x_s", real=True)
    chain = ((0, sp.Integer(1)), (s, a**2), (t - 1, a**2 * c**2), (t, a**2 * c**2 * b**2))
    _, distribution = claim.relation.members
    at = {
        timestep: evaluate(distribution, claim.kernel_pair(chain=chain, values={("t",): timestep}))
        for timestep in (s, t - 1, t)
    }
    assert at[s] == (x_s, 0), f"at t = s it is {at[s]}, not x_s"
    _one_more_step(at[t - 1], at[t])


def _one_more_step(before: tuple[Any, Any], after: tuple[Any, Any]) -> None:
    """Check one step x -> sqrt(1 - beta) x + sqrt(beta) z with 1 - beta = b^2."""
    assert same(after[0], b * before[0]), f"one step gives the mean {b * before[0]}, not {after[0]}"
    variance = b**2 * before[1] + 1 - b**2
    assert same(after[1], variance), f"one step gives the variance {variance}, not {after[1]}"
