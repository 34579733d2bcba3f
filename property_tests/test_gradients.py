"""Gradients: vector-Jacobian products of every differentiable method, and where none may flow."""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pytest

from .calls import CALLS, inputs
from .calls.call import same
from .differentiable import (
    SMOOTH,
    cotangents_like,
    evaluate_all,
    name_of,
    waves,
)
from .oracles import exact
from .oracles.exact import Value, mp, mpf
from .protocol import (
    PREDICTIONS,
    Array,
    Betas,
    Implementation,
)
from .statistics.precisions import in_each_precision
from .statistics.tolerances import check_largest, elements
from .strategies import DEGENERATE, EARLY, SCALARS, STEEP, Case

ORACLE = "the exact maps, differentiated in 60 digits; difference quotients of verified answers"


STOPPED = "objective, hybrid"  # whose bound term carries none to the mean


class Linear(NamedTuple):
    """A method that maps each element of its samples linearly, with what it computes."""

    arguments: Callable[[Case], tuple[Any, ...]]
    exact: Callable[..., list[mpf]]  # (betas, s, t, an element of each sample) -> outputs


def diffused(betas: Betas, t: int, x_0: mpf, noise: mpf) -> mpf:
    return exact.diffuse(betas, t, x_0, noise).exact


def conversion(source: str, target: str) -> Linear:
    return Linear(
        lambda c: (c.betas, source, target, c.first, c.second, c.t),
        lambda betas, s, t, x, y: [exact.convert(betas, source, target, x, y, t).exact],
    )


def training_target(name: str) -> Linear:
    return Linear(
        lambda c: (c.betas, name, c.first, c.second, c.t),
        lambda betas, s, t, x, y: [
            exact.convert(betas, "x0", name, x, diffused(betas, t, x, y), t).exact
        ],
    )


def reverse(variance: str) -> Linear:
    return Linear(
        lambda c: (c.betas, variance, c.first, c.second, c.s, c.t),
        lambda betas, s, t, x, y: [exact.posterior(betas, x, y, s, t).mean.exact, mpf(0)],
    )


LINEAR = {
    "q_marginal": Linear(
        lambda c: (c.betas, c.first, c.t),
        lambda betas, s, t, x: [diffused(betas, t, x, mpf(0)), mpf(0)],
    ),
    "q_step": Linear(
        lambda c: (c.betas, c.first, c.s, c.t),
        lambda betas, s, t, x: [exact.kernel(betas, s, t).scale * x, mpf(0)],
    ),
    "q_sample": Linear(
        lambda c: (c.betas, c.first, c.t, c.second),
        lambda betas, s, t, x, y: [diffused(betas, t, x, y)],
    ),
    "q_posterior": Linear(
        lambda c: (c.betas, c.first, c.second, c.s, c.t),
        lambda betas, s, t, x, y: [exact.posterior(betas, x, y, s, t).mean.exact, mpf(0)],
    ),
    "reverse_kernel": reverse("fixed_small"),
    "reverse_kernel, fixed_large": reverse("fixed_large"),
    **{f"target, {name}": training_target(name) for name in PREDICTIONS},
    **{
        f"convert, {a} to {b}": conversion(a, b) for a in PREDICTIONS for b in PREDICTIONS if a != b
    },
}


IMAGES = Case(
    STEEP,
    np.array([0, 1, 0, 3]),
    np.array([1, 2, 3, 4]),
    np.linspace(-2, 1.75, 16).reshape(4, 1, 2, 2),
    np.linspace(1.75, -2, 16).reshape(4, 1, 2, 2) ** 2,
)
UNEVEN = IMAGES._replace(betas=DEGENERATE)
CASES = {"scalars": SCALARS, "early": EARLY, "images": IMAGES, "degenerate": UNEVEN}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("method", LINEAR)
def test_gradients_of_linear_methods_are_their_coefficients(impl: Implementation, method, case):
    """Eq. forward-process.sample, posterior.mean and the conversions: d output / d sample.

    The gradient of a weighted sum is each coefficient times its weight, rounded as the map is. The
    outputs are those without gradients, bit for bit.
    """
    row, name, given = LINEAR[method], name_of(method), CASES[case]
    arguments = row.arguments(given)
    for at in in_each_precision(impl):
        plain = getattr(at.impl, name)(*arguments)
        plain = plain if isinstance(plain, tuple) else (plain,)
        weights = cotangents_like(*plain)
        found = at.impl.differentiate(name, arguments, weights)
        for output, value in zip(found.outputs, plain, strict=True):
            assert np.array_equal(output, value), f"{method} differs where a gradient flows"
        for where in elements(given.first):
            s, t = int(given.s[where[0]]), int(given.t[where[0]])
            kappa = max(exact.kappa(given.betas, s, t), exact.kappa(given.betas, 0, t))
            slopes = coefficients(method, given.betas, s, t)
            for i, (gradient, slope) in enumerate(zip(found.gradients, slopes, strict=True)):
                terms = [mpf(w[where]) * each for w, each in zip(weights, slope, strict=True)]
                want = Value(mp.fsum(terms), mp.fsum(terms, absolute=True))
                at.check(f"gradient {i} of {method}", where, gradient, want, kappa)


