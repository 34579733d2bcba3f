"""How the bound is asked for what an equation of its pages says, one number at a time."""

import math

import numpy as np

from ..oracles.exact import kappa, mpf
from ..protocol import Array, Implementation, Normal, Times
from ..test_losses import roundings_of_divergence
from .asking import Answer, Ask, Point, at, name, one, x


def divergence(impl: Implementation, p: Point) -> Answer:
    sigma, eta = 0.25 * p.n, 0.5 + 0.25 * p.i
    left, right = (
        Normal(one(mean), one(deviation**2)) for mean, deviation in ((p.x_0, sigma), (p.x_t, eta))
    )
    values = {name("h"): p.x_0, name("a"): p.x_t, name(r"\sigma"): sigma, name(r"\eta"): eta}
    laws = map(mpf, (p.x_0, sigma**2, p.x_t, eta**2))
    near = float(impl.unit_roundoff * roundings_of_divergence(*laws))
    return Answer((impl.gaussian_kl(left, right)[0],), values, times=0, absolute=near)


def prior(impl: Implementation, p: Point) -> Answer:
    """The variance that is left is right to 8 u kappa, whose slope is below 1; then as any."""
    T = len(p.betas)

    def reverse(x_t: Array, s: Times, t: Times) -> Normal:
        return Normal(x_t, np.ones_like(x_t))

    got = impl.vlb_terms(p.betas, one(p.x_0), reverse, [one(p.other)], None, (T, 0))[-1, 0]
    near = impl.unit_roundoff * (8 * float(kappa(p.betas, 0, T)) + 16) * (2 + p.x_0**2)
    return Answer((got,), {x(0): p.x_0}, {"T": T}, times=0, absolute=near)


def grey_level(place: str) -> Ask:
    """A law of deviation 1, with edges at most 2.5 deviations away: they are off by 18 u, and the
    density is at most 0.4; the log of a mass is off by 4 u (1 + its size), its mass by that times
    the mass: 24 u in all."""

    def ask(impl: Implementation, p: Point) -> Answer:
        levels, h = p.n + 1, p.other / 8
        inner = 1 + p.i % (levels - 2)
        g = {"lowest": -1.0, "highest": 1.0}.get(place, 2 * inner / (levels - 1) - 1)
        found = impl.log_grey_level(Normal(one(h), one(1.0)), one(g), levels)[0]
        values = {name("h"): h, name(r"\sigma"): 1.0, name("g"): g}
        near = 24 * impl.unit_roundoff
        return Answer((math.exp(found),), values, {"n": levels}, times=0, absolute=near)

    return ask


def decoder_variance(impl: Implementation, p: Point) -> Answer:
    found = impl.reverse_kernel(p.betas, "fixed_small", one(p.x_0), one(p.x_t), at(0), at(p.t))
    return Answer((found.var[0],), {}, s=0)


def bits(levels: bool) -> Ask:
    def ask(impl: Implementation, p: Point) -> Answer:
        nats, k = one(p.other), p.i + 2
        got = (
            impl.dequantised_bits_per_dim(nats, p.n, k) if levels else impl.bits_per_dim(nats, p.n)
        )
        near = 8 * impl.unit_roundoff * (abs(p.other) + k)
        return Answer((got[0],), {name("L"): p.other}, {"n": p.n, "k": k}, times=0, absolute=near)

    return ask


BOUND: dict[str, Ask] = {
    "losses.kl": divergence,
    "losses.prior": prior,
    "losses.decoder": grey_level("inner"),
    "losses.decoder-lowest": grey_level("lowest"),
    "losses.decoder-highest": grey_level("highest"),
    "losses.decoder-variance": decoder_variance,
    "likelihood.bits": bits(levels=False),
    "likelihood.dequantised": bits(levels=True),
}
