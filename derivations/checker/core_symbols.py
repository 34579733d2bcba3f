"""Values of the core symbols: composed kernels, Bayes' rule, the data mixture."""

from collections.abc import Callable
from typing import Any

from . import syntax as s
from .evaluate import Undefined, evaluate
from .numeric import CORE_SYMBOLS, RandomInstance
from .quadrature import gaussian_density, mp


def _beta(instance: RandomInstance, node: s.Symbol) -> Any:
    t = instance.integer(node.index[0])
    if not node.given:
        return instance.beta(t)
    return instance.kernel(instance.integer(node.given[0]), t)[1]


def _alpha(instance: RandomInstance, node: s.Symbol) -> Any:
    t = instance.integer(node.index[0])
    before = instance.integer(node.given[0]) if node.given else t - 1
    return instance.kernel(before, t)[0] ** 2


def _alpha_bar(instance: RandomInstance, node: s.Symbol) -> Any:
    return instance.kernel(0, instance.integer(node.index[0]))[0] ** 2


def _noise(instance: RandomInstance, node: s.Symbol) -> Any:
    """Return the noise that was added to x_0 to make x_t, in standard deviations."""
    t = instance.integers["t"]
    scale, variance = instance.kernel(0, t)
    if t == 0:
        raise Undefined("the noise in x_0")
    return (instance.x(t) - scale * instance.x(0)) / mp.sqrt(variance)


def _posterior(part: int) -> Callable[[RandomInstance, s.Symbol], Any]:
    def value(instance: RandomInstance, node: s.Symbol) -> Any:
        target, t = instance.integer(node.index[0]), instance.integer(node.given[0])
        if not target < t:
            raise Undefined("a posterior that does not go to an earlier timestep")
        return instance.posterior(target, t, instance.x(0), instance.x(t))[part]

    return value


def _density(instance: RandomInstance, node: s.Symbol) -> Any:
    target = node.arguments[0]
    assert isinstance(target, s.Symbol)
    value = evaluate(target, instance)
    if not node.given:
        components = instance.mixture(instance.integer(target.index[0]))
        return sum(w * gaussian_density(value, m, v) for w, m, v in components)
    return gaussian_density(value, *instance.distribution(node))


CORE_SYMBOLS |= {
    r"\beta": _beta,
    r"\alpha": _alpha,
    r"\bar{\alpha}": _alpha_bar,
    r"\epsilon": _noise,
    r"\tilde{\mu}": _posterior(0),
    r"\tilde{\beta}": _posterior(1),
    r"\pi": lambda instance, node: +mp.pi,
    r"\Phi": lambda instance, node: mp.ncdf(evaluate(node.arguments[0], instance)),
    "x": lambda instance, node: instance.x(instance.integer(node.index[0])),
    "q": _density,
    "w": lambda instance, node: instance.data[instance.integer(node.index[0]) - 1][0],
    "m": lambda instance, node: instance.data[instance.integer(node.index[0]) - 1][1],
    "c": lambda instance, node: instance.data[instance.integer(node.index[0]) - 1][2],
}
