"""Calls of every method with a function among its arguments, which pauses or interrupts the call.

The functions are the same objects in every call, so that an implementation may reuse its own.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..protocol import (
    SAMPLERS,
    Array,
    Autoencoder,
    Betas,
    Guidance,
    Implementation,
    Labelled,
    SamplingSpec,
    Scale,
    Times,
)
from .inputs import (
    Inputs,
    conditional,
    curved,
    denoiser,
    inputs,
    reverse,
    tape,
    twice,
    wide_network,
)
from .paused import pausing

ALL = (4, 3, 2, 1, 0)

denoises = pausing(denoiser)
denoises_labels = pausing(conditional)
network = pausing(wide_network)
kernel = pausing(reverse)
flows = pausing(curved)
encoder = pausing(lambda x: twice(x / 2, x / 4))
decoder = pausing(lambda z: z * 2)


class WithLabels(Labelled):
    """Equal to itself only, so that an implementation can find its objects by it."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def linear_with_labels(x_t: Array, t: int, labels: Times | None) -> tuple[Array, Array]:
    x0_hat, jacobian = flows(x_t, t)
    factor = 1.0 if labels is None else (labels + 1.0) / 8
    along = np.reshape(factor, (-1, *[1] * (x_t.ndim - 1)))
    return x0_hat * along, jacobian * np.reshape(factor, (-1, 1, 1))


BATCHES = 3  # the rows in two orders, and the first with labels
LABELS = 2
LABELLED = WithLabels(denoises_labels, inputs().labels)
LINEAR = WithLabels(linear_with_labels, inputs().labels)

Interruptible = Callable[[Implementation, Inputs, int], Any]
"""(implementation, batch, its number) -> outputs."""


def batch_of(betas: Betas, number: int) -> Inputs:
    """Return new arrays."""
    rows = inputs(betas=betas)
    return rows.rows(slice(None, None, -1)) if number == 1 else rows


def sampling(sampler: str, eta: float = 0.0) -> Interruptible:
    def call(impl: Implementation, c: Inputs, i: int) -> Any:
        function = LABELLED if i == LABELS else denoises
        return impl.trajectory(SamplingSpec(c.betas, sampler, ALL, function, eta), c.x, noises(c))

    return call


def noises(c: Inputs) -> list[Array]:
    return [*tape(c), c.fraction]


def guided(together: bool) -> Interruptible:
    guidance = Guidance(denoises_labels, 3.0, 0.5, (2, 4), together)
    return lambda impl, c, i: (
        impl.guided(guidance, c.x, 2, c.labels),
        impl.guided(guidance, c.x, 1, c.labels),
        impl.guided_interpolation(guidance, c.x, 3, c.labels),
        impl.guided(guidance, c.x, 2, None),
    )


def probes(c: Inputs) -> Array:
    return np.stack([np.sign(c.x + 0.1), np.sign(c.y + 0.1)])


def autoencoder(c: Inputs) -> Autoencoder:
    channels = np.arange(c.x.shape[1])
    return Autoencoder(encoder, decoder, Scale(0.5 + channels, 2.0**channels))


INTERRUPTIBLE: dict[str, Interruptible] = {
    **{sampler: sampling(sampler) for sampler in SAMPLERS},
    "ddim, eta = 0.5": sampling("ddim", 0.5),
    "ddim, eta = 1": sampling("ddim", 1.0),
    "encode": lambda impl, c, i: impl.encode(SamplingSpec(c.betas, "ddim", ALL, denoises), c.x, 0),
    "guided, one call": guided(True),
    "guided, two calls": guided(False),
    "denoised": lambda impl, c, i: (
        impl.denoised(c.betas, "v", network, c.x, c.t, c.labels, True),
        impl.denoised(c.betas, "eps", network, c.x, 3, None, True),
    ),
    "vlb_terms": lambda impl, c, i: impl.vlb_terms(
        c.betas, c.grey, kernel, [*noises(c), c.x], 5, ALL
    ),
    "vlb_of_denoiser": lambda impl, c, i: impl.vlb_of_denoiser(
        c.betas,
        "fixed_large",
        c.x,
        LABELLED if i == LABELS else denoises,
        [*noises(c), c.x],
        None,
        ALL,
    ),
    "stratified_vlb": lambda impl, c, i: impl.stratified_vlb(c.betas, c.x, kernel, 2, True, i),
    "probability_flow": lambda impl, c, i: impl.probability_flow(
        c.betas, c.x, LINEAR if i == LABELS else flows, probes(c), ALL
    ),
    "flow_log_density": lambda impl, c, i: impl.flow_log_density(
        c.betas, c.x, flows, probes(c), ALL
    ),
    "flow_bound": lambda impl, c, i: impl.flow_bound(c.betas, c.grey, c.y, c.weight, kernel, 5, 2),
    "latents": lambda impl, c, i: (
        impl.to_latents(autoencoder(c), c.x, c.noise),
        impl.from_latents(autoencoder(c), c.x),
    ),
    "draw_samples": lambda impl, c, i: impl.draw_samples(
        SamplingSpec(c.betas, "ddim", ALL, denoises, 1.0), c.x.shape, i
    ),
}
