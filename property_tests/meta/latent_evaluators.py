"""Evaluators of the equations of latents."""

import math

import numpy as np

from ..oracles import bound
from ..oracles.exact import mp, mpf
from ..protocol import Array, Autoencoder, Gaussian, Implementation, Scale
from .evaluation import Evaluation, Evaluator, Point, name

SHIFT, SCALE = 0.75, 1.5


def moments(p: Point) -> Array:
    """Return one latent of mean x_0 and log variance x_t."""
    return np.float64([[p.x_0, p.x_t]])


def posterior(impl: Implementation, p: Point) -> Evaluation:
    got = impl.latent_draw(moments(p), np.float64([[p.other]]))[0]
    values = {name("h"): p.x_0, name(r"\ell"): p.x_t, name(r"\xi"): p.other}
    near = 8 * impl.unit_roundoff * (abs(p.x_0) + math.exp(p.x_t / 2) * abs(p.other))
    return Evaluation((got[0],), values, times=0, absolute=near)


def kl(impl: Implementation, p: Point) -> Evaluation:
    values = {name("h"): p.x_0, name(r"\ell"): p.x_t}
    near = 16 * impl.unit_roundoff * (p.x_0**2 + math.exp(p.x_t) + 1 + abs(p.x_t))
    return Evaluation((impl.latent_kl(moments(p))[0],), values, times=0, absolute=near)


def row_of(p: Point) -> Array:
    """Return an image of two equal rows."""
    row = p.other * np.cos(np.arange(p.n) + p.x_t)
    return np.stack([row, row])[None, None]


def loss(impl: Implementation, p: Point) -> Evaluation:
    """Evaluate an error of x_0 / 2, plus 1/2 in the first column."""
    off = np.full((1, 1, 2, p.n), p.x_0 / 2)
    off[..., 0] += 0.5
    got = impl.autoencoder_loss(row_of(p), row_of(p) + off, moments(p), 0.25, 3.0)
    away = off[0, 0]
    encoder = bound.Gaussian(mpf(p.x_0), mp.exp(mpf(p.x_t)))
    values = {
        name("A"): float((away**2).mean()),
        name("B"): 0.25 / (p.n - 1),
        name("D"): bound.divergence(encoder, bound.Gaussian(mpf(0), mpf(1))),
        name(r"\kappa"): 0.25,
        name(r"\gamma"): 3.0,
    }
    size = 1 + (abs(p.x_0) + abs(p.other) + 1) ** 2 + math.exp(p.x_t) + abs(p.x_t)
    near = 64 * impl.unit_roundoff * size * 4
    return Evaluation((got[0],), values, {"n": 2 * p.n}, times=0, absolute=near)


def gradient(impl: Implementation, p: Point) -> Evaluation:
    """Evaluate the difference of the losses with weights 1 and 0."""
    off, none = row_of(p), np.zeros((1, 2))
    with_it, without = (
        impl.autoencoder_loss(0 * off, off, none, 0.0, weight)[0] for weight in (1.0, 0.0)
    )
    values = {("d", (i + 1,), ()): each for i, each in enumerate(off[0, 0, 0].tolist())}
    near = 64 * impl.unit_roundoff * (4 * p.other**2)
    return Evaluation((with_it - without,), values, {"n": p.n}, times=0, absolute=near)


def measured(part: int) -> Evaluator:
    """Evaluate shift and scale of n different numbers between x_0 - 1 and x_0 + 1."""

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        u = p.x_0 + np.cos(np.arange(p.n) * 2.0)
        found = impl.latent_scale(u.reshape(p.n, 1))
        values = {("u", (i + 1,), ()): each for i, each in enumerate(u.tolist())}
        values |= {name("a"): float(u.mean())}
        near = 4 * p.n * impl.unit_roundoff * (2 + abs(p.x_0)) ** 2 * 8
        return Evaluation((found[part][0],), values, {"n": p.n}, times=0, absolute=near)

    return evaluate


def autoencoder() -> Autoencoder:
    scale = Scale(np.float64([SHIFT]), np.float64([SCALE]))
    return Autoencoder(lambda x: np.concatenate([x, 0 * x], axis=1), lambda z: z, scale)


def scaled(impl: Implementation, p: Point) -> Evaluation:
    got = impl.to_latents(autoencoder(), np.float64([[p.x_0]]), None)[0]
    values = {name("z"): p.x_0, name("a"): SHIFT, name("b"): SCALE}
    near = 8 * impl.unit_roundoff * (1 + abs(p.x_0))
    return Evaluation((got[0],), values, times=0, absolute=near)


def unscaled(impl: Implementation, p: Point) -> Evaluation:
    got = impl.from_latents(autoencoder(), np.float64([[p.x_0]]))[0]
    values = {name("y"): p.x_0, name("a"): SHIFT, name("b"): SCALE}
    near = 8 * impl.unit_roundoff * (1 + 2 * abs(p.x_0))
    return Evaluation((got[0],), values, times=0, absolute=near)


def data(impl: Implementation, p: Point) -> Evaluation:
    """Use an encoder N(x_0 / 2, 1/4), a decoder N(y, 1/2), and any density of latents."""
    x_0, y = np.float64([[p.x_0]]), np.float64([[p.x_t]])
    encoder, decoder = Gaussian(x_0 / 2, 0.25 + 0 * x_0), Gaussian(y, 0.5 + 0 * y)
    got = impl.latent_bound(x_0, y, encoder, decoder, np.float64([p.other]), None)
    drawn = bound.log_density(bound.Gaussian(mpf(p.x_0) / 2, mpf(0.25)), mpf(p.x_t))
    decodes = bound.log_density(bound.Gaussian(mpf(p.x_t), mpf(0.5)), mpf(p.x_0))
    values = {name("Q"): mp.exp(drawn), name("G"): mp.exp(-mpf(p.other))}
    values |= {name("G'"): mp.exp(decodes)}
    near = 32 * impl.unit_roundoff * float(3 + abs(drawn) + abs(decodes) + abs(p.other))
    return Evaluation((got[0],), values, times=0, absolute=near)


LATENT: dict[str, Evaluator] = {
    "latent.posterior": posterior,
    "latent.kl": kl,
    "latent.loss": loss,
    "latent.gradient": gradient,
    "latent.shift": measured(0),
    "latent.spread": measured(1),
    "latent.scale": scaled,
    "latent.unscale": unscaled,
    "latent.bound": data,
}
