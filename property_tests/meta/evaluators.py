"""Evaluators of the implementation, one for each equation with code."""

import math

import numpy as np

from ..oracles.exact import kappa, kernel, mp, mpf, product_error
from ..protocol import Implementation
from ..statistics.statistics import power_of_mean
from ..statistics.tolerances import zero_terminal
from .bound_evaluators import BOUND
from .evaluation import FLOAT32, Evaluation, Evaluator, Point, at, name, one, x
from .latent_evaluators import LATENT
from .pages import Values
from .path_evaluators import PATHS
from .sampler_evaluators import SAMPLERS

T_LINEAR = 40  # the least round T above 21


def marginal(impl: Implementation, p: Point) -> Evaluation:
    found = impl.q_marginal(p.betas, one(p.x_0), at(p.t))
    return Evaluation((found.mean[0], found.var[0]), {x(0): p.x_0})


def step(impl: Implementation, p: Point) -> Evaluation:
    found = impl.q_step(p.betas, one(p.other), at(p.s), at(p.t))
    return Evaluation((found.mean[0], found.var[0]), {x(p.s): p.other}, s=p.s)


def one_step(impl: Implementation, p: Point) -> Evaluation:
    return step(impl, p._replace(s=p.t - 1))


def posterior(impl: Implementation, p: Point) -> Evaluation:
    found = impl.q_posterior(p.betas, one(p.x_0), one(p.x_t), at(p.s), at(p.t))
    return Evaluation((found.mean[0], found.var[0]), {x(p.t): p.x_t, x(0): p.x_0})


def part(evaluator: Evaluator, index: int, times: int = 1) -> Evaluator:
    def of_it(impl: Implementation, p: Point) -> Evaluation:
        whole = evaluator(impl, p)
        return whole._replace(got=(whole.got[index],), times=times)

    return of_it


def squared_scale(previous: bool) -> Evaluator:
    """Evaluate alpha_bar(t) / alpha_bar(s): the square of the mean of a step from 1."""

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        s = p.t - 1 if previous else p.s
        mean = impl.q_step(p.betas, one(1.0), at(s), at(p.t)).mean[0]
        return Evaluation((mean**2,), {}, times=2, s=s)

    return evaluate


def conversion(source: str, target: str) -> Evaluator:
    symbol = {"eps": name(r"\epsilon"), "x0": x(0), "v": name("v")}
    symbol["score"] = name(r"\mathrm{score}")

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        got = impl.convert(p.betas, source, target, one(p.other), one(p.x_t), at(p.t))
        return Evaluation((got[0],), {symbol[source]: p.other, x(p.t): p.x_t}, times=2)

    return evaluate


def prediction(target: str) -> Evaluator:
    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        got = impl.convert(p.betas, "x0", target, one(p.other), one(p.x_t), at(p.t))
        return Evaluation((got[0],), {name(r"\hat{x}", 0): p.other, x(p.t): p.x_t}, times=3)

    return evaluate


def target(what: str) -> Evaluator:
    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        got = impl.target(p.betas, what, one(p.x_0), one(p.other), at(p.t))
        scale, var = kernel(p.betas, 0, p.t)
        x_t = scale * mpf(p.x_0) + mp.sqrt(var) * mpf(p.other)
        values = {x(0): p.x_0, x(p.t): x_t, name(r"\epsilon"): p.other}
        # The derivative in the text is a finite difference in 60 digits, exact to 1e-40.
        return Evaluation((got[0],), values, times=2, absolute=1e-40)

    return evaluate


def weight(what: str) -> Evaluator:
    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        gamma = abs(p.other) + 0.125
        got = impl.loss_weight(p.betas, what, at(p.t), gamma, False)
        return Evaluation((got[0],), {name(r"\gamma"): gamma}, times=3)

    return evaluate


def constant(what: str) -> Evaluator:
    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        return Evaluation((impl.constant_weight(p.betas, what, at(p.t), False)[0],), {}, times=3)

    return evaluate


def table(impl: Implementation, p: Point) -> Evaluation:
    return Evaluation((impl.alpha_bar(p.betas)[p.t],), {})


def log_table(impl: Implementation, p: Point) -> Evaluation:
    """Bound the error: 1.5 u of exp is preserved by the logarithm; its own error is relative."""
    got = float(np.log(impl.alpha_bar(p.betas)[p.t]))
    return Evaluation((got,), {}, absolute=2 * impl.unit_roundoff)


