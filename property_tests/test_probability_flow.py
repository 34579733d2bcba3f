"""The probability flow: its steps to roundoff, its order, and the density that it gives."""

import math
from itertools import pairwise, product
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .chains.convergence import NUMBERS, schedule_family
from .chains.steep_paths import DATA, paths
from .oracles import bound, flows, mixture
from .oracles.exact import kappa, kernel, mpf
from .protocol import UNKNOWN, Array, Betas, Flow, Gaussian, Implementation, Times
from .statistics.tolerances import check, check_largest
from .strategies import STEEP

ORACLE = "Heun's recursion in 60 digits; the exact flow and density of Gaussians and mixtures"

X_1 = np.float64([[0.75, -1.25], [-2.0, 0.5], [0.125, 3.0]])
FEW, MANY = NUMBERS[0], NUMBERS[-2]


class AffineDenoiser:
    """x0_hat = A_t x_t + b_t, with its own slope and offset for each timestep and element."""

    def __init__(self, numbers: int, coupling: float = 0.0) -> None:
        self.numbers, self.coupling = numbers, coupling
        self.evaluated: list[int] = []

    def line(self, i: int, t: int) -> flows.Line:
        return flows.Line((3 + 5 * t + 2 * i) % 7 / 8 - 0.25, (2 * t + 3 * i) % 5 / 4 - 0.5)

    def __call__(self, x_t: Array, t: int) -> tuple[Array, Array]:
        self.evaluated.append(t)
        lines = [self.line(i, t) for i in range(self.numbers)]
        matrix = np.diag([line.slope for line in lines])
        index = np.arange(self.numbers)
        matrix += (
            self.coupling * np.cos(index[:, None] * 2 + index + t) * (1 - np.eye(self.numbers))
        )
        prediction = x_t.reshape(len(x_t), -1) @ matrix.T + [line.offset for line in lines]
        return prediction.reshape(x_t.shape), np.broadcast_to(matrix, (len(x_t), *matrix.shape))


@given(case=paths)
@example(case=(STEEP, (4, 2, 1, 0)))
@example(case=(STEEP, (3, 0)))
def test_state_and_log_volume_follow_heuns_method(impl: Implementation, case):
    """Eq. probability-flow.step and probability-flow.volume, elementwise, for any times.

    A step computes four coefficients of the state and four of the volume, each to 8 u kappa, and
    rounds as often: 40 u kappa of the terms of its sums, including the sums of the preceding step.
    """
    betas, times = case
    denoiser = AffineDenoiser(X_1.shape[1])
    got = impl.probability_flow(betas, X_1, denoiser, None, times)
    up = [t for t in reversed(times) if t > 0]
    ends = [marginal for step in pairwise(up) for marginal in step]
    assert denoiser.evaluated == ends, f"evaluated at {denoiser.evaluated} along {up}"
    worst = max([kappa(betas, 0, t) for t in up] + [kappa(betas, s, t) for s, t in pairwise(up)])
    unit = 40 * impl.unit_roundoff * worst * len(up)
    for row, x in enumerate(X_1):
        numbers = [
            flows.integrate(betas, times, {t: denoiser.line(i, t) for t in up}, each)
            for i, each in enumerate(x)
        ]
        for i, each in enumerate(numbers):
            check("x_T", (row, i), got.x_T, each.x_T.exact, unit * each.x_T.size)
        volume = [sum(getattr(each.log_volume, of) for each in numbers) for of in ("exact", "size")]
        check("log volume", (0, row), got.log_volume, volume[0], unit * volume[1])


COMPONENTS = {"gaussian": (mixture.Component(1, 0.5, 0.25),), "mixture": mixture.BUMPS}


def mixture_denoiser(betas: Betas, data: mixture.Mixture):
    def slopes(x_t: Array, t: int) -> tuple[Array, Array]:
        prediction, slope = (
            make(betas, data, t)(x_t) for make in (mixture.denoiser_of, mixture.slope_of)
        )
        return prediction, slope[:, :, None] * np.eye(x_t.shape[1])

    return slopes


class Densities(NamedTuple):
    """Log densities of n timesteps: log q(x_T) and log q(x_1), and the flow between them."""

    at_end: Array
    at_start: Array
    flow: Flow

    @property
    def error(self) -> Array:
        """The error of log q(x_T) + log volume - log q(x_1)."""
        return self.at_end + self.flow.log_volume[0] - self.at_start


def densities(impl: Implementation, data: mixture.Mixture, n: int) -> Densities:
    """Follow the flow of n timesteps from X_1."""
    betas = schedule_family(n)
    got = impl.probability_flow(betas, X_1, mixture_denoiser(betas, data), None, all_timesteps(n))
    at_end, at_start = (
        mixture.log_density_of(betas, data, t)(x).sum(axis=1) for t, x in ((n, got.x_T), (1, X_1))
    )
    return Densities(at_end, at_start, got)


def all_timesteps(n: int) -> tuple[int, ...]:
    return tuple(range(n, -1, -1))


