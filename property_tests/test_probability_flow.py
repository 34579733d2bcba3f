"""The probability flow: its steps to the last digits, its order, and the density that it gives."""

import math
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .chains.convergence import NUMBERS, schedule_family
from .chains.steep_paths import DATA, paths
from .oracles import bound, flows, mixture
from .oracles.exact import kappa, kernel, mpf
from .protocol import Array, Betas, Gaussian, Implementation, Times
from .statistics.tolerances import check, check_largest
from .strategies import STEEP

ORACLE = "Heun's recursion in 60 digits; the exact flow and density of normal data and of mixtures"

X_1 = np.float64([[0.75, -1.25], [-2.0, 0.5], [0.125, 3.0]])
FEW, MANY = NUMBERS[0], NUMBERS[-2]


class Straight:
    """x0_hat = A_t x_t + b_t, with a slope and an offset of its own for each level and number."""

    def __init__(self, numbers: int, coupling: float = 0.0) -> None:
        self.numbers, self.coupling = numbers, coupling
        self.asked: list[int] = []

    def line(self, i: int, t: int) -> flows.Line:
        return flows.Line((3 + 5 * t + 2 * i) % 7 / 8 - 0.25, (2 * t + 3 * i) % 5 / 4 - 0.5)

    def __call__(self, x_t: Array, t: int) -> tuple[Array, Array]:
        self.asked.append(t)
        lines = [self.line(i, t) for i in range(self.numbers)]
        matrix = np.diag([line.slope for line in lines])
        place = np.arange(self.numbers)
        matrix += (
            self.coupling * np.cos(place[:, None] * 2 + place + t) * (1 - np.eye(self.numbers))
        )
        guess = x_t.reshape(len(x_t), -1) @ matrix.T + [line.offset for line in lines]
        return guess.reshape(x_t.shape), np.broadcast_to(matrix, (len(x_t), *matrix.shape))


@given(case=paths)
@example(case=(STEEP, (4, 2, 1, 0)))
@example(case=(STEEP, (3, 0)))
def test_state_and_log_volume_follow_heuns_method(impl: Implementation, case):
    """Eq. probability-flow.step and probability-flow.volume: number by number, for any times.

    A step makes four coefficients of the state and four of the volume, each right to 8 u kappa,
    and rounds as often: 40 u kappa of what its sums are made of, with the sums of a step before.
    """
    betas, times = case
    straight = Straight(X_1.shape[1])
    got = impl.probability_flow(betas, X_1, straight, None, times)
    up = [t for t in reversed(times) if t > 0]
    ends = [level for step in pairwise(up) for level in step]
    assert straight.asked == ends, f"asked at the levels {straight.asked} on the way up {up}"
    worst = max([kappa(betas, 0, t) for t in up] + [kappa(betas, s, t) for s, t in pairwise(up)])
    unit = 40 * impl.unit_roundoff * worst * len(up)
    for row, x in enumerate(X_1):
        numbers = [
            flows.integrate(betas, times, {t: straight.line(i, t) for t in up}, each)
            for i, each in enumerate(x)
        ]
        for i, each in enumerate(numbers):
            check("x_T", (row, i), got.x_T, each.x_T.exact, unit * each.x_T.size)
        volume = [sum(getattr(each.log_volume, of) for each in numbers) for of in ("exact", "size")]
        check("log volume", (0, row), got.log_volume, volume[0], unit * volume[1])


COMPONENTS = {"gaussian": (mixture.Component(1, 0.5, 0.25),), "mixture": mixture.BUMPS}


def of_mixture(betas: Betas, data: mixture.Mixture):
    def slopes(x_t: Array, t: int) -> tuple[Array, Array]:
        guess, slope = (
            make(betas, data, t)(x_t) for make in (mixture.denoiser_of, mixture.slope_of)
        )
        return guess, slope[:, :, None] * np.eye(x_t.shape[1])

    return slopes


def missing(impl: Implementation, data: mixture.Mixture, n: int) -> Array:
    """How far log q(x_T) and the volume are from log q(x_1), for n levels uniform in log-SNR."""
    betas = schedule_family(n)
    got = impl.probability_flow(betas, X_1, of_mixture(betas, data), None, every(n))
    at_end, at_start = (
        mixture.log_density_of(betas, data, t)(x).sum(axis=1) for t, x in ((n, got.x_T), (1, X_1))
    )
    return at_end + got.log_volume[0] - at_start