@cache
def coefficients(method: str, betas: Betas, s: int, t: int) -> list[list[mpf]]:
    """Return d output / d sample, for each sample a list over the outputs.

    What is below 1e-40 is the rounding of 60 digits, and 0.
    """
    row = LINEAR[method]
    count = row.exact.__code__.co_argcount - 3  # after the schedule, s and t
    found = []
    for i in range(count):
        unit = [mpf(int(i == j)) for j in range(count)]
        slopes = row.exact(betas, s, t, *unit)
        found.append([each if abs(each) > mpf("1e-40") else mpf(0) for each in slopes])
    return found


# --- methods that are not linear ------------------------------------------------------------------


@pytest.mark.parametrize("method", [each for each in SMOOTH if each != STOPPED])
def test_gradients_are_derivatives_of_the_outputs(impl: Implementation, method):
    """The derivative along one direction in all samples, by Richardson's difference quotient.

    With h = 2^-9 its error is h^4 / 30 times a fifth derivative of some hundreds, and its rounding
    u / h: both are below 2^-24 of the terms. The outputs are those without gradients. What a
    function among the arguments is given is an output, too, for the chain rule through it.
    """
    row, h = SMOOTH[method], 2.0**-9
    directions = [waves(*each.shape, phase=6.0 + i) for i, each in enumerate(row.samples)]

    def outputs(step: float) -> list[Array]:
        moved = [x + step * along for x, along in zip(row.samples, directions, strict=True)]
        return evaluate_all(impl, method, moved)

    plain = outputs(0.0)
    weights = cotangents_like(*plain)
    found = impl.differentiate(name_of(method), row.arguments(*row.samples), weights)
    for output, value in zip(found.outputs, plain, strict=False):
        assert np.array_equal(output, value), f"{method} differs where a gradient flows"
    up, down, far_up, far_down = (
        np.array([(w * y).sum() for w, y in zip(weights, outputs(k * h), strict=True)])
        for k in (1, -1, 2, -2)
    )
    want = float((8 * (up - down) - (far_up - far_down)).sum() / (12 * h))
    products = [g * d for g, d in zip(found.gradients, directions, strict=True)]
    got = sum(float(each.sum()) for each in products)
    size = np.abs(up).sum() + sum(float(np.abs(each).sum()) for each in products)
    check_largest(f"derivative of {method}", np.float64(got), np.float64(want), 2.0**-24 * size)


class GradientsOf:
    """An implementation whose methods return the gradients of the sum of their outputs."""

    def __init__(self, impl: Implementation) -> None:
        self.impl = impl

    def __getattr__(self, name: str) -> Callable[..., list[Array]]:
        def gradients(*arguments: Any) -> list[Array]:
            output = getattr(self.impl, name)(*arguments)
            parts = output if isinstance(output, tuple) else (output,)
            ones = [np.ones(each.shape) for each in parts if each.size]
            return self.impl.differentiate(name, arguments, ones).gradients

        return gradients


# The terms of a bound are transposed, and the rows decide how often guidance evaluates.
OTHERS = {"vlb_terms", "vlb_of_denoiser", "guided"}
BY_ROWS = sorted(
    name for name in {name_of(each) for each in (*LINEAR, *SMOOTH)} - OTHERS if CALLS[name].rows
)


@pytest.mark.complete
@pytest.mark.parametrize("method", BY_ROWS)
def test_gradients_are_the_same_in_any_batch(impl: Implementation, method):
    """The gradient of a sample is that in any batch, bit for bit: of 1, 2 and 65 rows."""
    whole = CALLS[method](GradientsOf(impl), inputs())
    for chosen in ([3], [4, 1], [(5 - i) % 6 for i in range(65)]):
        got = CALLS[method](GradientsOf(impl), inputs().rows(chosen))
        by_row = [len(each) == 6 for each in whole]  # not what a function returned for both labels
        want = [each[chosen] for each, kept in zip(whole, by_row, strict=True) if kept]
        got = [each for each, kept in zip(got, by_row, strict=True) if kept]
        same(got, want, f"gradients of {method} in {len(chosen)} rows")
