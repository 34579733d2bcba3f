"""Gaussian paths in 60 digits: predictions as linear forms, three paths, and their conditioning."""

from functools import lru_cache
from itertools import pairwise

from ..protocol import GaussianPath
from . import exact
from .exact import Kernel, Value, mp, mpf

BETA_MIN, BETA_MAX = mpf("0.1"), mpf(20)  # of the path vp, Song et al. (2021), appendix C


def fractions(path: GaussianPath, t: int) -> tuple[mpf, mpf]:
    """Return alpha^2 and sigma^2, each divided by their sum."""
    alpha, sigma = mpf(path.alpha[t]) ** 2, mpf(path.sigma[t]) ** 2
    return alpha / (alpha + sigma), sigma / (alpha + sigma)


def kappa(path: GaussianPath, s: int, t: int) -> mpf:
    """Return the conditioning of the pair in the process of the path.

    At alpha = 0 all that depends on t is exact, so that only s counts.
    """
    if path.alpha[t] == 0:
        s, t = 0, s
    return exact.kappa(_betas(path), s, t) if t else mpf(1)


@lru_cache
def _betas(path: GaussianPath) -> tuple[mpf, ...]:
    signal = [fractions(path, t)[0] for t in range(len(path) + 1)]
    return tuple(1 - after / before for before, after in pairwise(signal))


def form(path: GaussianPath, name: str, t: int) -> tuple[mpf, mpf]:
    """Return the coefficients of x_0 and eps in x or in a prediction, by its definition."""
    alpha, sigma = mpf(path.alpha[t]), mpf(path.sigma[t])
    unit = mp.sqrt(alpha**2 + sigma**2)
    return {
        "x": lambda: (alpha, sigma),
        "x0": lambda: (mpf(1), mpf(0)),
        "eps": lambda: (mpf(0), mpf(1)),
        "v": lambda: (-sigma / unit, alpha / unit),
        "score": lambda: (mpf(0), -1 / sigma),
        "velocity": lambda: (mpf(path.alpha_dot[t]), mpf(path.sigma_dot[t])),
    }[name]()


def target(path: GaussianPath, name: str, x_0: float, noise: float, t: int) -> Value:
    """Return the prediction that x_0 and the noise determine."""
    return _sum(form(path, name, t), x_0, noise)


def convert(path: GaussianPath, source: str, target: str, value: float, x: float, t: int) -> Value:
    """Solve x and the definition of `source` for the coefficients that give `target`.

    The size counts the terms of each coefficient, because they may cancel.
    """
    (a, b), (c, d) = form(path, "x", t), form(path, source, t)
    want = form(path, target, t)
    of_x, of_value = mp.lu_solve(mp.matrix([[a, c], [b, d]]), mp.matrix(want))
    terms = [abs(want[0] * d) + abs(want[1] * c), abs(want[1] * a) + abs(want[0] * b)]
    largest = [each / abs(a * d - b * c) for each in terms]
    return Value(
        of_x * mpf(x) + of_value * mpf(value),
        largest[0] * abs(mpf(x)) + largest[1] * abs(mpf(value)),
    )


def standard(name: str, time: mpf) -> Kernel:
    """Return alpha and sigma^2 of one of GAUSSIAN_PATHS at a time, by its definition."""
    if name == "straight":
        return Kernel(1 - time, time**2)
    if name == "ve":
        return Kernel(mpf(1), time**2)
    integral = mp.quad(lambda each: BETA_MIN + (BETA_MAX - BETA_MIN) * each, [0, time])
    return Kernel(mp.exp(-integral / 2), 1 - mp.exp(-integral))


def _sum(of: tuple[mpf, mpf], x_0: float, noise: float) -> Value:
    terms = of[0] * mpf(x_0), of[1] * mpf(noise)
    return Value(sum(terms), sum(map(abs, terms)))