def every(n: int) -> tuple[int, ...]:
    return tuple(range(n, -1, -1))


@pytest.mark.parametrize("data", COMPONENTS)
def test_convergence_is_second_order(impl: Implementation, data):
    """Eq. probability-flow.volume against the exact density of q(x_1): order 2, sample by sample,
    from 64 to 256 levels uniform in log-SNR."""
    first, last = (abs(missing(impl, COMPONENTS[data], n)) for n in (FEW, MANY))
    slope = np.log(first / last) / math.log(MANY / FEW)
    assert (abs(slope - 2) <= 0.05).all(), f"the error falls as n^-p with p = {slope}"


def probes_of_signs(rows: int, numbers: int) -> Array:
    """All sign vectors of an event, the same for each row: (2^numbers, rows, numbers)."""
    signs = np.float64(list(product((-1, 1), repeat=numbers)))
    return np.repeat(signs[:, None], rows, axis=1)


def rounding(impl: Implementation, betas: Betas, flow: Array) -> float:
    """Of sums of 2 divergences a step, each of up to 9 products that are at most 4 in the ratio."""
    worst = max(float(kappa(betas, 0, t)) for t in range(1, len(betas) + 1))
    return impl.unit_roundoff * 64 * len(betas) * worst * (1 + np.abs(flow).max())


@given(signs=st.lists(st.booleans(), min_size=X_1.size, max_size=X_1.size))
def test_rademacher_probe_is_exact_for_a_diagonal_jacobian(impl: Implementation, signs):
    """Eq. probability-flow.probe: the square of a sign is 1, so a diagonal Jacobian leaves nothing
    to chance, whatever the signs are, each row with its own."""
    times, probe = every(len(STEEP)), np.where(signs, 1.0, -1.0).reshape(1, *X_1.shape)
    exact = impl.probability_flow(STEEP, X_1, Straight(2), None, times)
    got = impl.probability_flow(STEEP, X_1, Straight(2), probe, times)
    allowed = rounding(impl, STEEP, exact.log_volume)
    check_largest("log volume", got.log_volume, exact.log_volume, allowed)
    check_largest("x_T", got.x_T, exact.x_T, 0.0)


def test_mean_over_all_rademacher_probes_is_the_divergence(impl: Implementation):
    """Eq. probability-flow.probe, with numbers that mix: slopes off the diagonal cancel in the mean
    over all sign vectors, and in none of them alone; the state does not depend on probes."""
    x_1, times = np.concatenate([X_1, X_1[:, :1]], axis=1), every(len(STEEP))
    mixing = Straight(3, coupling=0.25)
    exact = impl.probability_flow(STEEP, x_1, mixing, None, times)
    got = impl.probability_flow(STEEP, x_1, mixing, probes_of_signs(len(x_1), 3), times)
    allowed = rounding(impl, STEEP, exact.log_volume)
    mean = got.log_volume.mean(axis=0, keepdims=True)
    check_largest("mean log volume", mean, exact.log_volume, allowed)
    assert (abs(got.log_volume - mean) > 1e-3).all(), (
        "a single probe sees no slope off the diagonal"
    )
    check_largest("x_T", got.x_T, exact.x_T, 0.0)


@pytest.mark.parametrize("steps", [3, 6])
def test_log_density_is_noise_density_plus_log_volume(impl: Implementation, steps):
    """Eq. probability-flow.density and probability-flow.doubling: the mean over the probes, their
    standard error, and a third of what every other level moves it by."""
    betas = (0.05, 0.5, 0.3, 0.8, 0.2, 0.4)[:steps]
    times = every(steps)
    doubled = (*(t for t in times if (steps - t) % 2 == 0 and t > 1), 1, 0)
    x_1, mixing = np.concatenate([X_1, X_1[:, :1]], axis=1), Straight(3, coupling=0.25)
    for probes in (None, probes_of_signs(len(x_1), 3)):
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
            error = by_probe[0].std(axis=0, ddof=1) / math.sqrt(len(probes))
        check_largest("error of the probes", got.probe_error, error, allowed)


