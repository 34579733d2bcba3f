"""Calls of the methods on densities, bounds, latents and training."""

from collections.abc import Iterator

import numpy as np

from ..protocol import PREDICTIONS, Array, Gaussian, Implementation, Labelled
from .call import Thunk, last_axis_first
from .inputs import (
    BELOW,
    VISITED,
    Inputs,
    autoencoder,
    conditional,
    curved,
    denoiser,
    of_timesteps,
    reverse,
    twice,
)


def gaussian_kl(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.gaussian_kl(Gaussian(c.x, c.var), Gaussian(c.y, 2 - c.fraction))


def log_grey_level(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.log_grey_level(Gaussian(c.x, c.var), c.grey, 5)


def reverse_kernel(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for variance in ("fixed_small", "fixed_large"):
        yield lambda v=variance: impl.reverse_kernel(c.betas, v, c.x, c.y, c.s, c.t)


def decoder_variance(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for variance in ("fixed_small", "fixed_large"):
        yield lambda v=variance: impl.decoder_variance(v)


def hybrid(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for x_0, grey_levels in ((c.x, None), (c.grey, 5)):
        yield lambda x_0=x_0, L=grey_levels: impl.hybrid(
            c.betas, x_0, c.noise, c.y, 2 * c.fraction - 1, c.t, L
        )


def hybrid_of_weight(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for x_0, grey_levels in ((c.x, None), (c.grey, 5)):
        for weight in (0.001, 2.0):
            yield lambda x_0=x_0, L=grey_levels, weight=weight: impl.hybrid_of_weight(
                c.betas, c.weight, x_0, c.noise, c.t, Gaussian(c.y, c.var), L, weight
            )


def vlb_terms(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    noises = [c.noise, c.y, c.fraction]
    for x_0, grey_levels in ((c.x, None), (c.grey, 5)):
        yield lambda x_0=x_0, L=grey_levels: last_axis_first(
            impl.vlb_terms(c.betas, x_0, reverse, noises, L, BELOW)
        )


def vlb_of_denoiser(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    noises = [c.noise, c.y, c.fraction]
    for variance in ("fixed_small", "fixed_large"):
        for x_0, grey_levels in ((c.x, None), (c.grey, 5)):
            yield lambda v=variance, x_0=x_0, L=grey_levels: last_axis_first(
                impl.vlb_of_denoiser(c.betas, v, x_0, denoiser, noises, L, BELOW)
            )


def stratified_vlb(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for antithetic in (False, True):
        yield lambda a=antithetic: impl.stratified_vlb(c.betas, c.x, reverse, 3, a, 5)
    yield lambda: impl.stratified_vlb(c.betas, c.grey, reverse, 3, True, 5, 5)


def stratified_vlb_of_denoiser(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for function in (of_timesteps, Labelled(conditional, c.labels)):
        for antithetic in (False, True):
            yield lambda f=function, a=antithetic: impl.stratified_vlb_of_denoiser(
                c.betas, "fixed_large", c.grey, f, 3, a, 5, 5
            )


def probes(c: Inputs) -> Iterator[Array | None]:
    yield None
    yield np.stack([c.noise, c.y])


def probability_flow(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for vectors in probes(c):
        yield lambda v=vectors: [
            (flow := impl.probability_flow(c.betas, c.x, curved, v, VISITED)).x_T,
            flow.log_volume.T,
        ]


def flow_log_density(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for vectors in probes(c):
        yield lambda v=vectors: impl.flow_log_density(c.betas, c.x, curved, v, (4, 3, 2, 1, 0))


def flow_bound(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for x_0, grey_levels in ((c.x, None), (c.grey, 5)):
        for t in (1, 4):
            yield lambda x_0=x_0, L=grey_levels, t=t: impl.flow_bound(
                c.betas, x_0, c.y, c.weight, reverse, L, t
            )


def autoencoder_loss(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    moments = twice(c.noise, c.fraction)
    for kl, edges in ((0.0, 0.0), (0.5, 0.0), (0.5, 2.0)):
        yield lambda kl=kl, edges=edges: impl.autoencoder_loss(c.x, c.y, moments, kl, edges)


def autoencoder_terms(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    moments = twice(c.noise, c.fraction)
    for kl, edges in ((0.0, 1.0), (0.5, 2.0)):
        yield lambda kl=kl, edges=edges: impl.autoencoder_terms(c.x, c.y, moments, kl, edges)


def to_latents(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for noise in (None, c.noise):
        yield lambda noise=noise: impl.to_latents(autoencoder(c.x.shape[1], 0.3), c.x, noise)


def latent_bound(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    q, p = Gaussian(c.noise, c.var), Gaussian(c.y, 2 - c.fraction)
    for x_0, grey_levels in ((c.x, None), (c.grey, 5)):
        yield lambda x_0=x_0, L=grey_levels: impl.latent_bound(x_0, c.y, q, p, c.weight, L)


def ema(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    weights, buffers = (each.reshape(len(each), -1) for each in (c.x, c.y))
    for decay in (0.0, 0.25, 0.99999):
        yield lambda decay=decay: impl.ema(decay, weights, buffers)


def trained_weights(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.trained_weights(0.25, c.x.reshape(len(c.x), -1))


def ema_of(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    values = np.floor(np.abs(c.x.reshape(len(c.x), -1)))
    for kind in ("frozen", "count"):
        yield lambda kind=kind: impl.ema_of(kind, 0.5, values)
    yield lambda: impl.ema_of("flag", 0.5, values % 2)


def importance(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    terms = [(np.array([1, 2, 3, 4]), c.weight[:4] + i) for i in range(11)]
    yield lambda: impl.importance(4, terms[:9])
    yield lambda: impl.importance(4, terms)


def objective(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    learned = twice(c.y, 2 * c.fraction - 1)
    for name in PREDICTIONS:
        for loss, gamma, output, x_0, grey_levels in (
            ("simple", None, c.y, c.x, None),
            ("simple", 5.0, c.y, c.x, None),
            ("vlb", None, learned, c.x, None),
            ("vlb", None, learned, c.grey, 5),
            ("hybrid", None, learned, c.grey, 5),
            ("hybrid", 5.0, learned, c.x, None),
        ):
            data = output, c.noise, x_0, c.noise, c.t, grey_levels
            yield lambda loss=loss, name=name, gamma=gamma, data=data: impl.objective(
                c.betas, loss, name, gamma, *data
            )
