"""Symbolic proof of identities in SymPy from two kernels: x_s given x_0, then x_t given x_s.

a and b are the scales of the two kernels, the variance of each step is 1 minus its squared scale,
and nothing else is assumed. The proofs of the marginal show that such kernels compose to another
of the same form. Therefore what holds here holds for any s < t of any schedule; s = t - 1 is the
process of Ho et al. Further symbols are defined by the equations under Uses.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import sympy as sp

from . import syntax as n
from .evaluate import Undefined, evaluate

s, t, T = sp.symbols("s t T", integer=True, positive=True)
a, b = sp.symbols("a b", positive=True)
TIMESTEPS = {"s": s, "t": t, "T": T}


def real(name: str) -> sp.Symbol:
    """Return a real symbol of this name."""
    return sp.Symbol(name, real=True)


@dataclass(frozen=True)
class KernelPair:
    """Evaluation in SymPy; `known` maps names to the relations that define them."""

    declared: Mapping[str, str]
    known: Mapping[str, n.Relation]
    single_step: bool = False  # s = t - 1
    full_process: bool = False  # t = T
    chain: tuple[tuple[Any, Any], ...] = ()  # (timestep, alpha_bar), where two do not suffice
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

    def reduction(self, node: n.Reduction) -> Any:
        """Evaluate a sum with a closed form in SymPy; others need a proof by induction."""
        i = sp.Symbol(node.variable, integer=True, positive=True)
        first, last = (evaluate(each, self) for each in (node.first, node.last))
        body = evaluate(node.body, replace(self, values={**self.values, (node.variable,): i}))
        if node.kind == "prod":
            raise Undefined("a product over an integer variable, which needs a proof by induction")
        total = sp.summation(body, (i, first, last)).doit()
        return total.replace(sp.Piecewise, lambda *cases: cases[-1][0])  # ignore the 0 / 0 cases

    # --- names ------------------------------------------------------------------------------------

    def symbol(self, node: n.Symbol) -> Any:
        index = tuple(evaluate(each, self) for each in node.index)
        given = tuple(evaluate(each, self) for each in node.given) if node.index else ()
        key = (node.name, index, given) if node.index else (node.name,)
        if key in self.values and not node.arguments:
            return self.values[key]
        if node.name in TIMESTEPS and not node.index:
            return self.timestep(node.name)
        if node.name in CORE:
            return getattr(self, CORE[node.name])(node, index, given)
        if node.name in self.known:
            return self.defined(node)
        if node.arguments:
            raise Undefined(f"{node.name} is not defined by the equations under Uses")
        kind = self.declared.get(node.name, "real")
        name = "_".join(map(str, (node.name, *index, *given)))
        if kind == "integer":
            return sp.Symbol(name, integer=True, positive=True)
        return sp.Symbol(name, real=True, positive=True if kind != "real" and not index else None)

    def timestep(self, name: str) -> Any:
        if name == "t" and self.full_process:
            return T
        if name == "s" and self.single_step:
            return self.timestep("t") - 1
        return TIMESTEPS[name]

    def defined(self, node: n.Symbol) -> Any:
        left, right = self.known[node.name].members[:2]
        assert isinstance(left, n.Symbol)
        values = dict(self.values)
        variables = left.arguments or (*left.index, *left.given)
        given = node.arguments or (*node.index, *node.given)
        for variable, value in zip(variables, given, strict=True):
            if isinstance(variable, n.Symbol):
                values[(variable.name,)] = evaluate(value, self)
        return evaluate(right, replace(self, values=values))

    def alpha_bar(self, timestep: Any) -> Any:
        """Return alpha_bar at a timestep, from the two scales."""
        pair = ((0, sp.Integer(1)), (self.timestep("t"), a**2 * b**2), (self.timestep("s"), a**2))
        for known, value in self.chain or pair:
            if sp.simplify(timestep - known) == 0:
                return value
        raise Undefined(f"alpha_bar at the timestep {timestep}")

    def _alpha_bar(self, node: n.Symbol, index: Any, given: Any) -> Any:
        return self.alpha_bar(index[0])

    def _alpha(self, node: n.Symbol, index: Any, given: Any) -> Any:
        before = given[0] if given else index[0] - 1
        return self.alpha_bar(index[0]) / self.alpha_bar(before)

    def _beta(self, node: n.Symbol, index: Any, given: Any) -> Any:
        return 1 - self._alpha(node, index, given)

    def _epsilon(self, node: n.Symbol, index: Any, given: Any) -> Any:
        alpha_bar = self.alpha_bar(self.timestep("t"))
        x_0, x_t = self.x(sp.Integer(0)), self.x(self.timestep("t"))
        return (x_t - sp.sqrt(alpha_bar) * x_0) / sp.sqrt(1 - alpha_bar)

    def x(self, timestep: Any) -> Any:
        """Return the sample at a timestep."""
        if ("x", (timestep,), ()) in self.values:
            return self.values[("x", (timestep,), ())]
        names = {sp.Integer(0): "0", self.timestep("s"): "s", self.timestep("t"): "t"}
        return real(f"x_{names.get(timestep, timestep)}")

    def _x(self, node: n.Symbol, index: Any, given: Any) -> Any:
        return self.x(index[0])

    def _phi(self, node: n.Symbol, index: Any, given: Any) -> Any:
        return (1 + sp.erf(evaluate(node.arguments[0], self) / sp.sqrt(2))) / 2

    def _pi(self, node: n.Symbol, index: Any, given: Any) -> Any:
        return sp.pi

    # --- distributions ----------------------------------------------------------------------------

    def _q(self, node: n.Symbol, index: Any, given: Any) -> Any:
        return sp.exp(
            gaussian_log_density(self.sample(node.arguments[0])[1], *self.distribution(node))
        )

    def sample(self, node: n.Node) -> tuple[Any, Any]:
        """Return (timestep, value) of an argument of q."""
        if not isinstance(node, n.Symbol) or node.name != "x":
            raise Undefined("a q whose arguments are not all x")
        return evaluate(node.index[0], self), evaluate(node, self)

    def distribution(self, node: n.Node) -> tuple[Any, Any]:
        """Return (mean, variance) of a Gaussian, a kernel, or a posterior by Bayes' rule."""
        if not isinstance(node, n.Symbol) or node.name != "q":
            value = evaluate(node, self)
            if not isinstance(value, tuple):
                raise Undefined("an expression that is not a distribution")
            return value
        timestep = self.sample(node.arguments[0])[0]
        given = [self.sample(each) for each in node.given]
        if len(given) == 1:
            ratio = self.alpha_bar(timestep) / self.alpha_bar(given[0][0])
            return sp.sqrt(ratio) * given[0][1], 1 - ratio
        if len(given) == 2 and sp.simplify(timestep - self.timestep("s")) == 0:
            (_, later), (_, first) = sorted(given, key=lambda each: each[0] == 0)
            return bayes(later, first)
        if len(given) == 2:
            return b * given[0][1], 1 - b**2  # Markov: given x_s, x_0 does not matter
        raise Undefined("a distribution that does not follow from two kernels")

    def divergence(self, left: n.Node, right: n.Node) -> Any:
        mean, variance = self.distribution(left)
        other = self.distribution(right)
        z = real("z")
        inside = gaussian_log_density(z, mean, variance) - gaussian_log_density(z, *other)
        return expectation(sp.expand(inside), z, mean, variance)

    def moment(self, node: n.Moment) -> Any:
        z = real("z")
        if node.given is not None:
            key: Any = ("x", (sp.Integer(0),), ())
        elif not isinstance(node.distribution, n.Symbol):
            raise Undefined("a moment without a distribution")
        elif node.distribution.arguments:
            key = ("x", (self.sample(node.distribution.arguments[0])[0],), ())
        else:
            key = (node.distribution.name,)
        body = evaluate(node.body, replace(self, values={**self.values, key: z}))

        def mean(of: Any) -> Any:
            if node.given is not None:
                return mean_given_x_t(sp.expand(of), z)
            under = node.distribution
            assert isinstance(under, n.Symbol)
            standard = (sp.Integer(0), sp.Integer(1))
            gaussian = self.distribution(under) if under.arguments else standard
            return expectation(sp.expand(of), z, *gaussian)

        return mean(body) if node.kind == "E" else mean(body**2) - mean(body) ** 2

    def derivative(self, node: n.Derivative) -> Any:
        z = real("z")
        key = ("x", (evaluate(node.variable.index[0], self),), ())
        inner = replace(self, values={**self.values, key: z})
        return sp.diff(evaluate(node.body, inner), z).subs(z, evaluate(node.variable, self))

    def integral(self, node: n.Integral) -> Any:
        """Integrate exp(quadratic) by completing the square."""
        z = real("z")
        key = ("x", (evaluate(node.variable.index[0], self),), ())
        body = evaluate(node.body, replace(self, values={**self.values, key: z}))
        exponent = sp.Poly(sp.expand(sp.expand_log(sp.log(body), force=True)), z)
        if exponent.degree() != 2:
            raise Undefined("an integral of what is not the exponential of a quadratic")
        c2, c1, c0 = (exponent.coeff_monomial(z**k) for k in (2, 1, 0))
        return sp.sqrt(sp.pi / -c2) * sp.exp(c0 - c1**2 / (4 * c2))


