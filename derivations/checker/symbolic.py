"""Two kernels with free numbers in SymPy: x_s given x_0, then x_t given x_s. It proves identities.

a and b are the scales of the two kernels, each step's variance is 1 minus its squared scale, and
nothing else is known. That kernels of this kind compose to one of this kind is what the proofs of
the marginal show; so whatever holds here holds for any s < t of any schedule, and s = t - 1 is Ho
et al.'s chain. Other symbols get their meaning from the text of the equations that are used.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from . import syntax as n
from .evaluate import Unsaid, evaluate

s, t, T = sp.symbols("s t T", integer=True, positive=True)
a, b = sp.symbols("a b", positive=True)
LEVELS = {"s": s, "t": t, "T": T}


def real(name: str) -> sp.Symbol:
    """A real number of this name."""
    return sp.Symbol(name, real=True)


@dataclass(frozen=True)
class Pair:
    """A world of SymPy's expressions; `known` are equations whose left side the text explains."""

    declared: Mapping[str, str]
    known: Mapping[str, n.Relation]
    single_step: bool = False  # whether s is t - 1
    whole_chain: bool = False  # whether t is T
    chain: tuple[tuple[Any, Any], ...] = ()  # (level, alpha_bar there), where two do not suffice
    values: Mapping[Any, Any] = field(default_factory=dict)

    # --- arithmetic -------------------------------------------------------------------------------

    def number(self, node: n.Number) -> Any:
        return sp.Rational(node.value.numerator, node.value.denominator)

    def sqrt(self, x: Any) -> Any:
        return sp.sqrt(sp.cancel(x))

    def power(self, base: Any, exponent: Any) -> Any:
        return base**exponent

    def call(self, function: str, arguments: list[Any]) -> Any:
        if function in ("min", "max"):
            return {"min": sp.Min, "max": sp.Max}[function](*arguments)
        if function == "log":
            return sp.expand_log(sp.log(arguments[0]), force=True)
        return {"exp": sp.exp, "sin": sp.sin, "cos": sp.cos, "abs": sp.Abs}[function](*arguments)

    def running(self, node: n.Running) -> Any:
        """A sum over free levels, where SymPy knows its closed form; others take an induction."""
        i = sp.Symbol(node.variable, integer=True, positive=True)
        first, last = (evaluate(each, self) for each in (node.first, node.last))
        body = evaluate(node.body, replace(self, values={**self.values, (node.variable,): i}))
        if node.kind == "prod":
            raise Unsaid("a product over free levels, which takes an induction")
        total = sp.summation(body, (i, first, last)).doit()
        return total.replace(sp.Piecewise, lambda *cases: cases[-1][0])  # the cases of 0 / 0 aside

    # --- names ------------------------------------------------------------------------------------

    def symbol(self, node: n.Symbol) -> Any:
        index = tuple(evaluate(each, self) for each in node.index)
        behind = tuple(evaluate(each, self) for each in node.given) if node.index else ()
        key = (node.name, index, behind) if node.index else (node.name,)
        if key in self.values and not node.arguments:
            return self.values[key]
        if node.name in LEVELS and not node.index:
            return self.level(node.name)
        if node.name in CORE:
            return getattr(self, CORE[node.name])(node, index, behind)
        if node.name in self.known:
            return self.explained(node)
        if node.arguments:
            raise Unsaid(f"{node.name} has no meaning from what is used")
        kind = self.declared.get(node.name, "real")
        name = "_".join(map(str, (node.name, *index, *behind)))
        if kind == "level":
            return sp.Symbol(name, integer=True, positive=True)
        return sp.Symbol(name, real=True, positive=True if kind != "real" and not index else None)

    def level(self, name: str) -> Any:
        if name == "t" and self.whole_chain:
            return T
        if name == "s" and self.single_step:
            return self.level("t") - 1
        return LEVELS[name]

    def explained(self, node: n.Symbol) -> Any:
        left, right = self.known[node.name].members[:2]
        assert isinstance(left, n.Symbol)
        values = dict(self.values)
        variables = left.arguments or (*left.index, *left.given)
        given = node.arguments or (*node.index, *node.given)
        for variable, value in zip(variables, given, strict=True):
            if isinstance(variable, n.Symbol):
                values[(variable.name,)] = evaluate(value, self)
        return evaluate(right, replace(self, values=values))

    def kept(self, level: Any) -> Any:
        """alpha_bar at a level, from the two scales."""
        pair = ((0, sp.Integer(1)), (self.level("t"), a**2 * b**2), (self.level("s"), a**2))
        for known, value in self.chain or pair:
            if sp.simplify(level - known) == 0:
                return value
        raise Unsaid(f"nothing is known of the level {level}")

    def _alpha_bar(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        return self.kept(index[0])

    def _alpha(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        low = behind[0] if behind else index[0] - 1
        return self.kept(index[0]) / self.kept(low)

    def _beta(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        return 1 - self._alpha(node, index, behind)

    def _epsilon(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        kept = self.kept(self.level("t"))
        return (self.x(self.level("t")) - sp.sqrt(kept) * self.x(sp.Integer(0))) / sp.sqrt(1 - kept)

    def x(self, level: Any) -> Any:
        """An event at a level."""
        if ("x", (level,), ()) in self.values:
            return self.values[("x", (level,), ())]
        name = {sp.Integer(0): "0", self.level("s"): "s", self.level("t"): "t"}.get(level)
        return real(f"x_{name or level}")

    def _x(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        return self.x(index[0])

    def _phi(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        return (1 + sp.erf(evaluate(node.arguments[0], self) / sp.sqrt(2))) / 2

    def _pi(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        return sp.pi

    # --- laws -------------------------------------------------------------------------------------

    def _q(self, node: n.Symbol, index: Any, behind: Any) -> Any:
        return sp.exp(log_normal(self.event(node.arguments[0])[1], *self.law(node)))

    def event(self, node: n.Node) -> tuple[Any, Any]:
        """(level, value) of an argument of q."""
        if not isinstance(node, n.Symbol) or node.name != "x":
            raise Unsaid("q of what is no x")
        return evaluate(node.index[0], self), evaluate(node, self)

    def law(self, node: n.Node) -> tuple[Any, Any]:
        """(mean, variance) of a Gaussian, of a kernel, or of Bayes' rule with two of them."""
        if not isinstance(node, n.Symbol) or node.name != "q":
            value = evaluate(node, self)
            if not isinstance(value, tuple):
                raise Unsaid("what is no law")
            return value
        level = self.event(node.arguments[0])[0]
        given = [self.event(each) for each in node.given]
        if len(given) == 1:
            ratio = self.kept(level) / self.kept(given[0][0])
            return sp.sqrt(ratio) * given[0][1], 1 - ratio
        if len(given) == 2 and sp.simplify(level - self.level("s")) == 0:
            (_, later), (_, first) = sorted(given, key=lambda each: each[0] == 0)
            return bayes(later, first)
        if len(given) == 2:
            return b * given[0][1], 1 - b**2  # the chain forgets x_0 once it is told x_s
        raise Unsaid("a law that two kernels do not give")

    def divergence(self, left: n.Node, right: n.Node) -> Any:
        mean, variance = self.law(left)
        other = self.law(right)
        z = real("z")
        inside = log_normal(z, mean, variance) - log_normal(z, *other)
        return expectation(sp.expand(inside), z, mean, variance)

    def moment(self, node: n.Moment) -> Any:
        z = real("z")
        if node.given is not None:
            key: Any = ("x", (sp.Integer(0),), ())
        elif not isinstance(node.under, n.Symbol):
            raise Unsaid("a moment under what is no law")
        elif node.under.arguments:
            key = ("x", (self.event(node.under.arguments[0])[0],), ())
        else:
            key = (node.under.name,)
        body = evaluate(node.body, replace(self, values={**self.values, key: z}))

        def mean(of: Any) -> Any:
            if node.given is not None:
                return any_law(sp.expand(of), z)
            assert isinstance(node.under, n.Symbol)
            law = self.law(node.under) if node.under.arguments else (sp.Integer(0), sp.Integer(1))
            return expectation(sp.expand(of), z, *law)

        return mean(body) if node.kind == "E" else mean(body**2) - mean(body) ** 2

    def slope(self, node: n.Slope) -> Any:
        z = real("z")
        key = ("x", (evaluate(node.variable.index[0], self),), ())
        inner = replace(self, values={**self.values, key: z})
        return sp.diff(evaluate(node.body, inner), z).subs(z, evaluate(node.variable, self))

    def integral(self, node: n.Integral) -> Any:
        """Of exp(quadratic): completing the square once and for all."""
        z = real("z")
        key = ("x", (evaluate(node.variable.index[0], self),), ())
        body = evaluate(node.body, replace(self, values={**self.values, key: z}))
        exponent = sp.Poly(sp.expand(sp.expand_log(sp.log(body), force=True)), z)
        if exponent.degree() != 2:
            raise Unsaid("an integral of what is no exponential of a square")
        c2, c1, c0 = (exponent.coeff_monomial(z**k) for k in (2, 1, 0))
        return sp.sqrt(sp.pi / -c2) * sp.exp(c0 - c1**2 / (4 * c2))


CORE = {  # names that have a meaning before any equation
    **{r"\bar{\alpha}": "_alpha_bar", r"\alpha": "_alpha", r"\beta": "_beta", "x": "_x"},
    **{r"\epsilon": "_epsilon", r"\pi": "_pi", r"\Phi": "_phi", "q": "_q"},
}


def log_normal(x: Any, mean: Any, variance: Any) -> Any:
    """log N(x; mean, variance)."""
    return -((x - mean) ** 2) / (2 * variance) - sp.log(2 * sp.pi * variance) / 2


def expectation(body: Any, z: Any, mean: Any, variance: Any) -> Any:
    """Of a polynomial in z under N(mean, variance): odd powers of the deviation vanish."""
    u = real("u")
    polynomial = sp.Poly(sp.expand(body.subs(z, mean + u)), u)
    total = sp.Integer(0)
    for (k,), coefficient in polynomial.terms():
        if k % 2 == 0:
            total += coefficient * sp.factorial2(k - 1) * variance ** (k // 2)
    return total


def any_law(body: Any, z: Any) -> Any:
    """Of a polynomial in x_0 under whatever law it has given x_t: its moments are free numbers."""
    polynomial = sp.Poly(body, z)
    moments = (sp.Integer(1), real("E[x_0 | x_t]"), real("E[x_0^2 | x_t]"))
    if polynomial.degree() >= len(moments):
        raise Unsaid("a third moment of the data")
    return sum(coefficient * moments[k] for (k,), coefficient in polynomial.terms())


def bayes(x_t: Any, x_0: Any) -> tuple[Any, Any]:
    """q(x_s | x_t, x_0): the square in x_s, completed in the exponent of the two kernels."""
    x_s = real("x_s")
    exponent = sp.Poly(
        sp.expand(
            -((x_t - b * x_s) ** 2) / (2 * (1 - b**2)) - (x_s - a * x_0) ** 2 / (2 * (1 - a**2))
        ),
        x_s,
    )
    precision = -2 * exponent.coeff_monomial(x_s**2)
    return sp.simplify(exponent.coeff_monomial(x_s) / precision), sp.simplify(1 / precision)


def same(left: Any, right: Any) -> bool:
    """Whether two expressions are one, by simplification; never by numbers."""
    if left.has(sp.exp) and right.has(sp.exp):  # densities: their logarithms are polynomials
        return _vanishes(sp.log(left) - sp.log(right)) or sp.simplify(left - right) == 0
    return _vanishes(left - right)


def _vanishes(difference: Any) -> bool:
    """The logarithms in it have to make 1, the rest 0."""
    difference = sp.expand(sp.expand_log(sp.expand(sp.factor_terms(difference)), force=True))
    logarithms = sp.Add(*(each for each in sp.Add.make_args(difference) if each.has(sp.log)))
    rest = difference - logarithms
    return bool(
        (logarithms == 0 or sp.simplify(sp.powsimp(sp.exp(2 * logarithms), force=True)) == 1)
        and (rest == 0 or any(sp.simplify(each(rest)) == 0 for each in SIMPLER))
    )


SIMPLER = (sp.factor, sp.radsimp, sp.expand_trig)
