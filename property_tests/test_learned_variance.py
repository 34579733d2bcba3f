"""Learned variances: their range, the hybrid loss, and importance sampling of timesteps."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from .options.terms import given_kernel, term, total
from .oracles import bound, exact
from .oracles.exact import kappa, mp, mpf
from .protocol import Array, Gaussian, Implementation, Prediction
from .statistics.tolerances import allowance, check, elements, equal
from .strategies import EARLY, STEEP, Case, cases, numbers

ORACLE = "the definitions in 60 digits, differentiated analytically"
WEIGHT = mpf("0.001")  # of the bound relative to the squared error

interpolations = st.lists(
    st.sampled_from([0.0, 0.25, 0.5, 1.0, -0.5, 1.25]), min_size=64, max_size=64
)


def like(x: Array, values: list[float]) -> Array:
    return np.resize(np.float64(values), x.shape)


def learned(betas: tuple[float, ...], interpolation: float, s: int, t: int) -> mpf:
    low = exact.posterior(betas, 0.0, 0.0, *((s, t) if s else (1, 2))).var
    return exact.kernel(betas, s, t).var ** mpf(interpolation) * low ** (1 - mpf(interpolation))


def roundings(betas: tuple[float, ...], interpolation: float, s: int, t: int) -> mpf:
    """Return the roundings of a variance, in units of roundoff.

    Both ends have errors of 8 kappa, which the powers scale by |interpolation| and
    |1 - interpolation|. The exponent is rounded whenever it is multiplied.
    """
    ends = max(kappa(betas, s, t), kappa(betas, 1, 2))
    low = exact.posterior(betas, 0.0, 0.0, *((s, t) if s else (1, 2))).var
    away = abs(mp.log(low / exact.kernel(betas, s, t).var))
    return (
        (abs(mpf(interpolation)) + abs(1 - mpf(interpolation))) * 8 * ends
        + 4 * (1 + abs(interpolation)) * away
        + 8
    )


@given(case=cases(), values=interpolations)
@example(case=EARLY, values=[0.0, 0.5, 1.0, 0.25])
def test_learned_variance_interpolates_in_log_space(impl: Implementation, case: Case, values):
    """Eq. learned-variance.range and learned-variance.decoder, for pairs with any stride.

    Interpolations 0 and 1 are the fixed variances of the pair; between them the log is linear.
    """
    betas, s, t, x0_hat, x_t = case
    assume(len(betas) > 1)
    interpolation = like(x_t, values)
    mean, var = impl.learned_kernel(betas, x0_hat, x_t, interpolation, s, t)
    for where in elements(x_t):
        low, high = int(s[where[0]]), int(t[where[0]])
        back = exact.posterior(betas, x0_hat[where], x_t[where], low, high)
        unit = allowance(impl.unit_roundoff, kappa(betas, low, high))
        check("mean", where, mean, back.mean.exact, unit * back.mean.size)
        want = learned(betas, interpolation[where], low, high)
        check(
            "var",
            where,
            var,
            want,
            impl.unit_roundoff * roundings(betas, interpolation[where], low, high) * want,
        )


@given(case=cases(), values=interpolations)
@example(case=EARLY, values=[0.5])
def test_step_has_the_learned_variance(impl: Implementation, case: Case, values):
    """Eq. ancestral.step with the denoiser's variance; s = 0 adds no noise."""
    betas, earlier, t, x0_hat, x_t = case
    assume(len(betas) > 1)
    s, t = int(earlier[0]), int(t[0])
    interpolation, noise = like(x_t, values), np.roll(x_t, 1)
    got = impl.learned_step(betas, x0_hat, x_t, interpolation, s, t, noise)
    for where in elements(got):
        back = exact.posterior(betas, x0_hat[where], x_t[where], s, t)
        root = mp.sqrt(learned(betas, interpolation[where], s, t))
        added = root * mpf(noise[where]) if s else mpf(0)
        unit = allowance(impl.unit_roundoff, kappa(betas, s, t), times=2) * back.mean.size
        unit += impl.unit_roundoff * (roundings(betas, interpolation[where], s, t) + 4) * abs(added)
        check("x_s", where, got, back.mean.exact + added, unit)