CORE = {  # symbols with a fixed value
    **{r"\bar{\alpha}": "_alpha_bar", r"\alpha": "_alpha", r"\beta": "_beta", "x": "_x"},
    **{r"\epsilon": "_epsilon", r"\pi": "_pi", r"\Phi": "_phi", "q": "_q"},
}


def gaussian_log_density(x: Any, mean: Any, variance: Any) -> Any:
    """Return log N(x; mean, variance)."""
    return -((x - mean) ** 2) / (2 * variance) - sp.log(2 * sp.pi * variance) / 2


def expectation(body: Any, z: Any, mean: Any, variance: Any) -> Any:
    """Return the mean of a polynomial in z under N(mean, variance); odd central moments vanish."""
    u = real("u")
    polynomial = sp.Poly(sp.expand(body.subs(z, mean + u)), u)
    total = sp.Integer(0)
    for (k,), coefficient in polynomial.terms():
        if k % 2 == 0:
            total += coefficient * sp.factorial2(k - 1) * variance ** (k // 2)
    return total


def mean_given_x_t(body: Any, z: Any) -> Any:
    """Return the mean of a polynomial in x_0 given x_t; the moments of x_0 are free symbols."""
    polynomial = sp.Poly(body, z)
    moments = (sp.Integer(1), real("E[x_0 | x_t]"), real("E[x_0^2 | x_t]"))
    if polynomial.degree() >= len(moments):
        raise Undefined("a third moment of the data")
    return sum(coefficient * moments[k] for (k,), coefficient in polynomial.terms())


def bayes(x_t: Any, x_0: Any) -> tuple[Any, Any]:
    """Return (mean, variance) of q(x_s | x_t, x_0), by completing the square in x_s."""
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
    """Return whether simplification shows the two expressions equal; no numbers are compared."""
    if left.has(sp.exp) and right.has(sp.exp):  # densities: their logarithms are polynomials
        return _vanishes(sp.log(left) - sp.log(right)) or sp.simplify(left - right) == 0
    return _vanishes(left - right)


def _vanishes(difference: Any) -> bool:
    """Whether the logarithms combine to log 1 and the rest simplifies to 0."""
    difference = sp.expand(sp.expand_log(sp.expand(sp.factor_terms(difference)), force=True))
    logarithms = sp.Add(*(each for each in sp.Add.make_args(difference) if each.has(sp.log)))
    rest = difference - logarithms
    return bool(
        (logarithms == 0 or sp.simplify(sp.powsimp(sp.exp(2 * logarithms), force=True)) == 1)
        and (rest == 0 or any(sp.simplify(each(rest)) == 0 for each in SIMPLER))
    )


SIMPLER = (sp.factor, sp.radsimp, sp.expand_trig)
