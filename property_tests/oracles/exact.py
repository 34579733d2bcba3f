"""Exact answers in 60 digits from the definitions: composed one-step kernels and Bayes' rule.

Only x_i = sqrt(1 - beta_i) x_{i-1} + sqrt(beta_i) z_i is assumed. No closed form of alpha_bar, the
posterior or a conversion is used. A Gaussian path in place of betas gives its kernels by two
tables, and all that follows from kernels.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from mpmath import MPContext

from ..protocol import Array, Betas, GaussianPath, Process
from .table import FLOAT32, NoDigitsError, of_a_table

mp = MPContext()  # a private context, so that the precision of other users does not change
mp.dps = 60
mpf = mp.mpf


class Kernel(NamedTuple):
    """x_t = scale x_s + sqrt(var) z."""

    scale: mpf
    var: mpf


class Value(NamedTuple):
    """An exact number and its size, the sum of its absolute terms."""

    exact: mpf
    size: mpf


class Posterior(NamedTuple):
    """The mean and variance of q(x_s | x_t, x_0)."""

    mean: Value
    var: mpf


def kernel(betas: Process, s: int, t: int) -> Kernel:
    """Return q(x_t | x_s), by composing the kernels of the steps s+1..t."""
    return _kernels_from(betas, s)[t - s]


def marginal(betas: Process, t: float) -> Kernel:
    """Return q(x_t | x_0) at a real t >= 1; between timesteps the log-SNR is linear in t."""
    before = int(t)
    if t == before:
        return kernel(betas, 0, before)
    low, high = (_log_snr(kernel(betas, 0, each)) for each in (before, before + 1))
    log_snr = low + (mpf(t) - before) * (high - low)
    return Kernel(1 / mp.sqrt(1 + mp.exp(-log_snr)), 1 / (1 + mp.exp(log_snr)))


def _log_snr(of: Kernel) -> mpf:
    return 2 * mp.log(of.scale) - mp.log(of.var)


@lru_cache(maxsize=256)
def _kernels_from(betas: Process, s: int) -> tuple[Kernel, ...]:
    """Return q(x_t | x_s) for t = s..T."""
    if isinstance(betas, GaussianPath):
        return tuple(_along(betas, s, t) for t in range(s, len(betas) + 1))
    composed = [Kernel(mpf(1), mpf(0))]
    for step in _steps(betas)[s:]:
        scale, var = composed[-1]
        composed.append(Kernel(scale * step.scale, var * (1 - step.var) + step.var))
    return tuple(composed)


def _along(path: GaussianPath, s: int, t: int) -> Kernel:
    """Return the kernel from s to t that, after the marginal at s, gives the marginal at t."""
    if s == t:
        return Kernel(mpf(1), mpf(0))
    scale = mpf(path.alpha[t]) / mpf(path.alpha[s])
    return Kernel(scale, mpf(path.sigma[t]) ** 2 - (scale * mpf(path.sigma[s])) ** 2)


@lru_cache(maxsize=256)
def _steps(betas: Betas) -> tuple[Kernel, ...]:
    """Return q(x_i | x_{i-1}) for i = 1..T."""
    return tuple(Kernel(mp.sqrt(1 - mpf(beta)), mpf(beta)) for beta in betas)


def diffuse(betas: Process, t: int, x_0: float, noise: float) -> Value:
    """Return x_t = mean + standard deviation times noise, for the composed kernel."""
    to_t = kernel(betas, 0, t)
    return _sum_of(to_t.scale * mpf(x_0), mp.sqrt(to_t.var) * mpf(noise))


def posterior(betas: Process, x_0: float, x_t: float, s: int, t: int) -> Posterior:
    """Apply Bayes' rule: the precisions of the prior q(x_s | x_0) and the measurement x_t add.

    At s = 0 q(x_0 | x_0) is a point. Where x_0 is 0 the mean is what is left of x_t, whose
    coefficient vanishes as a difference of terms of size 1 / (1 - alpha_bar_t). A program with a
    table in float32 may form the coefficient of x_t as a difference for every pair
    (Eq. rounding.table-complement), whose terms are added to the size.
    """
    prior, measurement = kernel(betas, 0, s), kernel(betas, s, t)
    if s == 0:
        return Posterior(Value(mpf(x_0), abs(mpf(x_0)) or abs(mpf(x_t)) / measurement.var), mpf(0))
    precision = 1 / prior.var + measurement.scale**2 / measurement.var
    from_x0 = prior.scale * mpf(x_0) / prior.var / precision
    from_xt = measurement.scale * mpf(x_t) / measurement.var / precision
    mean = _sum_of(from_x0, from_xt)
    if of_a_table() and measurement.scale:
        mean = mean._replace(size=mean.size + abs(mpf(x_t)) / measurement.scale)
    return Posterior(mean, 1 / precision)


def reverse_variance(betas: Betas, variance: str, decoder: str, s: int, t: int) -> tuple[mpf, mpf]:
    """Return the fixed variance of p(x_s | x_t) and the conditioning of its pair.

    At s = 0 it is the step's; for p(x_0 | x_1) by convention, `decoder`, the posterior's at t = 2.
    """
    if decoder == "beta_tilde_2" and (s, t) == (0, 1) and len(betas) > 1:
        variance, s, t = "fixed_small", 1, 2
    step, back = kernel(betas, s, t).var, posterior(betas, 0.0, 0.0, s, t).var
    return back if variance == "fixed_small" and s else step, kappa(betas, s, t)


def convert(betas: Betas, source: str, target: str, value: float, x_t: float, t: int) -> Value:
    """Solve x_t = a x_0 + sigma eps and the definition of `source` for x_0 and eps."""
    coef_xt, coef_value = _coefficients(betas, source, target, t)
    return _sum_of(coef_xt * mpf(x_t), coef_value * mpf(value))


def converted(
    betas: Process, source: str, target: str, value: Array, x_t: Array, t: float
) -> Array:
    """Return `convert` of arrays in float64, at any real t >= 1."""
    coef_xt, coef_value = map(float, _coefficients(betas, source, target, t))
    return coef_xt * x_t + coef_value * value


def kappa(betas: Betas, s: int, t: int) -> mpf:
    """Return 1 + |log alpha_bar_t| / beta_ts, the conditioning of the pair s < t; 0 at s = t.

    Eq. rounding.kappa; with the errors of a table of products, from `product_error`. At s = t
    nothing is computed, so no rounding is allowed.
    """
    if s == t:
        return mpf(0)
    if not of_a_table():
        return _kappa_of_logarithms(betas, s, t)
    found = _kappa_of_table(betas, s, t)
    if 8 * FLOAT32 * found >= 1:
        raise NoDigitsError(f"a float32 table has no digit left at s = {s}, t = {t} of {betas}")
    return found


@lru_cache(maxsize=4096)
def _kappa_of_logarithms(betas: Betas, s: int, t: int) -> mpf:
    return 1 - 2 * mp.log(kernel(betas, 0, t).scale) / kernel(betas, s, t).var


@lru_cache(maxsize=4096)
def _kappa_of_table(betas: Betas, s: int, t: int) -> mpf:
    pairs = [(t, kernel(betas, s, t).var), *([(s, kernel(betas, 0, s).var)] if s else [])]
    return 1 + max(product_error(betas, n) / var for n, var in pairs)


def product_error(betas: Betas, t: int) -> mpf:
    """Return half the error of a stored product alpha_bar_t, in units of its own roundoff.

    Eq. rounding.table-entry.
    """
    return sum((1 / (1 - mpf(beta)) for beta in betas[:t]), mpf(0))


@lru_cache(maxsize=4096)
def _coefficients(betas: Betas, source: str, target: str, t: float) -> tuple[mpf, mpf]:
    """Return the coefficients of (x_t, value): every definition is linear in both."""
    to_t = marginal(betas, t)
    return (
        _converted(to_t, source, target, mpf(0), mpf(1)),
        _converted(to_t, source, target, mpf(1), mpf(0)),
    )


def _converted(to_t: Kernel, source: str, target: str, value: mpf, x_t: mpf) -> mpf:
    a, var = to_t
    sigma = mp.sqrt(var)
    match source:
        case "x0":
            x_0, eps = value, (x_t - a * value) / sigma
        case "eps":
            x_0, eps = (x_t - sigma * value) / a, value
        case "v":  # v = a eps - sigma x_0, by Cramer's rule
            determinant = a**2 + sigma**2
            x_0 = (a * x_t - sigma * value) / determinant
            eps = (a * value + sigma * x_t) / determinant
        case "score":  # d/dx_t log q(x_t | x_0) = -(x_t - a x_0) / var = -sigma eps / var
            eps = -value * var / sigma
            x_0 = (x_t - sigma * eps) / a
    match target:
        case "x0":
            return x_0
        case "eps":
            return eps
        case "v":
            return a * eps - sigma * x_0
        case "score":
            return -sigma * eps / var
    raise ValueError(f"no conversion from {source} to {target}")


def derivative(function: Callable[[mpf], mpf], x: float) -> mpf:
    """Return the derivative at x, by a central difference: 20 digits are lost, 40 are left."""
    x, h = mpf(float(x)), mpf("1e-20")
    return (function(x + h) - function(x - h)) / (2 * h)


def positive(number: mpf) -> Value:
    """Return a number that is computed without subtraction, so that it is its own size."""
    return Value(number, number)


def product(coef: mpf, x: float) -> Value:
    """Return a coefficient times a number."""
    return _sum_of(coef * mpf(float(x)), mpf(0))


def _sum_of(first: mpf, second: mpf) -> Value:
    return Value(first + second, abs(first) + abs(second))
