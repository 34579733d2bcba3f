"""What the names of the core mean: composed kernels, Bayes' rule, the mixture of the data."""

from collections.abc import Callable
from typing import Any

from . import syntax as s
from .evaluate import Unsaid, evaluate
from .grids import mp, normal
from .numeric import MEANINGS, Numbers


def _beta(world: Numbers, node: s.Symbol) -> Any:
    t = world.level(node.index[0])
    return world.kernel(world.level(node.given[0]), t)[1] if node.given else world.beta(t)


def _alpha(world: Numbers, node: s.Symbol) -> Any:
    t = world.level(node.index[0])
    low = world.level(node.given[0]) if node.given else t - 1
    return world.kernel(low, t)[0] ** 2


def _alpha_bar(world: Numbers, node: s.Symbol) -> Any:
    return world.kernel(0, world.level(node.index[0]))[0] ** 2


def _noise(world: Numbers, node: s.Symbol) -> Any:
    """What was added to x_0 to make x_t, in standard deviations."""
    t = world.levels["t"]
    scale, variance = world.kernel(0, t)
    if t == 0:
        raise Unsaid("the noise in x_0")
    return (world.x(t) - scale * world.x(0)) / mp.sqrt(variance)


def _posterior(part: int) -> Callable[[Numbers, s.Symbol], Any]:
    def meaning(world: Numbers, node: s.Symbol) -> Any:
        low, high = world.level(node.index[0]), world.level(node.given[0])
        if not low < high:
            raise Unsaid("a posterior that does not go back")
        return world.posterior(low, high, world.x(0), world.x(high))[part]

    return meaning


def _density(world: Numbers, node: s.Symbol) -> Any:
    target = node.arguments[0]
    assert isinstance(target, s.Symbol)
    value = evaluate(target, world)
    if not node.given:
        level = world.level(target.index[0])
        return sum(w * normal(value, m, v) for w, m, v in world.mixture(level))
    return normal(value, *world.law(node))


MEANINGS |= {
    r"\beta": _beta,
    r"\alpha": _alpha,
    r"\bar{\alpha}": _alpha_bar,
    r"\epsilon": _noise,
    r"\tilde{\mu}": _posterior(0),
    r"\tilde{\beta}": _posterior(1),
    r"\pi": lambda world, node: +mp.pi,
    r"\Phi": lambda world, node: mp.ncdf(evaluate(node.arguments[0], world)),
    "x": lambda world, node: world.x(world.level(node.index[0])),
    "q": _density,
    "w": lambda world, node: world.data[world.level(node.index[0]) - 1][0],
    "m": lambda world, node: world.data[world.level(node.index[0]) - 1][1],
    "c": lambda world, node: world.data[world.level(node.index[0]) - 1][2],
}
