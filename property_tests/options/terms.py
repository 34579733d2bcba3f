"""Exact terms of a bound, with their allowances in units of roundoff.

A kernel's mean may have an error of its own, and its variance a relative one. The distance d of two
means then changes d^2 / (2 var) by |d| error / var, and by error^2 / (2 var).
"""

from typing import NamedTuple

from ..evidence.evidence import NOT_ANSWERED
from ..oracles import bound, exact
from ..oracles.exact import mp, mpf
from ..protocol import DECODER_VARIANCES, Betas, Implementation
from .denoisers import Bounded


class Kernel(NamedTuple):
    """N(mean, var) of one element."""

    mean: Bounded
    var: mpf
    relative: mpf  # error of the variance


def given_kernel(mean: float, var: float) -> Kernel:
    """Return a kernel that the test itself passed on."""
    return Kernel(Bounded(mpf(mean), mpf(0)), mpf(var), mpf(0))


def decoder_of(impl: Implementation, variance: str) -> str:
    """Return the declared variance of p(x_0 | x_1)."""
    try:
        declared = impl.decoder_variance(variance)
    except NOT_ANSWERED:  # not offered
        declared = "beta_1"
    assert declared in DECODER_VARIANCES, f"decoder_variance is {declared!r}"
    return declared


def fixed_kernel(
    betas: Betas, variance: str, decoder: str, x0_hat: Bounded, x_t: mpf, s: int, t: int
) -> Kernel:
    """Eq. losses.mean-hat and losses.decoder-variance, or the variance that `decoder` names."""
    per = 8 * exact.kappa(betas, s, t)
    back = exact.posterior(betas, x0_hat.exact, x_t, s, t)
    var, kappa = exact.reverse_variance(betas, variance, decoder, s, t)
    slope = abs(exact.posterior(betas, 1.0, 0.0, s, t).mean.exact)
    mean = Bounded(back.mean.exact, per * back.mean.size + slope * x0_hat.error)
    return Kernel(mean, var, 8 * kappa)


def learned_kernel(
    betas: Betas, interpolation: mpf, x0_hat: Bounded, x_t: mpf, s: int, t: int
) -> Kernel:
    """Eq. learned-variance.range: the ends have errors of 8 kappa, which the powers scale."""
    wide = fixed_kernel(betas, "fixed_large", "beta_1", x0_hat, x_t, s, t)
    low = exact.posterior(betas, 0.0, 0.0, *((s, t) if s else (1, 2))).var
    v, ends = mpf(interpolation), max(exact.kappa(betas, s, t), exact.kappa(betas, 1, 2))
    relative = (abs(v) + abs(1 - v)) * 8 * ends + 8
    relative += 4 * (1 + abs(v)) * abs(mp.log(low / wide.var))
    return Kernel(wide.mean, wide.var**v * low ** (1 - v), relative)


def term(
    betas: Betas, x_0: float, x_t: float, s: int, t: int, kernel: Kernel, grey_levels: int | None
) -> Bounded:
    """Return the term of one element. Eq. losses.split: a divergence, or the decoder's at s = 0."""
    if s == 0:
        if grey_levels is not None:
            return grey_level(x_0, kernel, grey_levels)
        log = density(x_0, kernel)
        return Bounded(-log.exact, log.error)
    true, per = exact.posterior(betas, x_0, x_t, s, t), 8 * exact.kappa(betas, s, t)
    w, (m, error) = kernel.var, kernel.mean
    kl = bound.divergence(bound.Gaussian(true.mean.exact, true.var), bound.Gaussian(m, w))
    ratio = true.var / w
    of_variances = (per + kernel.relative + 8) * (ratio + 1) + 8 * abs(mp.log(ratio))
    of_means = distance(true.mean.exact, m, per * true.mean.size + error, kernel)
    return Bounded(kl, of_variances + of_means)


def density(x: float, kernel: Kernel) -> Bounded:
    """Return the log density at x."""
    log = bound.log_density(bound.Gaussian(kernel.mean.exact, kernel.var), mpf(x))
    of_mean = distance(mpf(x), kernel.mean.exact, kernel.mean.error, kernel)
    return Bounded(log, kernel.relative + 8 + 8 * abs(mp.log(kernel.var)) + of_mean)


def distance(x: mpf, m: mpf, error: mpf, kernel: Kernel) -> mpf:
    """Return the error of (x - m)^2 / (2 var), where x - m has 2 roundings more."""
    away, error = abs(x - m), error + 2 * (abs(x) + abs(m))
    second_order = error**2 * mpf(2) ** -53
    return ((8 + kernel.relative) * away**2 + away * error + second_order) / kernel.var


def grey_level(x: float, kernel: Kernel, grey_levels: int) -> Bounded:
    """Return -log of a grey level's mass. Each edge moves by the errors of mean and variance."""
    std, half = mp.sqrt(kernel.var), mpf(1) / (grey_levels - 1)
    ends = [end for end in (mpf(x) - half, mpf(x) + half) if abs(end) < 1]
    low = None if x == -1 else mpf(x) - half
    high = None if x == 1 else mpf(x) + half
    mass = bound.mass(bound.Gaussian(kernel.mean.exact, kernel.var), low, high)
    error = 4 * abs(mp.log(mass)) + 4
    for end in ends:
        z = (end - kernel.mean.exact) / std
        slope, tail = mp.npdf(z) / mass, mp.ncdf(-abs(z))
        error += slope * (5 * abs(z) + 2 * abs(mpf(x) - kernel.mean.exact) / std)
        error += 4 * min(tail / mass, 1 / half) * abs(mp.log(tail))
        error += slope * (kernel.mean.error / std + abs(z) * kernel.relative)
    return Bounded(-mp.log(mass), error)


def total(terms: list[Bounded]) -> Bounded:
    """Return the sum over an event, with a rounding of each partial sum."""
    size = sum(1 + abs(each.exact) for each in terms)
    error = sum(each.error for each in terms) + (len(terms) + 8) * size
    return Bounded(sum(each.exact for each in terms), error)


def prior(betas: Betas, values: list[float], t: int) -> Bounded:
    """Return the divergence of q(x_t | x_0) from noise. Eq. losses.prior."""
    scale, var = exact.kernel(betas, 0, t)
    per = 8 * exact.kappa(betas, 0, t)
    noise = bound.Gaussian(mpf(0), mpf(1))
    terms = []
    for x in values:
        mean = scale * mpf(x)
        kl = bound.divergence(bound.Gaussian(mean, var), noise)
        terms.append(Bounded(kl, (2 * per + 8) * (1 + var + abs(mp.log(var)) + mean**2)))
    return total(terms)
