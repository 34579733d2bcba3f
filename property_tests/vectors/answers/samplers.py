"""Exact steps, sampling trajectories and guided predictions."""

from collections.abc import Iterator

from ...options.denoisers import Bounded
from ...options.denoisers import guided as exact_guided
from ...options.steps import one_step, roundings
from ...options.terms import learned_kernel as exact_learned_kernel
from ...oracles import chains
from ...oracles.exact import mp, mpf
from ...protocol import Array, Betas, Guidance, SamplingSpec, Times
from .elements import Answers, At, each
from .trajectories import certain, inverted, line, trajectory


def reverse_step(
    betas: Betas, variance: str, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
) -> Answers:
    return _step(chains.Path(betas, variance, (t, s)), x0_hat, x_t, noise)


def ddim_step(
    betas: Betas, eta: float, x0_hat: Array, x_t: Array, s: int, t: int, noise: Array
) -> Answers:
    return _step(chains.Path(betas, "ddim", (t, s), eta), x0_hat, x_t, noise)


def _step(path: chains.Path, x0_hat: Array, x_t: Array, noise: Array) -> Answers:
    t, s = path.times
    per = roundings(path.betas, False, s, t)
    numbers = x0_hat, x_t, noise
    return each(x_t, lambda at: one_step(path, s, t, *(mpf(x[at]) for x in numbers), per))


def learned_step(
    betas: Betas, x0_hat: Array, x_t: Array, interpolation: Array, s: int, t: int, noise: Array
) -> Answers:
    def x_s(at: At) -> Bounded:
        given = mpf(interpolation[at]), certain(x0_hat[at]), mpf(x_t[at])
        kernel = exact_learned_kernel(betas, *given, s, t)
        added = mp.sqrt(kernel.var) * mpf(noise[at]) if s else mpf(0)
        error = 2 * kernel.mean.error + (kernel.relative + 4) * abs(added)
        return Bounded(kernel.mean.exact + added, error)

    return each(x_t, x_s)


def sample(spec: SamplingSpec, x_T: Array, noises: list[Array]) -> Answers:
    path = chains.Path(spec.betas, spec.sampler, spec.times, spec.eta)
    predict = line(spec.denoiser.slope, spec.denoiser.offset)
    return each(
        x_T, lambda at: trajectory(path, predict, certain(x_T[at]), [z[at] for z in noises])
    )


def solver_steps(
    betas: Betas, sampler: str, times: tuple[int, ...], x_t: Array, predictions: list[Array]
) -> Answers:
    path = chains.Path(betas, sampler, times[:-1])

    def state(at: At) -> Bounded:
        given: Iterator[Array] = iter(predictions)
        return trajectory(path, lambda x, t: certain(next(given)[at]), certain(x_t[at]), [])

    return each(x_t, state)


def encode(spec: SamplingSpec, x: Array, timestep: int) -> Answers:
    rising = [t for t in reversed(spec.times) if t >= timestep]
    predict = line(spec.denoiser.slope, spec.denoiser.offset)
    return each(x, lambda at: inverted(spec.betas, rising, predict, certain(x[at])))


def guided(guidance: Guidance, x_t: Array, t: int, labels: Times | None) -> Answers:
    row = {**guidance._asdict(), "labels": labels is not None}
    both = guidance.denoiser(x_t, t, labels), guidance.denoiser(x_t, t, None)
    rows = [
        exact_guided(row, t, *([certain(x) for x in of_sample] for of_sample in pair))
        for pair in zip(*both, strict=True)
    ]
    return each(x_t, lambda at: rows[at[0]][at[1]])
