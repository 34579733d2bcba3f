"""Training targets, loss weights, the samples of a training step, and Gaussian divergences."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .options.terms import decoder_of
from .oracles import bound, exact
from .oracles.exact import Value
from .protocol import ANCESTRAL, PREDICTIONS, Gaussian, Implementation, Times
from .statistics.monte_carlo import Ledger
from .statistics.precisions import in_each_precision
from .statistics.statistics import Finding, binomials, standard_normal, ties
from .statistics.tolerances import allowance, check, elements, roundings_of_divergence
from .strategies import EARLY, PRODUCTION, SCALARS, STEEP, STEEP_GRID, Case, cases, numbers

ORACLE = "the definitions in 60 digits; exact binomial and Gaussian distributions"


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=cases())
def test_target_matches_its_definition(impl: Implementation, name: str, case: Case):
    """Eq. parameterization.v and parameterization.score, or eps and x0, at the x_t of the noise."""
    betas, _, t, x_0, noise = case
    for at in in_each_precision(impl):
        got = at.impl.target(betas, name, x_0, noise, t)
        for where in elements(x_0):
            timestep = int(t[where[0]])
            x_t = exact.diffuse(betas, timestep, x_0[where], noise[where]).exact
            want = exact.convert(betas, "x0", name, x_0[where], x_t, timestep).exact
            size = abs(exact.mpf(x_0[where])) + abs(exact.mpf(noise[where]))
            root = exact.mp.sqrt(exact.kernel(betas, 0, timestep).var)
            size /= root if name == "score" else 1
            at.check(name, where, got, Value(want, size), exact.kappa(betas, 0, timestep))


@given(case=cases())
@example(case=SCALARS)
def test_loss_is_the_mean_square_of_each_sample(impl: Implementation, case: Case):
    """Eq. losses.simple: (batch,), each from its own row; n terms have at most n + 2 roundings."""
    _, _, _, prediction, target = case
    for at in in_each_precision(impl):
        got = at.impl.loss(prediction, target)
        for i, (p, q) in enumerate(zip(prediction, target, strict=True)):
            pairs = zip(p.flat, q.flat, strict=True)
            terms = [(exact.mpf(a) - exact.mpf(b)) ** 2 for a, b in pairs]
            want = sum(terms) / len(terms)
            at.check_sum("loss", (i,), got, want, len(terms) + 4)


@given(case=cases(), weights=st.lists(numbers.map(abs), min_size=4, max_size=4))
@example(case=SCALARS, weights=[0.0, 1.0, 0.5, 3.0])
def test_each_sample_loss_has_its_own_weight(
    impl: Implementation, case: Case, weights: list[float]
):
    """Eq. losses.weighted: weights of shape (batch, 1) would give each loss all of them."""
    _, _, _, prediction, target = case
    weight = np.float64(weights[: len(target)])
    for at in in_each_precision(impl):
        got = at.impl.weighted_loss(prediction, target, weight)
        plain = at.impl.loss(prediction, target)
        for i in range(len(target)):
            want = exact.mpf(weight[i]) * exact.mpf(plain[i])
            at.check_sum("weighted loss", (i,), got, want, 1)


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=cases(), gamma=st.sampled_from([0.25, 1.0, 5.0, 4096.0, np.inf]))
@example(case=EARLY, gamma=5.0)
def test_min_snr_weight_weights_the_x0_error(
    impl: Implementation, name: str, case: Case, gamma: float
):
    """Eq. losses.min-snr: min(SNR, gamma) times the squared derivative of x_0 by the prediction.

    The longest expression, for score, has twice 4 u of 1 - alpha_bar, (2.5 |L_t| + 1.5) u of
    alpha_bar and four operations: below 8 u kappa.
    """
    betas, _, t, _, _ = case
    twice = [impl.loss_weight(betas, name, t, gamma, zero_terminal=False) for _ in range(2)]
    for i, timestep in enumerate(t.tolist()):
        signal, var = exact.kernel(betas, 0, timestep)
        derivative = exact.convert(betas, name, "x0", 1.0, 0.0, timestep).exact
        want = min(signal**2 / var, exact.mpf(gamma)) * derivative**2
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, timestep))
        for got in twice:
            check(f"weight of {name}", (i,), got, want, unit * want)


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=cases())
@example(case=EARLY)
def test_constant_weight_weights_the_x0_error_equally(impl: Implementation, name: str, case: Case):
    """Eq. losses.constant-eps and losses.constant-v: the squared derivative of x_0.

    The roundings are those of a min-SNR weight.
    """
    betas, _, t, _, _ = case
    got = impl.constant_weight(betas, name, t, zero_terminal=False)
    for i, timestep in enumerate(t.tolist()):
        want = exact.convert(betas, name, "x0", 1.0, 0.0, timestep).exact ** 2
        unit = allowance(impl.unit_roundoff, exact.kappa(betas, 0, timestep))
        check(f"weight of {name}", (i,), got, want, unit * want)


def test_constant_weight_at_zero_snr_is_finite_or_refused(impl: Implementation):
    """Eq. losses.constant-v at alpha_bar_T = 0 is 1; Eq. losses.constant-eps diverges."""
    last = np.array([len(STEEP)])
    for name in ("x0", "v"):
        got = impl.constant_weight(STEEP, name, last, zero_terminal=True)
        check(f"weight of {name}", (0,), got, exact.mpf(1), exact.mpf(0))
    for name in ("eps", "score"):
        with pytest.raises(ValueError, match="t = 4"):
            impl.constant_weight(STEEP, name, np.array([1, *last]), zero_terminal=True)
        assert impl.constant_weight(STEEP, name, last - 1, zero_terminal=True)[0] > 0


@pytest.mark.parametrize(("name", "limit"), [("eps", 1), ("x0", 0), ("v", 0), ("score", 1)])
@pytest.mark.parametrize("betas", [STEEP, PRODUCTION], ids=str)
def test_min_snr_weight_at_zero_snr_is_its_limit(
    impl: Implementation, betas, name: str, limit: int
):
    """Eq. losses.min-snr at alpha_bar_T = 0: not 0 / 0, and finite at all other timesteps."""
    t = np.arange(1, len(betas) + 1)
    got = impl.loss_weight(betas, name, t, 5.0, zero_terminal=True)
    check(f"weight of {name}", (len(betas) - 1,), got, exact.mpf(limit), exact.mpf(0))


@given(case=cases())
def test_training_sample_contains_the_returned_noise(impl: Implementation, case: Case):
    """Eq. forward-process.sample: the target noise is the noise in x_t."""
    betas, _, _, x_0, _ = case
    for at in in_each_precision(impl):
        t, noise, x_t = at.impl.training_draw(betas, x_0, seed=0)
        assert (t.shape, noise.shape, x_t.shape) == (x_0.shape[:1], x_0.shape, x_0.shape)
        for where in elements(x_0):
            timestep = int(t[where[0]])
            want = exact.diffuse(betas, timestep, x_0[where], noise[where])
            at.check("x_t", where, x_t, want, exact.kappa(betas, 0, timestep))


@pytest.mark.parametrize("betas", STEEP_GRID, ids=str)
def test_training_samples_follow_the_marginal(impl: Implementation, ledger: Ledger, betas):
    """Eq. forward-process.marginal at each t; t is uniform on 1..T and drawn for each row.

    The noise has full precision.
    """
    T, rows, steps = len(betas), 2048, len(betas) + 1
    times = ledger.claim("losses.times", betas)
    x_0 = times.rng.choice([0.0, 1.3, -0.7, 30.0], size=(rows, 3, 5))
    draws = [impl.training_draw(betas, x_0, times.seed + step) for step in range(steps)]
    drawn = np.concatenate([each.t for each in draws])
    uniform = np.float64([0.0] + [1 / T] * T)
    counts = np.bincount(drawn, minlength=T + 1)
    repeats = ties(draws[0].noise, impl.unit_roundoff)
    times.check([binomials(counts, uniform, steps * rows), equal_pairs(drawn, T), repeats])
    for timestep in range(1, T + 1):
        scale, var = (float(each) for each in exact.kernel(betas, 0, timestep))
        whitened = [((x_t - scale * x_0) / np.sqrt(var))[t == timestep] for t, _, x_t in draws]
        u = np.concatenate(whitened)
        claim = ledger.claim("forward-process.marginal", (betas, timestep), scalars=u.size)
        claim.check(standard_normal(u))


def test_training_samples_follow_the_marginal_at_a_thousand_timesteps(
    impl: Implementation, ledger: Ledger
):
    """Eq. forward-process.marginal on Ho et al.'s schedule, over all timesteps at once.

    Each hundred timesteps is drawn as often as any other, and both ends are drawn at all.
    """
    claim = ledger.claim("forward-process.marginal", PRODUCTION, scalars=4096 * 15)
    x_0 = claim.rng.choice([0.0, 1.3, -0.7], size=(4096, 3, 5))
    t, _, x_t = impl.training_draw(PRODUCTION, x_0, claim.seed)
    counts = np.bincount((t - 1) // 100, minlength=10)
    scale, var = np.float64([exact.kernel(PRODUCTION, 0, timestep) for timestep in t.tolist()]).T
    u = (x_t - scale[:, None, None] * x_0) / np.sqrt(var)[:, None, None]
    claim.check([*standard_normal(u), binomials(counts, np.full(10, 0.1), len(t))])

    rows, T = 32_768, len(PRODUCTION)
    ends = ledger.claim("losses.times", PRODUCTION, scalars=rows)
    t = impl.training_draw(PRODUCTION, np.zeros((rows, 1)), ends.seed).t
    seen = np.bincount(t, minlength=T + 1)
    missed = 2 * (1 - 1 / T) ** rows if 0 in (seen[1], seen[T]) else 1.0
    found = Finding("ends", missed, f"t = 1 drawn {seen[1]} times, t = {T} {seen[T]} times")
    ends.check([found, equal_pairs(t, T)])


@st.composite
def pairs_of_gaussians(draw: st.DrawFn) -> tuple[Gaussian, Gaussian]:
    """Draw two Gaussians of three elements each, close to each other or not, for two samples."""
    stds = st.floats(2.0**-7, 4.0, width=32)
    near = draw(st.sampled_from([0.0, 2.0**-12, 1.0]))
    gaussians = []
    for _ in range(2):
        mean, std = (
            np.float64(draw(st.lists(each, min_size=6, max_size=6))).reshape(2, 3)
            for each in (numbers, stds)
        )
        gaussians.append(Gaussian(mean, std**2))
    left, right = gaussians
    right = Gaussian(left.mean + near * right.mean, left.var + near * right.var)
    return (left, right) if draw(st.booleans()) else (right, left)


@given(case=pairs_of_gaussians())
@example(case=(Gaussian(*np.float64([[[0, 0]], [[1, 1]]])), Gaussian(*np.ones((2, 1, 2)))))
@example(case=(Gaussian(np.zeros((1, 1)), np.full((1, 1), 0.25)), Gaussian(*np.ones((2, 1, 1)))))
@example(case=(Gaussian(*np.exp2([[[-30, 30]]] * 2)), Gaussian(*np.exp2([[[30, -9]]] * 2))))
def test_gaussian_kl_matches_the_densities(impl: Implementation, case):
    """Eq. losses.kl: the mean of log left - log right, by a quadrature that is exact for it."""
    left, right = case
    got = impl.gaussian_kl(left, right)
    for where in elements(got):
        (m, v), (k, w) = (
            (exact.mpf(each.mean[where]), exact.mpf(each.var[where])) for each in case
        )
        want = bound.divergence(bound.Gaussian(m, v), bound.Gaussian(k, w))
        allowed = exact.mpf(impl.unit_roundoff) * roundings_of_divergence(m, v, k, w)
        check("divergence", where, got, want, allowed)


@pytest.mark.parametrize("grey_levels", [2, 17, 256])
@given(
    shift=st.floats(-3.0, 3.0, width=32),
    std=st.floats(2.0**-8, 4.0, width=32),
    near=st.booleans(),
)
@example(shift=0.0, std=0.0625, near=True)
@example(shift=3.0, std=0.5, near=False)
@example(shift=-3.0, std=0.5, near=False)
@example(shift=3.0, std=0.0625, near=False)  # 32 standard deviations away and more
def test_grey_level_probability_is_the_mass_nearest_to_it(
    impl: Implementation, grey_levels: int, shift: float, std: float, near: bool
):
    """Eq. losses.decoder, losses.decoder-lowest and losses.decoder-highest, and their sum.

    The distance d from the mean is rounded once; an edge at (d +- half) / std has an error of 5 u
    relative and u d. The log of a mass changes by the density there over the mass. Logs of the two
    tails have errors of 4 u of their size (including the table's own); the larger one counts by its
    fraction of the mass.
    """
    every = np.float64(bound.grey_level_values(grey_levels))
    x_0 = np.float64(sorted({*every[:: max(1, grey_levels // 16)], *every[:3], *every[-3:]}))
    centre = float(np.float32(every[grey_levels // 3] + shift / grey_levels)) if near else shift
    gaussian = Gaussian(np.full_like(x_0, centre), np.full_like(x_0, std) ** 2)
    got = impl.log_grey_level(gaussian, x_0, grey_levels)
    half, u = exact.mpf(1) / (grey_levels - 1), exact.mpf(impl.unit_roundoff)
    oracle = bound.Gaussian(exact.mpf(centre), exact.mpf(std) ** 2)
    for i, x in enumerate(map(exact.mpf, x_0)):
        ends = (None if x == -1 else x - half, None if x == 1 else x + half)
        mass = bound.mass(oracle, *ends)
        want = exact.mp.log(mass)
        allowed = 4 * abs(want) + 4
        for end in ends:
            if end is not None:
                z = (end - oracle.mean) / exact.mpf(std)
                density = exact.mp.npdf(z) / mass
                away = abs(x - oracle.mean) / exact.mpf(std)
                tail = exact.mp.ncdf(-abs(z))
                fraction = min(tail / mass, 1 / half)
                allowed += density * (5 * abs(z) + 2 * away)
                allowed += 4 * fraction * abs(exact.mp.log(tail))
        check(f"log of grey level {float(x):.3f}", (i,), got, want, u * allowed)
    gaussian = Gaussian(np.full_like(every, centre), np.full_like(every, std) ** 2)
    whole = np.exp(impl.log_grey_level(gaussian, every, grey_levels)).sum()
    spread = 8 + 2 * (abs(centre) + 1) / std * 3  # an edge is off by u (d + half) / std
    check("sum", (0,), whole[None], exact.mpf(1), u * (grey_levels + 16) * spread)


@pytest.mark.parametrize("variance", ANCESTRAL)
@given(case=cases())
@example(case=EARLY)
def test_reverse_kernel_is_the_posterior_at_the_prediction(
    impl: Implementation, variance: str, case: Case
):
    """Eq. losses.mean-hat and losses.decoder-variance: the posterior mean at the prediction.

    The variance is the posterior's or the step's; at s = 0, where the posterior has none, the
    step's, or that of the pair (1, 2) by convention.
    """
    betas, s, t, x0_hat, x_t = case
    decoder = decoder_of(impl, variance)
    for at in in_each_precision(impl):
        mean, var = at.impl.reverse_kernel(betas, variance, x0_hat, x_t, s, t)
        for where in elements(x_t):
            low, high = int(s[where[0]]), int(t[where[0]])
            back = exact.posterior(betas, x0_hat[where], x_t[where], low, high)
            want, kappa = exact.reverse_variance(betas, variance, decoder, low, high)
            at.check("mean", where, mean, back.mean, exact.kappa(betas, low, high))
            at.check("var", where, var, exact.positive(want), kappa)


def equal_pairs(t: Times, T: int) -> Finding:
    """Test pairs of rows: one in T has equal times; sorted or shared timesteps have more."""
    first, second = t[: len(t) // 2 * 2].reshape(-1, 2).T
    equal = int((first == second).sum())
    counts = np.array([equal, len(first) - equal])
    return binomials(counts, np.array([1 / T, 1 - 1 / T]), len(first))
