"""Random small worlds in 60 digits, in which every symbol means what composing kernels makes it.

No closed form stands here. A world has steep random betas; x_t = sqrt(1 - beta_t) x_(t-1) +
sqrt(beta_t) z is composed step by step, Bayes' rule adds precisions, moments and integrals are
sums over a fine grid, which converge exponentially for integrands of Gaussian decay. A formula
that is wrong anywhere is wrong in some such world by far more than the 45 digits asked for.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from . import syntax as s
from .evaluate import Unsaid, evaluate
from .grids import log_normal, mp, mpf, normal, over_the_line, settled_grid

LARGEST = 1000  # exponent, or number of terms: worlds are small
Key = tuple[Any, ...]
Meaning = Callable[["Numbers", s.Symbol], Any]


@dataclass(frozen=True)
class Numbers:
    """One world: levels, a schedule, events, data, and what else a page leaves free."""

    seed: str
    levels: Mapping[str, int]
    betas: tuple[Any, ...]  # beta_1..beta_T
    data: tuple[tuple[Any, Any, Any], ...]  # weight, mean and variance of each component
    declared: Mapping[str, str]
    definitions: Mapping[str, s.Relation] = field(default_factory=dict)
    fixed: Mapping[Key, Any] = field(default_factory=dict)

    # --- arithmetic -------------------------------------------------------------------------------

    def number(self, node: s.Number) -> Any:
        return mpf(node.value.numerator) / node.value.denominator

    def sqrt(self, x: Any) -> Any:
        if x < 0:
            raise Unsaid(f"the root of {mp.nstr(x, 5)}")
        return mp.sqrt(x)

    def power(self, base: Any, exponent: Any) -> Any:
        if base < 0 and exponent != int(exponent):
            raise Unsaid("a root of a negative number")
        if abs(exponent) > LARGEST:
            raise Unsaid(f"an exponent beyond {LARGEST}")
        return base**exponent if exponent != int(exponent) else base ** int(exponent)

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function in ("min", "max", "abs"):
            return {"min": min, "max": max, "abs": abs}[function](*arguments)
        if function == "log" and arguments[0] <= 0:
            raise Unsaid("the logarithm of no positive number")
        return getattr(mp, function)(*arguments)

    def running(self, node: s.Running) -> Any:
        total = mpf(0 if node.kind == "sum" else 1)
        first, last = self.level(node.first), self.level(node.last)
        if last - first > LARGEST:
            raise Unsaid(f"more than {LARGEST} terms")
        for i in range(first, last + 1):
            term = evaluate(node.body, replace(self, levels={**self.levels, node.variable: i}))
            total = total + term if node.kind == "sum" else total * term
        return total

    def level(self, node: s.Node) -> int:
        value = evaluate(node, self)
        if value != int(value):
            raise Unsaid(f"a level that is no integer: {mp.nstr(value, 5)}")
        return int(value)

    # --- names ------------------------------------------------------------------------------------

    def key(self, node: s.Symbol) -> Key:
        index = tuple(self.level(each) for each in node.index)
        behind = tuple(self.level(each) for each in node.given) if node.index else ()
        return (node.name, index, behind)

    def symbol(self, node: s.Symbol) -> Any:
        if node.name in self.levels and not node.index:
            return mpf(self.levels[node.name])
        key = self.key(node) if not node.arguments else None
        if key in self.fixed:
            return self.fixed[key]
        if node.name in MEANINGS:
            try:
                return MEANINGS[node.name](self, node)
            except IndexError:
                raise Unsaid(
                    f"{node.name} means nothing with this index or these arguments; the core has "
                    "this name, so take another one"
                ) from None
        if node.name in self.definitions:
            return self.defined(node)
        if node.arguments:
            raise Unsaid(f"{node.name} has no meaning: no definition and no law gives it one")
        return self.drawn(self.declared.get(node.name, "real"), key)

    def drawn(self, kind: str, key: Key | None) -> Any:
        """A number of the declared kind that the name and its index always get."""
        chance = random.Random(f"{self.seed} {key}")
        low, high = {"positive": (0.1, 2.5), "fraction": (0.05, 0.95)}.get(kind, (-2.0, 2.0))
        return mpf(round(chance.uniform(low, high), 6))

    def defined(self, node: s.Symbol) -> Any:
        """The right side of the definition, its variables standing for what is asked."""
        left, right = self.definitions[node.name].members[:2]
        assert isinstance(left, s.Symbol)
        levels, fixed = dict(self.levels), dict(self.fixed)
        for variables, values in ((left.index, node.index), (left.given, node.given)):
            if len(variables) != len(values):
                raise Unsaid(f"{node.name} is defined with another number of indices")
            for variable, value in zip(variables, values, strict=True):
                if isinstance(variable, s.Symbol):
                    levels[variable.name] = self.level(value)
                elif self.level(variable) != self.level(value):
                    raise Unsaid(f"{node.name} is not defined at this index")
        for variable, value in zip(left.arguments, node.arguments, strict=True):
            assert isinstance(variable, s.Symbol)
            if variable.name in levels:
                levels[variable.name] = self.level(value)
            else:
                fixed[(variable.name, (), ())] = evaluate(value, self)
        return evaluate(right, replace(self, levels=levels, fixed=fixed))

    def x(self, level: int) -> Any:
        key = ("x", (level,), ())
        return self.fixed[key] if key in self.fixed else self.drawn("real", key)

    def at(self, symbol: s.Symbol) -> Callable[[Any], "Numbers"]:
        """The world in which `symbol` has another value."""
        key = self.key(symbol)
        return lambda value: replace(self, fixed={**self.fixed, key: value})

    # --- the chain --------------------------------------------------------------------------------

    def beta(self, t: int) -> Any:
        if not 1 <= t <= len(self.betas):
            raise Unsaid(f"beta_{t} of {len(self.betas)} steps")
        return self.betas[t - 1]

    def kernel(self, low: int, high: int) -> tuple[Any, Any]:
        """(scale, variance) of x_high given x_low, composed one step after another."""
        if not 0 <= low <= high <= len(self.betas):
            raise Unsaid(f"a kernel from {low} to {high} of {len(self.betas)} steps")
        scale, variance = mpf(1), mpf(0)
        for t in range(low + 1, high + 1):
            scale = scale * mp.sqrt(1 - self.beta(t))
            variance = variance * (1 - self.beta(t)) + self.beta(t)
        return scale, variance

    def posterior(self, low: int, high: int, x_0: Any, x_high: Any) -> tuple[Any, Any]:
        """(mean, variance) of x_low given x_high and x_0, by adding precisions."""
        if low == 0:
            return x_0, mpf(0)
        (scale, prior), (gain, noise) = self.kernel(0, low), self.kernel(low, high)
        precision = 1 / prior + gain**2 / noise
        return (scale * x_0 / prior + gain * x_high / noise) / precision, 1 / precision

    # --- laws -------------------------------------------------------------------------------------

    def mixture(self, level: int) -> list[tuple[Any, Any, Any]]:
        """The law of x_level when x_0 is drawn from the data: weight, mean, variance."""
        scale, variance = self.kernel(0, level)
        return [(w, scale * m, scale**2 * v + variance) for w, m, v in self.data]

    def moment(self, node: s.Moment) -> Any:
        if isinstance(node.under, s.Symbol):
            nodes = self.drawn_under(node.under)
            over = node.under.arguments[0] if node.under.arguments else node.under
            assert isinstance(over, s.Symbol)
            return _moment(node, nodes, self.at(over))
        if node.given is None:
            raise Unsaid("a moment under what is no law")
        assert isinstance(node.given, s.Symbol)
        nodes = self.data_given(self.level(node.given.index[0]))
        return _moment(node, nodes, self.at(s.Symbol("x", (s.Number(Fraction(0)),))))

    def drawn_under(self, law: s.Symbol) -> list[tuple[Any, Any]]:
        """A grid of (place, weight) under a density; a bare name is standard normal."""
        if not law.arguments:
            return settled_grid(lambda x: normal(x, 0, 1))
        over = law.arguments[0]
        assert isinstance(over, s.Symbol)
        place = self.at(over)
        return settled_grid(lambda x: evaluate(law, place(x)))

    def data_given(self, level: int) -> list[tuple[Any, Any]]:
        """q(x_0 | x_level) by Bayes' rule on a grid: (place, weight), the weights summing to 1."""
        scale, variance = self.kernel(0, level)

        def joint(x_0: Any) -> Any:
            prior = sum(w * normal(x_0, m, v) for w, m, v in self.data)
            return prior * normal(self.x(level), scale * x_0, variance)

        points = settled_grid(joint)
        evidence = sum(weight for _, weight in points)
        return [(x_0, weight / evidence) for x_0, weight in points]

    def divergence(self, left: s.Node, right: s.Node) -> Any:
        (mean, variance), other = self.law(left), self.law(right)
        deviation = mp.sqrt(variance)

        def share(z: Any) -> Any:
            x = mean + deviation * z
            return normal(z, 0, 1) * (log_normal(x, mean, variance) - log_normal(x, *other))

        return over_the_line(share)

    def law(self, node: s.Node) -> tuple[Any, Any]:
        """(mean, variance) of a Gaussian, or of a q whose law the chain gives."""
        if isinstance(node, s.Symbol) and node.name == "q":
            return self.chain_law(node)
        if isinstance(node, s.Symbol) and node.name in self.definitions:
            result = self.defined(node)
            assert isinstance(result, tuple)
            return result
        value = evaluate(node, self)
        if not isinstance(value, tuple):
            raise Unsaid("a divergence of what is no law")
        return value

    def chain_law(self, node: s.Symbol) -> tuple[Any, Any]:
        """(mean, variance) of q(x | ...): a kernel, Bayes' rule, or a kernel from the latest."""
        target, given = node.arguments[0], node.given
        assert isinstance(target, s.Symbol)
        level = self.level(target.index[0])
        above = [each for each in given if isinstance(each, s.Symbol)]
        levels = sorted(self.level(each.index[0]) for each in above)
        if len(levels) == 1 and levels[0] < level:
            scale, variance = self.kernel(levels[0], level)
            return scale * self.x(levels[0]), variance
        if len(levels) == 2 and levels[0] == 0 and level < levels[1]:
            return self.posterior(level, levels[1], self.x(0), self.x(levels[1]))
        if len(levels) == 2 and max(levels) < level:  # the chain forgets all but the last
            scale, variance = self.kernel(levels[1], level)
            return scale * self.x(levels[1]), variance
        raise Unsaid("a law of the chain that is not composed of kernels here")

    def slope(self, node: s.Slope) -> Any:
        place = self.at(node.variable)
        return mp.diff(lambda x: evaluate(node.body, place(x)), evaluate(node.variable, self))

    def integral(self, node: s.Integral) -> Any:
        place = self.at(node.variable)
        return over_the_line(lambda x: evaluate(node.body, place(x)))


def _moment(node: s.Moment, nodes: list[tuple[Any, Any]], place: Callable[[Any], Numbers]) -> Any:
    """E or Var of the body over a grid; a grid is exact for a polynomial as for its weight."""
    values = [(weight, evaluate(node.body, place(x))) for x, weight in nodes]
    mean = sum(weight * value for weight, value in values)
    if node.kind == "E":
        return mean
    return sum(weight * (value - mean) ** 2 for weight, value in values)


MEANINGS: dict[str, Meaning] = {}  # what the names of the core mean; see meanings.py
