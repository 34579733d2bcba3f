"""Targets, the loss, and what a training step draws."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .monte_carlo import Ledger
from .oracles import exact
from .protocol import Implementation, Times
from .statistics import Finding, binomials, standard_normal, ties
from .strategies import EARLY, PRODUCTION, SCALARS, STEEP, STEEP_GRID, Case, cases, numbers
from .test_parameterization import NAMES
from .tolerances import allowance, check, elements

ORACLE = "the definitions in 60 digits; exact binomial and normal laws"


@pytest.mark.parametrize("name", NAMES)
@given(case=cases())
def test_the_target_is_what_the_definitions_say(impl: Implementation, name: str, case: Case):
    """Eq. parameterization.v and parameterization.score, or eps and x0, at the x_t of the noise."""
    betas, _, t, x_0, noise = case
    got = impl.target(betas, name, x_0, noise, t)
    assert got.shape == x_0.shape
    for where in elements(x_0):
        level = int(t[where[0]])
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, level))
        x_t = exact.diffuse(betas, level, x_0[where], noise[where]).exact
        want = exact.convert(betas, "x0", name, x_0[where], x_t, level)
        size = abs(exact.mpf(x_0[where])) + abs(exact.mpf(noise[where]))
        size *= 1 / exact.mp.sqrt(exact.kernel(betas, 0, level).var) if name == "score" else 1
        check(name, where, got, want.exact, unit * size)


@given(case=cases())
@example(case=SCALARS)
def test_the_loss_of_a_sample_is_its_own_mean_square(impl: Implementation, case: Case):
    """Eq. losses.simple: (batch,), each from its own row; n terms lose at most n + 2 roundings."""
    _, _, _, prediction, target = case
    got = impl.loss(prediction, target)
    assert got.shape == (len(prediction),)
    for i, (p, q) in enumerate(zip(prediction, target, strict=True)):
        terms = [(exact.mpf(a) - exact.mpf(b)) ** 2 for a, b in zip(p.flat, q.flat, strict=True)]
        want = sum(terms) / len(terms)
        check("loss", (i,), got, want, (len(terms) + 4) * exact.mpf(impl.unit_roundoff) * want)


@given(case=cases(), weights=st.lists(numbers.map(abs), min_size=4, max_size=4))
@example(case=SCALARS, weights=[0.0, 1.0, 0.5, 3.0])
def test_each_loss_has_its_own_weight(impl: Implementation, case: Case, weights: list[float]):
    """Eq. losses.weighted: a weight of shape (batch, 1) would give each loss all of them."""
    _, _, _, prediction, target = case
    weight = np.float64(weights[: len(target)])
    got, plain = impl.weighted_loss(prediction, target, weight), impl.loss(prediction, target)
    for i in range(len(target)):
        want = exact.mpf(weight[i]) * exact.mpf(plain[i])
        check("weighted loss", (i,), got, want, exact.mpf(impl.unit_roundoff) * want)


@pytest.mark.parametrize("name", NAMES)
@given(case=cases(), gamma=st.sampled_from([0.25, 1.0, 5.0, 4096.0]))
@example(case=EARLY, gamma=5.0)
def test_the_weight_is_that_of_an_error_of_x0(
    impl: Implementation, name: str, case: Case, gamma: float
):
    """Eq. losses.min-snr: min(SNR, gamma) times the square of how x_0 moves with the prediction.

    The longest, for score, has twice 4 u of 1 - alpha_bar, (2.5 |L_t| + 1.5) u of alpha_bar and
    four operations: below 8 u kappa.
    """
    betas, _, t, _, _ = case
    got = impl.loss_weight(betas, name, t, gamma, zero_terminal=False)
    for i, level in enumerate(t.tolist()):
        signal, var = exact.kernel(betas, 0, level)
        moved = exact.convert(betas, name, "x0", 1.0, 0.0, level).exact
        want = min(signal**2 / var, exact.mpf(gamma)) * moved**2
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, level))
        check(f"weight of {name}", (i,), got, want, unit * want)


@pytest.mark.parametrize(("name", "limit"), [("eps", 1), ("x0", 0), ("v", 0), ("score", 1)])
@pytest.mark.parametrize("betas", [STEEP, PRODUCTION], ids=str)
def test_the_weight_at_zero_snr_is_its_limit(impl: Implementation, betas, name: str, limit: int):
    """Eq. losses.min-snr at alpha_bar_T = 0: not 0 / 0, and finite at every other level."""
    t = np.arange(1, len(betas) + 1)
    got = impl.loss_weight(betas, name, t, 5.0, zero_terminal=True)
    check(f"weight of {name}", (len(betas) - 1,), got, exact.mpf(limit), exact.mpf(0))


@given(case=cases())
def test_training_draws_the_image_that_its_noise_makes(impl: Implementation, case: Case):
    """Eq. forward-process.sample: the noise of the target is the noise in x_t."""
    betas, _, _, x_0, _ = case
    t, noise, x_t = impl.training_draw(betas, x_0, seed=0)
    assert t.shape == x_0.shape[:1]
    assert noise.shape == x_t.shape == x_0.shape
    for where in elements(x_0):
        level = int(t[where[0]])
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, level))
        want = exact.diffuse(betas, level, x_0[where], noise[where])
        check("x_t", where, x_t, want.exact, unit * want.size)


@pytest.mark.parametrize("betas", STEEP_GRID, ids=str)
def test_training_draws_from_the_marginal(impl: Implementation, ledger: Ledger, betas):
    """Eq. forward-process.marginal at each t by itself; t uniform on 1..T and its own for each row,
    noise of full precision."""
    T, rows, steps = len(betas), 2048, len(betas) + 1
    times = ledger.claim("losses.times", betas)
    x_0 = times.rng.choice([0.0, 1.3, -0.7, 30.0], size=(rows, 3, 5))
    draws = [impl.training_draw(betas, x_0, times.seed + step) for step in range(steps)]
    drawn = np.concatenate([each.t for each in draws])
    uniform = np.float64([0.0] + [1 / T] * T)
    counts = np.bincount(drawn, minlength=T + 1)
    repeats = ties(draws[0].noise, impl.unit_roundoff)
    times.check([binomials(counts, uniform, steps * rows), equal_pairs(drawn, T), repeats])
    for level in range(1, T + 1):
        scale, var = (float(each) for each in exact.kernel(betas, 0, level))
        u = np.concatenate(
            [((x_t - scale * x_0) / np.sqrt(var))[t == level] for t, _, x_t in draws]
        )
        claim = ledger.claim("forward-process.marginal", (betas, level), scalars=u.size)
        claim.check(standard_normal(u))


def test_training_draws_from_the_marginal_of_a_thousand_levels(
    impl: Implementation, ledger: Ledger
):
    """Eq. forward-process.marginal on Ho et al.'s schedule, over all levels at once.

    Each hundred levels is drawn as often as any other, and both ends are drawn at all.
    """
    claim = ledger.claim("forward-process.marginal", PRODUCTION, scalars=4096 * 15)
    x_0 = claim.rng.choice([0.0, 1.3, -0.7], size=(4096, 3, 5))
    t, _, x_t = impl.training_draw(PRODUCTION, x_0, claim.seed)
    counts = np.bincount((t - 1) // 100, minlength=10)
    scale, var = np.float64([exact.kernel(PRODUCTION, 0, level) for level in t.tolist()]).T
    u = (x_t - scale[:, None, None] * x_0) / np.sqrt(var)[:, None, None]
    claim.check([*standard_normal(u), binomials(counts, np.full(10, 0.1), len(t))])

    rows, T = 32_768, len(PRODUCTION)
    ends = ledger.claim("losses.times", PRODUCTION, scalars=rows)
    t = impl.training_draw(PRODUCTION, np.zeros((rows, 1)), ends.seed).t
    seen = np.bincount(t, minlength=T + 1)
    missed = 2 * (1 - 1 / T) ** rows if 0 in (seen[1], seen[T]) else 1.0
    found = Finding("ends", missed, f"t = 1 drawn {seen[1]} times, t = {T} {seen[T]} times")
    ends.check([found, equal_pairs(t, T)])


def equal_pairs(t: Times, T: int) -> Finding:
    """Of rows taken by twos, one in T has equal times; sorted or shared ones have more."""
    first, second = t[: len(t) // 2 * 2].reshape(-1, 2).T
    equal = int((first == second).sum())
    counts = np.array([equal, len(first) - equal])
    return binomials(counts, np.array([1 / T, 1 - 1 / T]), len(first))