@pytest.mark.parametrize("data", COMPONENTS)
def test_step_doubling_estimates_the_remaining_error(impl: Implementation, data):
    """Eq. probability-flow.doubling: on 256 levels within a tenth of the error against the exact
    density, where that of an end with some signal left is taken into account."""
    law, betas = COMPONENTS[data], schedule_family(MANY)
    got = impl.flow_log_density(betas, X_1, of_mixture(betas, law), None, every(MANY))
    flow = impl.probability_flow(betas, X_1, of_mixture(betas, law), None, every(MANY))
    noise = (flow.x_T**2 + math.log(2 * math.pi)).sum(axis=1) / 2
    at_end = mixture.log_density_of(betas, law, MANY)(flow.x_T).sum(axis=1)
    left = abs(missing(impl, law, MANY))
    assert (abs(got.step_error / left - 1) <= 0.1).all(), (
        f"{got.step_error} is told, {left} is left"
    )
    true = mixture.log_density_of(betas, law, 1)(X_1).sum(axis=1)
    off = abs(got.nats - true - (-noise - at_end))
    assert (off <= 1.1 * left).all(), f"log p_1 is off by {off} beyond what its end is"


@given(case=paths)
@example(case=(STEEP, (4, 3, 2, 1, 0)))
def test_exact_decoder_makes_the_flow_bound_exact(impl: Implementation, case):
    """Eq. probability-flow.data: by Bayes' rule, sample by sample, whatever the noise; and with any
    other decoder it is what that says less."""
    betas, (*_, t, _) = case
    scale, var = kernel(betas, 0, t)
    levels = [bound.marginal(law, betas, t) for law in DATA]
    x_0 = X_1 / 2
    x_1 = np.float64(float(scale)) * x_0 + np.float64(float(var)) * X_1
    log_p = np.float64(
        [
            sum(bound.log_density(law, mpf(x)) for law, x in zip(levels, row, strict=True))
            for row in x_1
        ]
    )

    def decoder(x_t: Array, s: Times, at: Times) -> Gaussian:
        assert [*s, *at] == [0] * len(s) + [t] * len(at), f"the decoder is asked for {at} -> {s}"
        steps = [bound.exact_reverse(law, betas, 0, t) for law in DATA]
        rows = [[step.at(mpf(x)) for step, x in zip(steps, row, strict=True)] for row in x_t]
        return Gaussian(*(np.float64([[law[i] for law in row] for row in rows]) for i in range(2)))

    got = impl.flow_bound(betas, x_0, x_1, log_p, decoder, None, t)
    for row, (x, y) in enumerate(zip(x_0, x_1, strict=True)):
        want, size = mpf(0), mpf(4)
        for law, level, number, noisy in zip(DATA, levels, x, y, strict=True):
            want -= bound.log_density(law, mpf(number))
            back = bound.exact_reverse(law, betas, 0, t).at(mpf(noisy))
            added = bound.Gaussian(scale * mpf(number), var)
            parts = (added, mpf(noisy)), (level, mpf(noisy)), (back, mpf(number))
            size += sum(1 + abs(bound.log_density(each, at)) for each, at in parts)
            size += sum(
                16 * (abs(at) + abs(each.mean)) * abs(at - each.mean) / each.var
                for each, at in parts
            )
        check("bound", (row,), got, want, impl.unit_roundoff * 24 * kappa(betas, 0, t) * size)
    grey = np.round(x_0.clip(-1, 1) * 8) / 8
    law = Gaussian(0.5 * x_1, np.full_like(x_1, 0.25))
    got = impl.flow_bound(betas, grey, x_1, log_p, lambda *given: law, 17, t)
    as_density = impl.flow_bound(betas, grey, x_1, log_p, lambda *given: law, None, t)
    less = (
        impl.log_grey_level(law, grey, 17) + (grey - law.mean) ** 2 * 2 + math.log(math.pi / 2) / 2
    )
    allowed = impl.unit_roundoff * 64 * (1 + np.abs(got).max() + np.abs(as_density).max())
    check_largest("bound of grey levels", got, as_density - less.sum(axis=1), allowed)