def log_snr(impl: Implementation, p: Point) -> Evaluation:
    """L - M with M = log(1 - e^L): 2.5 u |L|, 4 u + 1.5 u |M| and u |L - M|.

    The smaller of |L| and |M| is at most log 2, the larger at most that and |L - M|. So the error
    is below (2.8 + 4 + 5 |L - M|) u.
    """
    got = impl.log_snr(p.betas, at(p.t))[0]
    return Evaluation((got,), {}, absolute=7 * impl.unit_roundoff)


def terminal(impl: Implementation, p: Point) -> Evaluation:
    """Shifting the roots cancels, which the schedules' own check bounds; at T it is 0 exactly."""
    bounds = dict(enumerate(zero_terminal(impl, p.betas), start=1))
    want, unit = bounds.get(p.t, (0, 0))
    got = impl.zero_terminal_snr(p.betas)[p.t]
    return Evaluation((got,), {}, times=0, absolute=float(unit * want))


def sample(impl: Implementation, p: Point) -> Evaluation:
    got = impl.q_sample(p.betas, one(p.x_0), at(p.t), one(p.other))
    return Evaluation((got[0],), {x(0): p.x_0, name(r"\epsilon"): p.other})


def shaped(family: str) -> Evaluator:
    """A beta, or alpha_bar where no cap is reached, of a shipped shape with its own parameters.

    Either table entry is right to 8 u kappa; the ratio and the difference add u each.
    """

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        T, t = T_LINEAR, 1 + (7 * p.n + p.t) % T_LINEAR
        integers = {"T": T, "t": t}
        if family == "linear":
            shape = {"beta_1": 0.001 * p.n, "beta_T": 0.002 + 0.003 * p.i}
            ends = {1: shape["beta_1"], T: shape["beta_T"]}
            values = {name("b", level): _decimal(beta) for level, beta in ends.items()}
        elif family == "cosine":
            shape = {"s": 0.004 * p.n, "max_beta": 0.5}
            values = {name(r"\delta"): _decimal(shape["s"]), name(r"\beta_{\mathrm{max}}"): 0.5}
        else:
            shape = {"start": -float(p.n), "end": 3.0 + p.i, "tau": 0.5 * p.n, "max_beta": 0.999}
            integers["t"] = t = min(t, T - 1)  # max_beta applies at the last timestep
            values = {name("p"): -float(p.n), name("r"): 3.0 + p.i, name(r"\tau"): 0.5 * p.n}
        signal = impl.shaped_schedule(family, T, shape).signal
        got = signal[t] if family == "sigmoid" else 1 - signal[t] / signal[t - 1]
        kappas = [1 - math.log(each) / (1 - each) for each in signal[max(t - 1, 1) : t + 1]]
        near = (8 * sum(kappas) + 2) * impl.unit_roundoff
        return Evaluation((got,), values, integers, times=0, absolute=near)

    return evaluate


def _decimal(value: float) -> mpf:
    """Return the exact value of the decimal literal."""
    return mpf(repr(value))


def mean_square(impl: Implementation, p: Point) -> Evaluation:
    predicted, wanted = np.float64([[p.x_0, p.x_t, p.other]]), np.float64([[p.other, 1.0, p.x_0]])
    values: Values = {name("y", j + 1): wanted[0, j] for j in range(3)}
    values |= {name(r"\hat{y}", j + 1): predicted[0, j] for j in range(3)}
    return Evaluation((impl.loss(predicted, wanted)[0],), values, {"n": 3})


def weighted(impl: Implementation, p: Point) -> Evaluation:
    predicted, wanted = np.float64([[p.x_0], [p.x_t]]), np.float64([[p.other], [1.0]])
    weights = np.float64([0.5, 3.0])
    values: Values = {name(r"\omega", j + 1): weights[j] for j in range(2)}
    values |= {name(r"\ell", j + 1): each for j, each in enumerate(impl.loss(predicted, wanted))}
    return Evaluation((impl.weighted_loss(predicted, wanted, weights).mean(),), values, {"n": 2})


def sinusoid(half: int) -> Evaluator:
    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        t, h = 37 * p.t, p.n
        got = impl.embedding(at(t), 2 * h)[0, p.i + half * h]
        period = impl.embedding_layout().max_period
        integers = {"t": t, "s": 0, "T": t, "h": h, "i": p.i}
        near = 2 * FLOAT32  # rounded once, at most 1; its angle is of float64
        return Evaluation((got,), {name("P"): period}, integers, times=0, absolute=near)

    return evaluate