def test_trajectory_takes_steps_of_the_learned_variance(impl: Implementation):
    """Eq. ancestral.step and learned-variance.range: each step has the prediction's variance.

    It is the step of `learned_step`, bit for bit, with interpolations within and beyond 0..1.
    """
    x_T, *noises = np.cos(np.arange(3.0 * 2 * 3)).reshape(3, 2, 3)

    def denoiser(x_t: Array, t: int) -> Prediction:
        return Prediction(x_t / 2 + t, np.sin(x_t) + 0.25 * t - 0.5)

    for times in ((4, 2, 1, 0), (3, 2, 0), (4, 0), (1, 0)):
        got = impl.learned_trajectory(STEEP, times, denoiser, x_T, noises[: len(times) - 2])
        assert got.times.tolist() == [*times]
        x_t = x_T
        for k, (t, s) in enumerate(pairwise(times)):
            assert equal(got.states[k], x_t), f"the state at t = {t}"
            x0_hat, interpolation = denoiser(x_t, t)
            assert equal(got.predictions[k], x0_hat), f"the prediction at t = {t}"
            noise = noises[k] if s else 0 * x_T
            x_t = impl.learned_step(STEEP, x0_hat, x_t, interpolation, s, t, noise)
        assert equal(got.states[-1], x_t), "the sample"


def events(case: Case) -> bool:
    return case.first.ndim > 1 and len(case.betas) > 1


@given(
    case=cases().filter(events),
    values=interpolations,
    other=st.lists(numbers, min_size=16, max_size=16),
)
@example(case=EARLY, values=[0.5, 1.0, 0.0], other=[1.0, -0.5])
def test_hybrid_loss_separates_prediction_and_variance_gradients(
    impl: Implementation, case: Case, values, other
):
    """Eq. learned-variance.hybrid: the prediction's gradient is that of the squared error alone.

    The gradient of the variance is that of the bound.

    The errors of a term, in units of roundoff: 40 kappa of the terms of the two means, relative to
    their distance in variances; the variance's own rounding; and 16 for each sum.
    """
    betas, _, t, x_0, noise = case
    assume(x_0.ndim > 1)
    eps_hat, interpolation = like(x_0, other), like(x_0, values)
    var_output = 2 * interpolation - 1
    got = impl.hybrid(betas, x_0, noise, eps_hat, var_output, t, None)
    n, u = x_0[0].size, mpf(impl.unit_roundoff)
    scale_of_bound = WEIGHT * len(betas) / n
    losses, units = [mpf(0)] * len(x_0), [mpf(0)] * len(x_0)
    for where in elements(x_0):
        row, high = where[0], int(t[where[0]])
        low = high - 1
        away = mpf(eps_hat[where]) - mpf(noise[where])
        want = 2 * away / n
        size = (abs(mpf(eps_hat[where])) + abs(mpf(noise[where]))) / n
        allowed = 8 * u * (abs(want) + size)
        check("gradient of the prediction", where, got.grad_prediction, want, allowed)
        scale, var_t = exact.kernel(betas, 0, high)
        x_t = exact.diffuse(betas, high, x_0[where], noise[where])
        prediction = (x_t.exact - mp.sqrt(var_t) * mpf(eps_hat[where])) / scale
        true = exact.posterior(betas, x_0[where], x_t.exact, low, high)
        mean = exact.posterior(betas, prediction, x_t.exact, low, high).mean
        var = learned(betas, interpolation[where], low, high)
        model = bound.Gaussian(mean.exact, var)
        if low:
            term = bound.divergence(bound.Gaussian(true.mean.exact, true.var), model)
            over = (true.var + (true.mean.exact - mean.exact) ** 2) / var
        else:
            term = -bound.log_density(model, mpf(x_0[where]))
            over = (mpf(x_0[where]) - mean.exact) ** 2 / var
        widest = exact.kernel(betas, low, high).var
        lowest = exact.posterior(betas, 0.0, 0.0, *((low, high) if low else (1, 2))).var
        slope = scale_of_bound * (1 - over) / 2 * mp.log(widest / lowest) / 2
        moved = (abs(x_t.exact) + x_t.size + mp.sqrt(var_t) * abs(mpf(eps_hat[where]))) / scale
        sizes = true.mean.size + mean.size + moved + abs(mpf(x_0[where]))
        worst = max(kappa(betas, low, high), kappa(betas, 0, high))
        distance = mp.sqrt(over * var)
        off = 40 * worst * (sizes * distance / var + sizes**2 * u / var)
        off += (roundings(betas, interpolation[where], low, high) + 24 * worst) * (1 + over) + 16
        losses[row] += away**2 / n + scale_of_bound * term
        units[row] += 16 * (abs(away) * size + away**2 / n) + scale_of_bound * (
            off + 16 * abs(term)
        )
        unit = scale_of_bound * abs(mp.log(widest / lowest)) * off + 16 * abs(slope)
        unit += scale_of_bound * (1 + over) * 16 * worst
        check("gradient of the variance", where, got.grad_variance, slope, u * unit)
    for row, (want, unit) in enumerate(zip(losses, units, strict=True)):
        check("loss", (row,), got.loss, want, u * unit)


