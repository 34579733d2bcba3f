"""Evaluators of the equations of samplers, timestep spacings and guidance."""

import numpy as np

from ..oracles import chains
from ..oracles.exact import kappa, kernel, mpf
from ..protocol import Array, Guidance, Implementation, SamplingSpec
from .evaluation import Evaluation, Evaluator, Point, at, name, one, x
from .pages import Values

PREDICTION, OTHER = (
    name(r"\hat{x}", 0),
    name(r"\hat{x}'", 0),
)  # OTHER belongs to the preceding or the next timestep


def reverse(variance: str, noise: bool) -> Evaluator:
    """Evaluate an ancestral step."""

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        z = p.other if noise else 0.0
        got = impl.reverse_step(p.betas, variance, one(p.x_0), one(p.x_t), p.s, p.t, one(z))
        return Evaluation((got[0],), {PREDICTION: p.x_0, x(p.t): p.x_t, name("z"): z}, times=2)

    return evaluate


def eta(p: Point) -> float:
    return p.i / p.n


def ddim(impl: Implementation, p: Point) -> Evaluation:
    got = impl.ddim_step(p.betas, eta(p), one(p.x_0), one(p.x_t), p.s, p.t, one(p.other))
    values = {PREDICTION: p.x_0, x(p.t): p.x_t, name("z"): p.other, name(r"\eta"): eta(p)}
    return Evaluation((got[0],), values, times=2)


def ddim_variance(impl: Implementation, p: Point) -> Evaluation:
    """Evaluate the square of the coefficient of the noise."""
    got = impl.ddim_step(p.betas, eta(p), one(0.0), one(0.0), p.s, p.t, one(1.0))[0]
    return Evaluation((got**2,), {name(r"\eta"): eta(p)}, times=2)


def ddim_along(impl: Implementation, p: Point) -> Evaluation:
    """Evaluate the square of the step from a state of one standard deviation of noise."""
    state = one(float(kernel(p.betas, 0, p.t).var) ** 0.5)
    got = impl.ddim_step(p.betas, eta(p), one(0.0), state, p.s, p.t, one(0.0))[0]
    return Evaluation((got**2,), {name(r"\eta"): eta(p)}, times=4)


def ddim_up(impl: Implementation, p: Point) -> Evaluation:
    spec = SamplingSpec(
        p.betas, "ddim", (p.t, p.s, 0) if p.s else (p.t, 0), lambda x_t, t: one(p.x_0)
    )
    got = impl.encode(spec, one(p.x_t), p.s)
    return Evaluation((got[0],), {PREDICTION: p.x_0, x(p.s): p.x_t}, times=2)


def solved(sampler: str, steps: int) -> Evaluator:
    """Evaluate a solver's step t -> s: the last state at s that is passed to the denoiser.

    The preceding step, if any, comes from t + 1, with another prediction.
    """

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        first = p.t + steps - 1
        predictions = {p.s: p.other, p.t: p.x_0, p.t + 1: 0.5 * p.other}
        seen: dict[int, Array] = {}

        def denoiser(x_t: Array, t: int) -> Array:
            seen[t] = x_t
            return one(predictions[t])

        times = (*range(first, p.t - 1, -1), p.s, 0)
        impl.sample(SamplingSpec(p.betas, sampler, times, denoiser), one(p.x_t), [one(0.0)] * steps)
        values = {PREDICTION: p.x_0, x(p.t): float(seen[p.t][0])}
        values[OTHER] = predictions[first] if steps > 1 else p.other
        return Evaluation(
            (seen[p.s][0],), values, times=4, absolute=extrapolation_error(impl, p, first)
        )

    return evaluate


def extrapolation_error(impl: Implementation, p: Point, first: int) -> float:
    """Bound the error of an extrapolated prediction from the preceding step, 8 u kappa there."""
    if first == p.t:
        return 0.0
    ahead, behind = chains.gain(p.betas, p.s, p.t), chains.gain(p.betas, p.t, first)
    size = float(ahead / behind / 2) * (abs(p.x_0) + abs(p.other))
    return 16 * impl.unit_roundoff * float(kappa(p.betas, p.t, first)) * size


def timestep_of(spacing: str) -> Evaluator:
    """Evaluate a timestep of a spacing of n steps, counted from data."""

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        T = p.n + 7 * p.t
        found = impl.timestep_spacing(spacing, (0.01,) * T, p.n)[::-1][p.i]
        return Evaluation((float(found),), {}, {"T": T, "t": 1, "s": 0, "n": p.n, "i": p.i})

    return evaluate


def guided(rescale: bool) -> Evaluator:
    """Evaluate the first of two pixels.

    The unconditional predictions are equal; the conditional ones have a standard deviation of 1/2.
    The checks of test_guidance count the roundings.
    """

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        scale, rescale_factor = 0.5 * p.n + 0.25, p.i / p.n if rescale else 0.0
        labelled, unlabelled = np.float64([[p.x_0, p.x_0 + 1]]), np.float64([[p.other, p.other]])
        guidance = Guidance(
            lambda x_t, t, c: unlabelled if c is None else labelled, scale, rescale_factor
        )
        guidance = guidance._replace(together=False)
        got = impl.guided(guidance, np.float64([[0.0, 1.0]]), p.t, at(0))[0, 0]
        guided_mean = mpf(p.other) + mpf(scale) * (mpf(p.x_0) - mpf(p.other))
        values: Values = {name("y"): p.x_0, name("z"): p.other, name("g"): scale}
        if rescale:
            values |= {name(r"\hat{x}", 0): guided_mean, name(r"\rho"): rescale_factor}
            values |= {name("a"): 0.5, name("b"): 0.5 * scale}
        m = (1 + scale) * (abs(p.x_0) + 1 + abs(p.other))
        roundings = 4 + (18 * (1 + 1 / scale) * m / (scale / 2) if rescale else 0)
        near = impl.unit_roundoff * m * roundings
        return Evaluation((got,), values, times=0, absolute=near)

    return evaluate


SAMPLERS: dict[str, Evaluator] = {
    "guidance.guess": guided(rescale=False),
    "guidance.rescale": guided(rescale=True),
    "losses.mean-hat": reverse("fixed_small", noise=False),
    "ancestral.step": reverse("fixed_small", noise=True),
    "ancestral.step-large": reverse("fixed_large", noise=True),
    "ancestral.lands-on-data": reverse("fixed_small", noise=False),
    "ancestral.ladder": timestep_of("trailing"),
    "ddim.variance": ddim_variance,
    "ddim.along": ddim_along,
    "ddim.step": ddim,
    "ddim.invert": ddim_up,
    "ddim.linspace": timestep_of("linspace"),
    "ddim.leading": timestep_of("leading"),
    "dpm-solver.first": solved("dpm++1", steps=1),
    "dpm-solver.second": solved("dpm++2m", steps=2),
    "heun.step": solved("heun", steps=1),
}