def fourier_feature(impl: Implementation, p: Point) -> Evaluation:
    got = impl.fourier_features(np.float64(p.other).reshape(1, 1, 1, 1), (p.i,)).ravel()[1]
    angle = 2.0**p.i * np.pi * abs(p.other)
    near = (2 * angle + 1.5) * impl.unit_roundoff  # pi, a product, and the sine's own
    return Evaluation((got,), {name("y"): p.other}, {"k": p.i}, times=0, absolute=near)


def decay(impl: Implementation, p: Point) -> Evaluation:
    found = impl.ema(0.25, np.zeros((p.n + 1, 1)), np.zeros((p.n + 1, 1))).decays[p.i]
    return Evaluation((found,), {name("d"): 0.25}, {"k": p.i})


def ema_update(impl: Implementation, p: Point) -> Evaluation:
    weights = np.float64([[p.x_0], [p.x_t]])
    found = impl.ema(0.25, weights, weights).weights[0, 0]
    values = {name("d"): 0.25, name("y"): p.x_0, name("z"): p.x_t}
    near = 3 * impl.unit_roundoff * max(abs(p.x_0), abs(p.x_t))  # three roundings
    return Evaluation((found,), values, {"k": 0}, times=0, absolute=near)


def pixel(impl: Implementation, p: Point) -> Evaluation:
    found = impl.to_unit_range(np.array([[[[p.i]]]], np.uint8), p.n).ravel()[0]
    near = 3 * FLOAT32  # a quotient of at most 2, and a difference of at most 1
    return Evaluation((found,), {}, {"k": p.i, "n": p.n}, times=0, absolute=near)


def condition(impl: Implementation, p: Point) -> Evaluation:
    return Evaluation((float(kappa(p.betas, p.s, p.t)),), {})


def error_of_product(impl: Implementation, p: Point) -> Evaluation:
    return Evaluation((float(product_error(p.betas, p.t)),), {})


def power(impl: Implementation, p: Point) -> Evaluation:
    threshold, shift = 1.0 + 0.25 * p.i, 0.125 * p.n
    alpha = math.erfc(threshold / math.sqrt(2))  # of both sides
    values = {name(r"\delta"): shift, name("a"): threshold}
    near = 3e-14  # erfc, ndtri and ndtr are each right to 1e-14; Phi's slope is below 0.4
    return Evaluation(
        (power_of_mean(p.n, shift, alpha),), values, {"n": p.n}, times=0, absolute=near
    )


EVALUATORS: dict[str, Evaluator] = {
    "schedules.alpha": squared_scale(previous=True),
    "schedules.alpha-bar": table,
    "schedules.log-alpha-bar": log_table,
    "schedules.beta": part(one_step, 1),
    "schedules.alpha-between": squared_scale(previous=False),
    "schedules.beta-between": part(step, 1),
    "schedules.one-minus-sum": part(marginal, 1),
    "schedules.log-snr": log_snr,
    "schedules.linear": shaped("linear"),
    "schedules.cosine": shaped("cosine"),
    "schedules.sigmoid": shaped("sigmoid"),
    "schedules.zero-terminal-snr": terminal,
    "forward-process.kernel": one_step,
    "forward-process.marginal": marginal,
    "forward-process.step": step,
    "forward-process.sample": sample,
    "posterior.var": part(posterior, 1),
    "posterior.mean": part(posterior, 0),
    "posterior.law": posterior,
    "posterior.last-step": part(posterior, 1),
    "parameterization.v": target("v"),
    "parameterization.score": target("score"),
    **{
        f"parameterization.{source}-to-{goal}": conversion(source, goal)
        for source in ("eps", "x0", "v", "score")
        for goal in ("eps", "x0", "v", "score")
        if source != goal
    },
    "losses.eps-hat": prediction("eps"),
    "losses.v-hat": prediction("v"),
    "losses.simple": mean_square,
    "losses.weighted": weighted,
    "losses.constant-eps": constant("eps"),
    "losses.constant-v": constant("v"),
    "losses.min-snr": weight("x0"),
    "losses.min-snr-eps": weight("eps"),
    "losses.min-snr-v": weight("v"),
    "losses.min-snr-score": weight("score"),
    **BOUND,
    **LATENT,
    **PATHS,
    **SAMPLERS,
    "embeddings.sinusoidal": sinusoid(0),
    "embeddings.cosines": sinusoid(1),
    "embeddings.fourier": fourier_feature,
    "ema.decay": decay,
    "ema.update": ema_update,
    "images.range": pixel,
    "rounding.kappa": condition,
    "rounding.table-entry": error_of_product,
    "statistics.power": power,
}
