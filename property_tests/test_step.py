"""A training step: the timesteps and noise it draws, and the loss that it minimises."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .oracles import bound, exact
from .oracles.exact import mpf
from .protocol import PREDICTIONS, Array, Gaussian, Implementation
from .statistics.monte_carlo import Ledger
from .statistics.precisions import in_each_precision
from .statistics.statistics import binomials
from .statistics.tolerances import allowance, check, elements, roundings_of_divergence
from .strategies import EARLY, STEEP, Case, cases

ORACLE = "the implementation's own losses, kernels and divergences, which have oracles of their own"

BOUND_WEIGHT = 0.001
PLANE = np.float64([[0.5, -1.25], [2.0, 0.25]])
ROWS = 4096


def test_every_timestep_is_drawn_and_no_other(impl: Implementation):
    """Eq. losses.times: of 4096 rows each of four timesteps is missing with probability 1e-511."""
    drawn = impl.training_draw(STEEP, np.zeros((ROWS, 2)), seed=0)
    assert {*drawn.t.tolist()} == {1, 2, 3, 4}
    assert drawn.t.shape == (ROWS,)


@pytest.mark.parametrize("chosen", [{1}, {3}, {4}, {1, 4}, {2, 3}])
def test_timesteps_of_probability_zero_are_never_drawn(impl: Implementation, chosen: set[int]):
    """Eq. learned-variance.importance: t = 1..T in the order of their probabilities."""
    probabilities = np.float64([t in chosen for t in range(1, 5)]) / len(chosen)
    x_0 = np.arange(2.0 * ROWS).reshape(ROWS, 2) / ROWS
    t, noise, x_t = impl.weighted_draw(STEEP, x_0, probabilities, seed=0)
    assert {*t.tolist()} == chosen
    for i in range(0, ROWS, 512):
        timestep = int(t[i])
        unit = allowance(impl.unit_roundoff, exact.kappa(STEEP, 0, timestep))
        for j in range(2):
            want = exact.diffuse(STEEP, timestep, x_0[i, j], noise[i, j])
            check("x_t", (i, j), x_t, want.exact, unit * want.size)


@pytest.mark.parametrize("T", [4, 1001])
@pytest.mark.parametrize("rows", [1, 4, 65])
def test_only_possible_timestep_is_drawn(impl: Implementation, rows: int, T: int):
    """Eq. learned-variance.importance in batches of any size, in every dtype and with gradients."""
    x_0 = np.resize(np.float64([0.5, -1.25, 2.0]), (rows, 3))
    for chosen in (1, T - 1, T):
        given_data = (2.0**-8,) * T, x_0, np.float64(np.arange(1, T + 1) == chosen), 3
        for at in in_each_precision(impl):
            assert (at.impl.weighted_draw(*given_data).t == chosen).all()
        found = impl.differentiate("weighted_draw", given_data, [x_0, x_0])
        plain = impl.weighted_draw(*given_data)
        assert all(map(np.array_equal, found.outputs, plain[1:]))


@pytest.mark.parametrize("uniform", [True, False])
def test_samples_of_a_batch_of_T_draw_independently(impl: Implementation, uniform: bool):
    """Eq. losses.times: in 64 batches of four all of t = 1..4 occur once with chance 1.6e-66."""
    x_0, probabilities = np.zeros((4, 1)), np.full(4, 0.25)
    draws = [
        impl.training_draw(STEEP, x_0, seed)
        if uniform
        else impl.weighted_draw(STEEP, x_0, probabilities, seed)
        for seed in range(64)
    ]
    assert any(len({*drawn.t.tolist()}) < 4 for drawn in draws)


def test_timesteps_are_drawn_by_their_probabilities(impl: Implementation, ledger: Ledger):
    """Eq. learned-variance.importance: the frequencies are those of four unequal probabilities."""
    probabilities = np.float64([0.5, 0.125, 0.25, 0.125])
    claim = ledger.claim("learned-variance.importance", probabilities.tolist(), scalars=32_768)
    t = impl.weighted_draw(STEEP, np.zeros((32_768, 1)), probabilities, claim.seed).t
    counts = np.bincount(t, minlength=5)
    claim.check([binomials(counts, np.append(0.0, probabilities), len(t))])


# --- what is minimised ----------------------------------------------------------------------------


@given(case=cases())
@example(case=EARLY)
def test_mean_over_the_batch_is_minimised(impl: Implementation, case: Case):
    """Eq. losses.weighted with weights; a mean of n terms has n + 1 roundings, and twice that."""
    weight = 0.5 + np.arange(len(case.first))
    for target in (case.second, case.first / 2):
        losses = impl.weighted_loss(case.first, target, weight)
        got = impl.mean_loss(case.first, target, weight)
        want = losses.sum() / len(losses)
        assert abs(got - want) <= 2 * (len(losses) + 1) * impl.unit_roundoff * want


with_events = cases().filter(lambda case: case.first.ndim > 1 and len(case.betas) > 1)
gammas = st.sampled_from([None, 0.5, 5.0])


def parts(case: Case, impl: Implementation, name: str) -> tuple[Array, Array, Array, Array]:
    """(predicted value, its target, variance output, x_t) at the case's timesteps."""
    x_0, noise = case.first, np.cos(3 * case.first + 1)
    x_t = impl.q_sample(case.betas, x_0, case.t, noise)
    return case.second, impl.target(case.betas, name, x_0, noise, case.t), np.sin(x_0), x_t


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=with_events, gamma=gammas)
@example(case=EARLY._replace(first=EARLY.first[:, None], second=EARLY.second[:, None]), gamma=5.0)
def test_simple_loss_is_the_weighted_squared_error(
    impl: Implementation, name: str, case: Case, gamma: float | None
):
    """Eq. losses.simple and losses.min-snr: logged without the weight, minimised with it."""
    value, target, _, x_t = parts(case, impl, name)
    given_data = (value, target, case.first, x_t, case.t, None)
    got = impl.objective(case.betas, "simple", name, gamma, *given_data)
    want = impl.loss(value, target)
    weight = np.ones(len(want))
    if gamma is not None:
        weight = impl.loss_weight(case.betas, name, case.t, gamma, False)
    unit = 8 * impl.unit_roundoff
    assert (np.abs(got.plain - want) <= unit * want).all()
    assert (np.abs(got.minimised - weight * want) <= unit * weight * want).all()


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=with_events, grey_levels=st.sampled_from([None, 17]))
@example(
    case=EARLY._replace(first=EARLY.first[:, None], second=EARLY.second[:, None]), grey_levels=None
)
@example(
    case=Case((2.0**-8,) * 1001, np.array([5, 0]), np.array([6, 1001]), PLANE, PLANE / 2),
    grey_levels=None,
)
@example(
    case=Case(STEEP, np.array([1]), np.array([2]), np.float64([[1, 2]]), np.float64([[0.5, -1]])),
    grey_levels=None,
)  # a batch of one sample
def test_bound_is_minimised_in_nats_per_element(
    impl: Implementation, name: str, case: Case, grey_levels: int | None
):
    """Eq. learned-variance.importance-mean: the term of the step t -> t - 1, of its own kernel."""
    if grey_levels is not None:
        case = case._replace(first=np.round(8 * np.tanh(case.first)) / 8)
    betas, t, x_0 = case.betas, case.t, case.first
    value, target, said, x_t = parts(case, impl, name)
    output = np.concatenate([value, said], axis=1)
    got = impl.objective(betas, "vlb", name, None, output, target, x_0, x_t, t, grey_levels)
    squares = impl.loss(value, target)
    assert (np.abs(got.plain - squares) <= 8 * impl.unit_roundoff * squares).all()

    x0_hat = value if name == "x0" else impl.convert(betas, name, "x0", value, x_t, t)
    kernel = impl.learned_kernel(betas, x0_hat, x_t, (said + 1) / 2, t - 1, t)
    to_data = np.broadcast_to((t == 1).reshape(-1, *[1] * (x_0.ndim - 1)), x_0.shape)
    true = impl.q_posterior(betas, x_0, x_t, t - 1, t)
    true = Gaussian(true.mean, np.where(to_data, kernel.var, true.var))
    terms = impl.gaussian_kl(true, kernel)
    if grey_levels is not None:
        terms = np.where(to_data, -impl.log_grey_level(kernel, x_0, grey_levels), terms)
    n, u = x_0[0].size, mpf(impl.unit_roundoff)
    sums, units = [mpf(0)] * len(x_0), [mpf(0)] * len(x_0)
    for where in elements(x_0):
        m, v, k, w = (mpf(each[where]) for each in (true.mean, true.var, *kernel))
        x, term = mpf(x_0[where]), mpf(terms[where])
        units[where[0]] += roundings_of_divergence(m, v, k, w)
        if to_data[where] and grey_levels is None:
            term = -bound.log_density(bound.Gaussian(k, w), x)
            units[where[0]] += roundings_of_divergence(x, w, k, w) + 8 * abs(exact.mp.log(w))
        sums[where[0]] += term
        units[where[0]] += (n + 8) * (1 + abs(term))
    for row, (total, unit) in enumerate(zip(sums, units, strict=True)):
        check("bound", (row,), got.minimised, total / n, u * unit / n)


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=with_events, gamma=gammas)
def test_hybrid_loss_adds_a_thousandth_of_the_bound(
    impl: Implementation, name: str, case: Case, gamma: float | None
):
    """Eq. learned-variance.hybrid: the weighted squared error and 0.001 T terms of the bound."""
    value, target, said, x_t = parts(case, impl, name)
    output = np.concatenate([value, said], axis=1)
    data = (target, case.first, x_t, case.t, None)
    simple = impl.objective(case.betas, "simple", name, gamma, value, *data)
    bound_of = impl.objective(case.betas, "vlb", name, gamma, output, *data)
    got = impl.objective(case.betas, "hybrid", name, gamma, output, *data)
    added = BOUND_WEIGHT * len(case.betas) * bound_of.minimised
    assert np.array_equal(got.plain, simple.plain)
    unit = 16 * impl.unit_roundoff * (simple.minimised + np.abs(added))
    assert (np.abs(got.minimised - simple.minimised - added) <= unit).all()
