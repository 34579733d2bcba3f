"""Random instances in 60 digits, whose symbols are computed by composing one-step kernels.

No closed form is used here. An instance has steep random betas; x_t = sqrt(1 - beta_t) x_(t-1) +
sqrt(beta_t) z is composed step by step, Bayes' rule adds precisions, moments and integrals are
sums over a fine grid, which converge exponentially for integrands of Gaussian decay. An incorrect
formula fails in some instance by far more than the required 45 digits.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from . import syntax as s
from .evaluate import Undefined, evaluate
from .quadrature import converged_grid, gaussian_density, gaussian_log_density, integrate, mp, mpf

LARGEST = 1000  # exponent, or number of terms: instances are small
Key = tuple[Any, ...]
SymbolValue = Callable[["RandomInstance", s.Symbol], Any]


@dataclass(frozen=True)
class RandomInstance:
    """Timesteps, a schedule, samples, a data mixture, and values of a page's free symbols."""

    seed: str
    integers: Mapping[str, int]
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
            raise Undefined(f"the root of {mp.nstr(x, 5)}")
        return mp.sqrt(x)

    def power(self, base: Any, exponent: Any) -> Any:
        if base < 0 and exponent != int(exponent):
            raise Undefined("a root of a negative number")
        if abs(exponent) > LARGEST:
            raise Undefined(f"an exponent beyond {LARGEST}")
        return base**exponent if exponent != int(exponent) else base ** int(exponent)

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function in ("min", "max", "abs"):
            return {"min": min, "max": max, "abs": abs}[function](*arguments)
        if function == "log" and arguments[0] <= 0:
            raise Undefined("the logarithm of a number that is not positive")
        return getattr(mp, function)(*arguments)

    def reduction(self, node: s.Reduction) -> Any:
        total = mpf(0 if node.kind == "sum" else 1)
        first, last = self.integer(node.first), self.integer(node.last)
        if last - first > LARGEST:
            raise Undefined(f"more than {LARGEST} terms")
        for i in range(first, last + 1):
            inner = replace(self, integers={**self.integers, node.variable: i})
            term = evaluate(node.body, inner)
            total = total + term if node.kind == "sum" else total * term
        return total

    def integer(self, node: s.Node) -> int:
        value = evaluate(node, self)
        if value != int(value):
            raise Undefined(f"an index that is not an integer: {mp.nstr(value, 5)}")
        return int(value)

    # --- names ------------------------------------------------------------------------------------

    def key(self, node: s.Symbol) -> Key:
        index = tuple(self.integer(each) for each in node.index)
        given = tuple(self.integer(each) for each in node.given) if node.index else ()
        return (node.name, index, given)

    def symbol(self, node: s.Symbol) -> Any:
        if node.name in self.integers and not node.index:
            return mpf(self.integers[node.name])
        key = self.key(node) if not node.arguments else None
        if key in self.fixed:
            return self.fixed[key]
        if node.name in CORE_SYMBOLS:
            try:
                return CORE_SYMBOLS[node.name](self, node)
            except IndexError:
                raise Undefined(
                    f"{node.name} is a core symbol and has no value with this index or these "
                    "arguments; use another name"
                ) from None
        if node.name in self.definitions:
            return self.defined(node)
        if node.arguments:
            raise Undefined(f"{node.name} has neither a definition nor a distribution")
        return self.drawn(self.declared.get(node.name, "real"), key)

    def drawn(self, kind: str, key: Key | None) -> Any:
        """Return a number of the declared kind, always the same for a name and its index."""
        rng = random.Random(f"{self.seed} {key}")
        low, high = {"positive": (0.1, 2.5), "fraction": (0.05, 0.95)}.get(kind, (-2.0, 2.0))
        return mpf(round(rng.uniform(low, high), 6))

    def defined(self, node: s.Symbol) -> Any:
        """Evaluate the right side of the symbol's definition at its indices and arguments."""
        left, right = self.definitions[node.name].members[:2]
        assert isinstance(left, s.Symbol)
        integers, fixed = dict(self.integers), dict(self.fixed)
        for variables, values in ((left.index, node.index), (left.given, node.given)):
            if len(variables) != len(values):
                raise Undefined(f"{node.name} is defined with a different number of indices")
            for variable, value in zip(variables, values, strict=True):
                if isinstance(variable, s.Symbol):
                    integers[variable.name] = self.integer(value)
                elif self.integer(variable) != self.integer(value):
                    raise Undefined(f"{node.name} is not defined at this index")
        for variable, value in zip(left.arguments, node.arguments, strict=True):
            assert isinstance(variable, s.Symbol)
            if variable.name in integers:
                integers[variable.name] = self.integer(value)
            else:
                fixed[(variable.name, (), ())] = evaluate(value, self)
        return evaluate(right, replace(self, integers=integers, fixed=fixed))

    def x(self, t: int) -> Any:
        key = ("x", (t,), ())
        return self.fixed[key] if key in self.fixed else self.drawn("real", key)

    def at(self, symbol: s.Symbol) -> Callable[[Any], "RandomInstance"]:
        """Return a function from a value of `symbol` to the instance with that value."""
        key = self.key(symbol)
        return lambda value: replace(self, fixed={**self.fixed, key: value})

    # --- the forward process ----------------------------------------------------------------------

    def beta(self, t: int) -> Any:
        if not 1 <= t <= len(self.betas):
            raise Undefined(f"beta_{t} of {len(self.betas)} steps")
        return self.betas[t - 1]

    def kernel(self, s: int, t: int) -> tuple[Any, Any]:
        """Return (scale, variance) of x_t given x_s, composed step by step."""
        if not 0 <= s <= t <= len(self.betas):
            raise Undefined(f"a kernel from {s} to {t} of {len(self.betas)} steps")
        scale, variance = mpf(1), mpf(0)
        for step in range(s + 1, t + 1):
            scale = scale * mp.sqrt(1 - self.beta(step))
            variance = variance * (1 - self.beta(step)) + self.beta(step)
        return scale, variance

    def posterior(self, s: int, t: int, x_0: Any, x_t: Any) -> tuple[Any, Any]:
        """Return (mean, variance) of x_s given x_t and x_0, by adding precisions."""
        if s == 0:
            return x_0, mpf(0)
        (scale, prior), (gain, noise) = self.kernel(0, s), self.kernel(s, t)
        precision = 1 / prior + gain**2 / noise
        return (scale * x_0 / prior + gain * x_t / noise) / precision, 1 / precision

    # --- distributions ----------------------------------------------------------------------------

    def mixture(self, t: int) -> list[tuple[Any, Any, Any]]:
        """Return (weight, mean, variance) of each component of x_t, for x_0 drawn from the data."""
        scale, variance = self.kernel(0, t)
        return [(w, scale * m, scale**2 * v + variance) for w, m, v in self.data]

    def moment(self, node: s.Moment) -> Any:
        if isinstance(node.distribution, s.Symbol):
            density = node.distribution
            nodes = self.grid_under(density)
            over = density.arguments[0] if density.arguments else density
            assert isinstance(over, s.Symbol)
            return _moment(node, nodes, self.at(over))
        if node.given is None:
            raise Undefined("a moment without a distribution")
        assert isinstance(node.given, s.Symbol)
        nodes = self.data_given(self.integer(node.given.index[0]))
        return _moment(node, nodes, self.at(s.Symbol("x", (s.Number(Fraction(0)),))))

    def grid_under(self, density: s.Symbol) -> list[tuple[Any, Any]]:
        """Return (node, weight) pairs under a density; a bare name is standard normal."""
        if not density.arguments:
            return converged_grid(lambda x: gaussian_density(x, 0, 1))
        over = density.arguments[0]
        assert isinstance(over, s.Symbol)
        instance_at = self.at(over)
        return converged_grid(lambda x: evaluate(density, instance_at(x)))

    def data_given(self, t: int) -> list[tuple[Any, Any]]:
        """Return q(x_0 | x_t) by Bayes' rule on a grid: (node, weight) pairs, weights sum to 1."""
        scale, variance = self.kernel(0, t)

        def joint(x_0: Any) -> Any:
            prior = sum(w * gaussian_density(x_0, m, v) for w, m, v in self.data)
            return prior * gaussian_density(self.x(t), scale * x_0, variance)

        points = converged_grid(joint)
        evidence = sum(weight for _, weight in points)
        return [(x_0, weight / evidence) for x_0, weight in points]

    def divergence(self, left: s.Node, right: s.Node) -> Any:
        (mean, variance), other = self.distribution(left), self.distribution(right)
        std = mp.sqrt(variance)

        def integrand(z: Any) -> Any:
            x = mean + std * z
            log_ratio = gaussian_log_density(x, mean, variance) - gaussian_log_density(x, *other)
            return gaussian_density(z, 0, 1) * log_ratio

        return integrate(integrand)

    def distribution(self, node: s.Node) -> tuple[Any, Any]:
        """Return (mean, variance) of a Gaussian, or of a q of the forward process."""
        if isinstance(node, s.Symbol) and node.name == "q":
            return self.forward_process(node)
        if isinstance(node, s.Symbol) and node.name in self.definitions:
            result = self.defined(node)
            assert isinstance(result, tuple)
            return result
        value = evaluate(node, self)
        if not isinstance(value, tuple):
            raise Undefined("a divergence between expressions that are not distributions")
        return value

    def forward_process(self, node: s.Symbol) -> tuple[Any, Any]:
        """Return (mean, variance) of q(x | ...), a kernel or a posterior."""
        target, given = node.arguments[0], node.given
        assert isinstance(target, s.Symbol)
        t = self.integer(target.index[0])
        states = [each for each in given if isinstance(each, s.Symbol)]
        times = sorted(self.integer(each.index[0]) for each in states)
        if len(times) == 1 and times[0] < t:
            scale, variance = self.kernel(times[0], t)
            return scale * self.x(times[0]), variance
        if len(times) == 2 and times[0] == 0 and t < times[1]:
            return self.posterior(t, times[1], self.x(0), self.x(times[1]))
        if len(times) == 2 and max(times) < t:  # Markov: only the latest state matters
            scale, variance = self.kernel(times[1], t)
            return scale * self.x(times[1]), variance
        raise Undefined("a conditional of the forward process that is not implemented here")

    def derivative(self, node: s.Derivative) -> Any:
        instance_at = self.at(node.variable)
        value = evaluate(node.variable, self)
        return mp.diff(lambda x: evaluate(node.body, instance_at(x)), value)

    def integral(self, node: s.Integral) -> Any:
        instance_at = self.at(node.variable)
        return integrate(lambda x: evaluate(node.body, instance_at(x)))


def _moment(
    node: s.Moment, grid: list[tuple[Any, Any]], instance_at: Callable[[Any], RandomInstance]
) -> Any:
    """Return E or Var of the body over a grid; the grid is as exact for it as for its weight."""
    values = [(weight, evaluate(node.body, instance_at(x))) for x, weight in grid]
    mean = sum(weight * value for weight, value in values)
    if node.kind == "E":
        return mean
    return sum(weight * (value - mean) ** 2 for weight, value in values)


CORE_SYMBOLS: dict[str, SymbolValue] = {}  # filled by core_symbols.py
