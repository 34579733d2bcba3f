"""Calls of the methods on schedules, kernels, denoisers, samplers and networks."""

from collections.abc import Iterator

import numpy as np

from ..protocol import (
    PREDICTIONS,
    SAMPLERS,
    SOLVERS,
    Array,
    Guidance,
    Implementation,
    Prediction,
    SamplingSpec,
)
from ..strategies import STEEP
from .call import Thunk, rows_second
from .inputs import (
    PAIRS,
    VISITED,
    Inputs,
    conditional,
    denoiser,
    exchanging,
    network,
    tape,
    wide_network,
)


def spec(c: Inputs, sampler: str, eta: float = 0.0) -> SamplingSpec:
    return SamplingSpec(c.betas, sampler, VISITED, denoiser, eta)


def specs(c: Inputs) -> list[SamplingSpec]:
    return [*(spec(c, each) for each in SAMPLERS), spec(c, "ddim", 0.5), spec(c, "ddim", 1.0)]


def q_marginal(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.q_marginal(c.betas, c.x, c.t)
    yield lambda: impl.q_marginal(c.betas, c.x, c.s)


def q_sample(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.q_sample(c.betas, c.x, c.t, c.noise)
    yield lambda: impl.q_sample(c.betas, c.x, c.s, c.noise)


def q_step(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.q_step(c.betas, c.x, c.s, c.t)
    yield lambda: impl.q_step(c.betas, c.x, c.t - 1, c.t)  # all that some implementations offer


def q_posterior(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.q_posterior(c.betas, c.x, c.y, c.s, c.t)
    yield lambda: impl.q_posterior(c.betas, c.x, c.y, c.t - 1, c.t)


def convert(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for a in PREDICTIONS:
        for b in PREDICTIONS:
            yield lambda a=a, b=b: impl.convert(c.betas, a, b, c.x, c.y, c.t)


def convert_data(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for a, b in (("eps", "x0"), ("eps", "v"), ("v", "x0"), ("v", "eps")):
        yield lambda a=a, b=b: impl.convert_data(c.betas, a, b, c.x, c.y)


def target(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PREDICTIONS:
        yield lambda name=name: impl.target(c.betas, name, c.x, c.noise, c.t)


def constant_weight(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PREDICTIONS:
        yield lambda name=name: impl.constant_weight(c.betas, name, c.t, False)


def loss_weight(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PREDICTIONS:
        for gamma in (0.25, 5.0):
            yield lambda name=name, gamma=gamma: impl.loss_weight(c.betas, name, c.t, gamma, False)


def guidances() -> Iterator[Guidance]:
    for together in (True, False):
        for scale, rescale in ((0.0, 0.0), (1.0, 0.5), (2.7, 0.0), (2.7, 0.5)):
            for interval in (None, (2, 3)):
                yield Guidance(conditional, scale, rescale, interval, together)


def guided(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for guidance in guidances():
        for t in (2, 4, c.t):
            for labels in (None, c.labels):
                yield lambda g=guidance, t=t, labels=labels: impl.guided(g, c.x, t, labels)


def guided_interpolation(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for guidance in guidances():
        yield lambda g=guidance: impl.guided_interpolation(g, c.x, 2, c.labels)


def reverse_step(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for s, t in PAIRS:
        for variance in ("fixed_small", "fixed_large"):
            yield lambda s=s, t=t, v=variance: impl.reverse_step(
                c.betas, v, c.x, c.y, s, t, c.noise
            )


def ddim_step(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for s, t in PAIRS:
        for eta in (0.0, 0.5, 1.0):
            yield lambda s=s, t=t, e=eta: impl.ddim_step(c.betas, e, c.x, c.y, s, t, c.noise)


def learned_step(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for s, t in PAIRS:
        yield lambda s=s, t=t: impl.learned_step(c.betas, c.x, c.y, c.fraction, s, t, c.noise)


def solver_steps(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for sampler in ("ddim", *SOLVERS):
        given = [c.y, c.noise, c.fraction, c.var]
        yield lambda name=sampler, given=given: impl.solver_steps(
            c.betas, name, VISITED, c.x, given
        )


def first_step(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for each in specs(c):
        for s, t in PAIRS:
            yield lambda each=each, s=s, t=t: impl.first_step(each, c.x, s, t, c.noise)


def sample(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for each in specs(c):
        yield lambda each=each: impl.sample(each, c.x, tape(c))


def predictions(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for each in specs(c):
        yield lambda each=each: rows_second(impl.predictions(each, c.x, tape(c)))


def trajectory(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for each in specs(c):
        yield lambda each=each: [
            (got := impl.trajectory(each, c.x, tape(c))).states.swapaxes(0, 1),
            got.predictions.swapaxes(0, 1),
            np.broadcast_to(got.times, (len(c.x), len(got.times))),
        ]


def learned_trajectory(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    @exchanging
    def predicted(x_t: Array, t: int) -> Prediction:
        return Prediction(denoiser(x_t, t), x_t / 8 + t / 16)

    yield lambda: [
        (got := impl.learned_trajectory(c.betas, VISITED, predicted, c.x, tape(c))).states.swapaxes(
            0, 1
        ),
        got.predictions.swapaxes(0, 1),
    ]


@exchanging
def halfway(x0_hat: Array, x_t: Array, s: int, t: int, noise: Array | None) -> Array:
    return x0_hat / 4 + x_t / 2 + (0 if noise is None else s * noise / 8)


def own_trajectory(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: [
        (got := impl.own_trajectory(VISITED, halfway, denoiser, c.x, tape(c))).states.swapaxes(
            0, 1
        ),
        got.predictions.swapaxes(0, 1),
    ]


def encode(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for timestep in (0, 1):
        yield lambda t=timestep: impl.encode(spec(c, "ddim"), c.x, t)


def draw_samples(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for each in specs(c):
        yield lambda each=each: impl.draw_samples(each, c.x.shape, 3)


def draw_samples_at(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for each in specs(c):
        yield lambda each=each: impl.draw_samples_at(each, c.x.shape[1:], (5, 0, 7), 3)


def own_timesteps(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for sampler in SAMPLERS:
        yield lambda name=sampler: impl.own_timesteps(c.betas, name, 3)


def timestep_spacing(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in ("trailing", "leading", "linspace", "log_snr"):
        for steps in (1, 3, 4):
            yield lambda name=name, n=steps: impl.timestep_spacing(name, c.betas, n)
        yield lambda name=name: impl.timestep_spacing(name, c.betas, 3, True)


def schedule(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in ("linear", "cosine"):
        for T in (40, 50):
            yield lambda name=name, T=T: impl.schedule(name, T)


def shaped_schedule(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    sigmoid = {"start": -3.0, "end": 2.0, "tau": 0.5, "max_beta": 0.99}
    linear = {"beta_1": 0.001, "beta_T": 0.5, "rescale": False}
    yield lambda: impl.shaped_schedule("linear", 5, linear)
    yield lambda: impl.shaped_schedule("cosine", 5, {"s": 0.1, "max_beta": 0.5})
    yield lambda: impl.shaped_schedule("sigmoid", 5, sigmoid)


def embedding(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for width in (2, 6):
        yield lambda width=width: impl.embedding(63 * c.t, width)


def embedding_of_period(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for max_period in (100.0, 10_000.0):
        yield lambda period=max_period: impl.embedding_of_period(63 * c.t, 6, period)


def fourier_features(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for frequencies in ((), (3, 0, 4)):
        yield lambda f=frequencies: impl.fourier_features(c.x, f)


def to_unit_range(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    images = (2 * c.grey + 2).astype(np.uint8)
    for grey_levels in (5, 256):
        yield lambda L=grey_levels: impl.to_unit_range(images, L)


def pair_refusal(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.pair_refusal(c.s, c.t, len(STEEP))
    yield lambda: impl.pair_refusal(c.t, c.s, len(STEEP))
    yield lambda: impl.pair_refusal(c.s, c.t, 3)
    yield lambda: impl.pair_refusal(3, 2, 3)


def denoised_in(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PREDICTIONS:
        yield lambda n=name: impl.denoised_in("bfloat16", c.betas, n, network, c.x, c.t)


def denoised(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PREDICTIONS:
        for labels in (None, c.labels):
            for t in (c.t, 3):
                yield lambda n=name, t=t, y=labels: impl.denoised(
                    c.betas, n, network, c.x, t, y, False
                )[:1]
                yield lambda n=name, t=t, y=labels: impl.denoised(
                    c.betas, n, wide_network, c.x, t, y, True
                )


def clipped_step(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for each in specs(c):
        yield lambda of=each: impl.clipped_step(of, "eps", network, c.x, 2, 4, c.noise, -0.5, 0.75)