@pytest.mark.complete
@pytest.mark.parametrize("data", COMPONENTS)
def test_convergence_is_second_order(impl: Implementation, data):
    """Eq. probability-flow.volume, compared with the exact density of q(x_1): order 2.

    Each sample is tested, from 64 to 256 timesteps uniform in log-SNR.
    """
    first, last = (abs(densities(impl, COMPONENTS[data], n).error) for n in (FEW, MANY))
    slope = np.log(first / last) / math.log(MANY / FEW)
    assert (abs(slope - 2) <= 0.05).all(), f"the error falls as n^-p with p = {slope}"


def sign_probes(rows: int, numbers: int) -> Array:
    """Return all sign vectors of a sample, the same for each row: (2^numbers, rows, numbers)."""
    signs = np.float64(list(product((-1, 1), repeat=numbers)))
    return np.repeat(signs[:, None], rows, axis=1)


def rounding(impl: Implementation, betas: Betas, flow: Array) -> float:
    """Return the rounding of 2 divergences per step, each with at most 9 products of at most 4."""
    worst = max(float(kappa(betas, 0, t)) for t in range(1, len(betas) + 1))
    return impl.unit_roundoff * 64 * len(betas) * worst * (1 + np.abs(flow).max())


@given(signs=st.lists(st.booleans(), min_size=X_1.size, max_size=X_1.size))
def test_rademacher_probe_is_exact_for_a_diagonal_jacobian(impl: Implementation, signs):
    """Eq. probability-flow.probe: squared signs are 1, so a diagonal Jacobian is exact.

    This holds for any signs, different for each row.
    """
    times, probe = all_timesteps(len(STEEP)), np.where(signs, 1.0, -1.0).reshape(1, *X_1.shape)
    exact = impl.probability_flow(STEEP, X_1, AffineDenoiser(2), None, times)
    got = impl.probability_flow(STEEP, X_1, AffineDenoiser(2), probe, times)
    allowed = rounding(impl, STEEP, exact.log_volume)
    check_largest("log volume", got.log_volume, exact.log_volume, allowed)
    check_largest("x_T", got.x_T, exact.x_T, 0.0)


def test_mean_over_all_rademacher_probes_is_the_divergence(impl: Implementation):
    """Eq. probability-flow.probe with coupled elements: off-diagonal terms cancel in the mean.

    They do not cancel for a single probe, and the state does not depend on probes.
    """
    x_1, times = np.concatenate([X_1, X_1[:, :1]], axis=1), all_timesteps(len(STEEP))
    mixing = AffineDenoiser(3, coupling=0.25)
    exact = impl.probability_flow(STEEP, x_1, mixing, None, times)
    got = impl.probability_flow(STEEP, x_1, mixing, sign_probes(len(x_1), 3), times)
    allowed = rounding(impl, STEEP, exact.log_volume)
    mean = got.log_volume.mean(axis=0, keepdims=True)
    check_largest("mean log volume", mean, exact.log_volume, allowed)
    assert (abs(got.log_volume - mean) > 1e-3).all(), "a single probe has no off-diagonal terms"
    check_largest("x_T", got.x_T, exact.x_T, 0.0)


def test_estimate_of_a_probe_is_its_quadratic_form(impl: Implementation):
    """Eq. probability-flow.probe: the divergence is the sum of v J v over unit vectors v.

    So an estimate is not normalised, and probes of any distribution with covariance 1, such as
    Gaussian ones, have no bias. For 2 v it is four times as large.
    """
    x_1, times = np.concatenate([X_1, X_1[:, :1]], axis=1), all_timesteps(len(STEEP))
    mixing = AffineDenoiser(3, coupling=0.25)
    units = np.concatenate([np.zeros((1, 3)), np.eye(3), 2 * np.eye(3)])
    probes = np.repeat(units[:, None], len(x_1), axis=1)
    exact = impl.probability_flow(STEEP, x_1, mixing, None, times).log_volume[0]
    zero, *found = impl.probability_flow(STEEP, x_1, mixing, probes, times).log_volume
    once, twice = np.stack(found[:3]) - zero, np.stack(found[3:]) - zero
    allowed = 8 * rounding(impl, STEEP, np.stack(found))
    check_largest("sum over unit vectors", zero + once.sum(axis=0), exact, allowed)
    check_largest("estimate of 2 v", twice, 4 * once, allowed)


