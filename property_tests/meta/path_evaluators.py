"""Evaluators of the equations of Gaussian paths."""

import numpy as np

from ..oracles.exact import mp, mpf
from ..oracles.gaussian_paths import BETA_MAX, BETA_MIN, form
from ..protocol import Array, GaussianPath, Implementation
from .evaluation import Evaluation, Evaluator, Point, at, name, one, x
from .pages import Values


def path_of(p: Point) -> GaussianPath:
    """Return a path with the process of the point, in units that jump from timestep to timestep."""
    steps = np.arange(1, len(p.betas) + 1)
    units, signal = 1.5 * 2.0 ** ((3 * steps + p.n) % 5 - 2), np.cumprod(1 - np.float64(p.betas))
    alpha, sigma = units * np.sqrt(signal), units * np.sqrt(1 - signal)
    dots = np.outer([-0.25, 0.5], steps + p.i)
    tables = ((0.0, *each.tolist()) for each in (steps / 4, sigma, *dots))
    times, noise, alpha_dot, sigma_dot = tables
    return GaussianPath(times, (1.0, *alpha.tolist()), noise, alpha_dot, sigma_dot)


def scales(path: GaussianPath, t: int) -> Values:
    return {
        name("g", t): path.alpha[t],
        name(r"\sigma", t): path.sigma[t],
        name("g'", t): path.alpha_dot[t],
        name(r"\sigma'", t): path.sigma_dot[t],
    }


def process(impl: Implementation, p: Point) -> Evaluation:
    path = path_of(p)
    return Evaluation((impl.path_schedule(path).signal[p.t],), scales(path, p.t), times=2)


def sample(impl: Implementation, p: Point) -> Evaluation:
    path = path_of(p)
    got = impl.path_sample(path, one(p.x_0), at(p.t), one(p.other))
    return Evaluation((got[0],), {**scales(path, p.t), x(0): p.x_0, name(r"\epsilon"): p.other})


def sample_of_the_network(impl: Implementation, p: Point) -> Evaluation:
    path, seen = path_of(p), []

    def network(sample: Array, times: Array, labels: object) -> Array:
        seen.append(float(sample[0]))
        return sample

    impl.path_denoised(path, "x0", network, one(p.x_t), p.t, None)
    unit = mp.hypot(mpf(path.alpha[p.t]), mpf(path.sigma[p.t]))
    return Evaluation(tuple(seen), {name(r"\gamma", p.t): mp.log(unit), x(p.t): p.x_t})


def velocity(impl: Implementation, p: Point) -> Evaluation:
    path = path_of(p)
    got = impl.path_target(path, "velocity", one(p.x_0), one(p.other), at(p.t))
    return Evaluation((got[0],), {**scales(path, p.t), x(0): p.x_0, name(r"\epsilon"): p.other})


def conversion(source: str, target: str) -> Evaluator:
    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        path = path_of(p)
        got = impl.path_convert(path, source, target, one(p.other), one(p.x_t), at(p.t))
        (of_x0, of_noise), (to_x0, to_noise) = (form(path, each, p.t) for each in (source, target))
        values = scales(path, p.t) | {name("y", p.t): p.x_t}
        values |= {name("P"): p.other, name("z", p.t): p.other}
        values |= {name("p"): of_x0, name("r"): of_noise}
        values |= {name("p'"): to_x0, name("r'"): to_noise}
        return Evaluation((got[0],), values, times=2)

    return evaluate


def standard(which: str) -> Evaluator:
    """Evaluate the fraction of signal S of a path of the field at a time below 1.

    Its logarithm L is right to 4.5 u |L|, and |L| S is below 1 / e.
    """

    def evaluate(impl: Implementation, p: Point) -> Evaluation:
        time = (p.i + 1) / (p.n + 1)
        got = impl.path_schedule(impl.standard_path(which, (time,))).signal[1]
        values = {name(r"\tau"): time, name(r"\delta"): BETA_MIN, name(r"\eta"): BETA_MAX}
        return Evaluation((got,), values, times=0, absolute=8 * impl.unit_roundoff)

    return evaluate


PATHS: dict[str, Evaluator] = {
    "gaussian-path.alpha-bar": process,
    "gaussian-path.sample": sample,
    "gaussian-path.map": sample_of_the_network,
    "gaussian-path.velocity": velocity,
    "gaussian-path.convert": conversion("score", "velocity"),
    "gaussian-path.velocity-to-x0": conversion("velocity", "x0"),
    "gaussian-path.straight": standard("straight"),
    "gaussian-path.ve": standard("ve"),
    "gaussian-path.vp": standard("vp"),
}