def test_hybrid_loss_uses_grey_level_probabilities(impl: Implementation):
    """Eq. learned-variance.hybrid at t = 1, where the term is the decoder's, of 17 grey levels."""
    x_0, var_output = np.float64([[-1.0, 0.125, 1.0]] * 2), np.float64([[0.0, 1.0, -1.0]] * 2)
    noise, eps_hat = 0.5 + 0 * x_0, 0.25 - x_0
    t = np.array([1, 1])
    got = impl.hybrid(STEEP, x_0, noise, eps_hat, var_output, t, 17).loss
    x_t = impl.q_sample(STEEP, x_0, t, noise)
    x0_hat = impl.convert(STEEP, "eps", "x0", eps_hat, x_t, t)
    kernel = impl.learned_kernel(STEEP, x0_hat, x_t, (var_output + 1) / 2, 0 * t, t)
    term = -impl.log_grey_level(kernel, x_0, 17).sum(axis=1)
    want = impl.loss(eps_hat, noise) + 0.001 * len(STEEP) * term / 3
    for row in range(2):
        check(
            "loss", (row,), got, mpf(want[row]), 64 * mpf(impl.unit_roundoff) * (1 + abs(want[row]))
        )


@pytest.mark.parametrize("grey_levels", [None, 17])
def test_hybrid_loss_has_the_given_weight(impl: Implementation, grey_levels):
    """Eq. learned-variance.hybrid for any kernel and weight: a decoder's term and two divergences.

    Product and sum add 8 u of what they combine.
    """
    x_0 = np.float64([[-1.0, 0.125, 1.0], [0.5, 0.0, -0.25], [0.875, -0.5, 0.25]])
    x_t, mean, var = x_0 / 2 + 0.25, x_0 / 4 - 0.5, 0.5 + np.arange(9.0).reshape(3, 3) / 8
    t, losses = np.array([1, 2, 4]), np.float64([0.5, 0.0, 2.0])
    reverse, T, u = Gaussian(mean, var), len(STEEP), mpf(impl.unit_roundoff)
    bounds = []
    for row, high in enumerate(t.tolist()):
        each = zip(x_0[row], x_t[row], mean[row], var[row], strict=True)
        data = [(x, y, high - 1, high, given_kernel(m, v)) for x, y, m, v in each]
        bounds.append(total([term(STEEP, *parts, grey_levels) for parts in data]))
    for weight in (0.0, 2.0**-10, 1.0, 3.5):
        got = impl.hybrid_of_weight(STEEP, losses, x_0, x_t, t, reverse, grey_levels, weight)
        for row, of_bound in enumerate(bounds):
            added = mpf(weight) * T * of_bound.exact / 3
            error = mpf(weight) * T * of_bound.error / 3 + 8 * (mpf(losses[row]) + abs(added))
            check("loss", (row,), got, mpf(losses[row]) + added, u * error)


@given(roots=st.lists(st.floats(0.0, 64.0, width=32), min_size=1, max_size=8))
@example(roots=[0.0, 0.0])
@example(roots=[3.0, 1.0, 0.0])
@example(roots=[0.5, 0.125])
@example(roots=[2.0**-40, 0.0, 2.0**-41])
@example(roots=[0.0] * 1001)
@example(roots=[k / 8 for k in range(1001)])
def test_timestep_probability_is_proportional_to_the_root_mean_square(impl: Implementation, roots):
    """Eq. learned-variance.importance: uniform without data; n terms have n + 4 roundings."""
    total = sum(map(mpf, roots))
    for got in [impl.timestep_probabilities(np.float64(roots) ** 2) for _ in range(2)]:
        for i, root in enumerate(roots):
            want = mpf(root) / total if total else mpf(1) / len(roots)
            check("chance", (i,), got, want, (len(roots) + 4) * mpf(impl.unit_roundoff) * want)