@pytest.mark.parametrize("steps", [3, 6])
def test_log_density_is_noise_density_plus_log_volume(impl: Implementation, steps):
    """Eq. probability-flow.density and probability-flow.doubling: mean, standard error, step error.

    The step error is a third of the change when every other timestep is omitted. One probe has no
    standard error.
    """
    betas = (0.05, 0.5, 0.3, 0.8, 0.2, 0.4)[:steps]
    times = all_timesteps(steps)
    doubled = (*(t for t in times if (steps - t) % 2 == 0 and t > 1), 1, 0)
    x_1, mixing = np.concatenate([X_1, X_1[:, :1]], axis=1), AffineDenoiser(3, coupling=0.25)
    every = sign_probes(len(x_1), 3)
    for probes in (None, every, every[:1], every[1:3]):
        by_probe = []
        for each in (times, doubled):
            flow = impl.probability_flow(betas, x_1, mixing, probes, each)
            noise = (flow.x_T**2 + math.log(2 * math.pi)).sum(axis=1) / 2
            by_probe.append(flow.log_volume - noise)
        fine, coarse = (each.mean(axis=0) for each in by_probe)
        got = impl.flow_log_density(betas, x_1, mixing, probes, times)
        allowed = 16 * impl.unit_roundoff * (1 + max(np.abs(each).max() for each in by_probe))
        check_largest("log density", got.nats, fine, allowed)
        check_largest("error of the steps", got.step_error, abs(coarse - fine) / 3, allowed)
        error = np.zeros(len(x_1))
        if probes is not None:
            n = len(probes)
            error += by_probe[0].std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else UNKNOWN
        check_largest("error of the probes", got.probe_error, error, allowed)


@pytest.mark.complete
@pytest.mark.parametrize("data", COMPONENTS)
def test_step_doubling_estimates_the_remaining_error(impl: Implementation, data):
    """Eq. probability-flow.doubling: within a tenth of the true error with 256 timesteps.

    The true error is that against the exact density, corrected for the signal left at t = T.
    """
    components, betas = COMPONENTS[data], schedule_family(MANY)
    got = impl.flow_log_density(
        betas, X_1, mixture_denoiser(betas, components), None, all_timesteps(MANY)
    )
    exact = densities(impl, components, MANY)
    noise = (exact.flow.x_T**2 + math.log(2 * math.pi)).sum(axis=1) / 2
    left = abs(exact.error)
    assert (abs(got.step_error / left - 1) <= 0.1).all(), (
        f"the estimate is {got.step_error}, the error {left}"
    )
    off = abs(got.nats - exact.at_start - (-noise - exact.at_end))
    assert (off <= 1.1 * left).all(), f"log p_1 has an error of {off} beyond that of its end"


@given(case=paths)
@example(case=(STEEP, (4, 3, 2, 1, 0)))
def test_exact_decoder_makes_the_flow_bound_exact(impl: Implementation, case):
    """Eq. probability-flow.data: by Bayes' rule, for each sample and any noise.

    With any other decoder the bound differs by the difference of the decoders' densities.
    """
    betas, (*_, t, _) = case
    scale, var = kernel(betas, 0, t)
    marginals = [bound.marginal(gaussian, betas, t) for gaussian in DATA]
    x_0 = X_1 / 2
    x_1 = np.float64(float(scale)) * x_0 + np.float64(float(var)) * X_1
    log_p = np.float64(
        [
            sum(
                bound.log_density(gaussian, mpf(x))
                for gaussian, x in zip(marginals, row, strict=True)
            )
            for row in x_1
        ]
    )

    def decoder(x_t: Array, s: Times, at: Times) -> Gaussian:
        assert [*s, *at] == [0] * len(s) + [t] * len(at), f"the decoder is evaluated at {at} -> {s}"
        steps = [bound.exact_reverse(gaussian, betas, 0, t) for gaussian in DATA]
        rows = [[step.at(mpf(x)) for step, x in zip(steps, row, strict=True)] for row in x_t]
        return Gaussian(
            *(np.float64([[gaussian[i] for gaussian in row] for row in rows]) for i in range(2))
        )

    got = impl.flow_bound(betas, x_0, x_1, log_p, decoder, None, t)
    for row, (x, y) in enumerate(zip(x_0, x_1, strict=True)):
        want, size = mpf(0), mpf(4)
        for gaussian, marginal, number, noisy in zip(DATA, marginals, x, y, strict=True):
            want -= bound.log_density(gaussian, mpf(number))
            back = bound.exact_reverse(gaussian, betas, 0, t).at(mpf(noisy))
            added = bound.Gaussian(scale * mpf(number), var)
            parts = (added, mpf(noisy)), (marginal, mpf(noisy)), (back, mpf(number))
            size += sum(1 + abs(bound.log_density(each, at)) for each, at in parts)
            size += sum(
                16 * (abs(at) + abs(each.mean)) * abs(at - each.mean) / each.var
                for each, at in parts
            )
        check("bound", (row,), got, want, impl.unit_roundoff * 24 * kappa(betas, 0, t) * size)
    grey = np.round(x_0.clip(-1, 1) * 8) / 8
    gaussian = Gaussian(0.5 * x_1, np.full_like(x_1, 0.25))
    got = impl.flow_bound(betas, grey, x_1, log_p, lambda *given: gaussian, 17, t)
    as_density = impl.flow_bound(betas, grey, x_1, log_p, lambda *given: gaussian, None, t)
    less = (
        impl.log_grey_level(gaussian, grey, 17)
        + (grey - gaussian.mean) ** 2 * 2
        + math.log(math.pi / 2) / 2
    )
    allowed = impl.unit_roundoff * 64 * (1 + np.abs(got).max() + np.abs(as_density).max())
    check_largest("bound of grey levels", got, as_density - less.sum(axis=1), allowed)
