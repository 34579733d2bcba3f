"""Samplers on Gaussian data: their exact output distribution, by noise tape and by sampling."""

from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import special

from .calls.call import reused
from .chains.convergence import DATA, exact_flow
from .chains.output_distributions import (
    EVENTS,
    check_output_distribution,
    denoiser_of,
    gaussian_data,
    paths,
)
from .oracles import chains, exact, gaussian, mixture
from .oracles.quadrature import Distribution
from .protocol import (
    ANCESTRAL,
    SAMPLERS,
    TIMESTEP_SPACINGS,
    Array,
    Betas,
    Implementation,
    SamplingSpec,
)
from .statistics.monte_carlo import Ledger
from .statistics.statistics import standard_normal
from .statistics.tolerances import allowance, check, check_largest, elements, equal
from .strategies import EVENLY_SPACED, GENTLE, LONG, PRODUCTION, STEEP, known, schedules

LONGEST = known("LONGEST", [2.0**-10] * 4200)
ETAS = {"ddim": 1.0}  # values between 0 and 1 are tested by noise tape, without samples
ORACLE = "a recursion of mean and covariance; quadrature; Bayes' rule for a single step"


def steps_of(betas: Betas) -> st.SearchStrategy[tuple[Betas, int, int]]:
    """Draw a schedule and two of its timesteps, s < t."""
    pairs = combinations(range(len(betas) + 1), 2)
    return st.sampled_from([(betas, s, t) for s, t in pairs])


@pytest.mark.parametrize("variance", ANCESTRAL)
@pytest.mark.parametrize("event", EVENTS, ids=str)
@given(case=paths)
@example(case=(PRODUCTION, LONG))
@example(case=(STEEP, EVENLY_SPACED))
def test_output_distribution_matches_the_recursion(impl: Implementation, variance, event, case):
    """Eq. ancestral.step: exact mean and covariance of the output, for any times."""
    check_output_distribution(impl, variance, 0.0, event, *case)


@pytest.mark.complete
@pytest.mark.parametrize("name", TIMESTEP_SPACINGS)
@pytest.mark.parametrize("sampler", ["fixed_small", "ddim", "dpm++2m"])
def test_steps_connect_along_a_timestep_spacing(impl: Implementation, sampler, name):
    """Eq. ancestral.ladder, ddim.leading, ddim.linspace, ddim.even-log-snr: along a spacing.

    The output distribution is that of the reported timesteps; 7 does not divide T = 1000.
    """
    times = impl.timestep_spacing(name, PRODUCTION, 7)
    check_output_distribution(
        impl, sampler, 0.7 if sampler == "ddim" else 0.0, (2,), PRODUCTION, times
    )


GRADUAL = tuple(np.linspace(0.01, 0.1, 64).tolist())


@pytest.mark.complete
@pytest.mark.parametrize("sampler", [each for each in SAMPLERS if each != "dpm++2m"])
def test_steps_of_a_long_trajectory_are_those_of_short_ones(impl: Implementation, sampler):
    """Eq. ancestral.step, ddim.step, dpm-solver.first and heun.step: 64 steps, from each state.

    A step depends on nothing before it. Both have the errors of single steps, at most 8 u kappa for
    each of at most four coefficients, with kappa < 101.
    """
    times, rows = tuple(range(len(GRADUAL), -1, -1)), np.arange(4.0).reshape(2, 2)
    noises = [np.cos(rows + t) for t in times[:-2]]
    spec = SamplingSpec(GRADUAL, sampler, times, lambda x_t, t: np.sin(x_t + t), 0.5)
    states = impl.trajectory(spec, rows, noises).states
    allowed = 2 * 32 * 101 * impl.unit_roundoff * float(np.abs(states).max() + 1)
    for k, (t, s) in enumerate(pairwise(times)):
        single = spec._replace(times=(t, s, 0) if s else (t, 0))
        got = impl.trajectory(single, states[k], noises[k : k + 1]).states[1]
        check_largest(f"x_{s}", got, states[k + 1], allowed)


@pytest.mark.parametrize("variance", ANCESTRAL)
@pytest.mark.parametrize("step", ["one step", "any"])
@given(case=schedules.flatmap(steps_of))
@example(case=(STEEP, 0, 2))
@example(case=(GENTLE, 1, 2))
def test_step_is_posterior_mean_plus_scaled_noise(impl: Implementation, step, variance, case):
    """Eq. ancestral.step, one step with given noise; s = 0 adds none."""
    betas, s, t = case
    s = t - 1 if step == "one step" else s
    x0_hat, x_t, noise = np.float64([[[0.5, -1.25]], [[2.0, 0.375]], [[3.0, -1.0]]])
    unit = allowance(impl.unit_roundoff, exact.kappa(betas, s, t), times=2)
    got = impl.reverse_step(betas, variance, x0_hat, x_t, s, t, noise)
    for where in elements(got):
        back = exact.posterior(betas, x0_hat[where], x_t[where], s, t)
        var = back.var if variance == "fixed_small" else exact.kernel(betas, s, t).var
        added = exact.mp.sqrt(var) * exact.mpf(noise[where]) if s else exact.mpf(0)
        size = back.mean.size + abs(added)
        check(variance, where, got, back.mean.exact + added, unit * size)


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(case=paths)
@example(case=(PRODUCTION, LONG))
def test_reported_predictions_are_those_of_the_denoiser(impl: Implementation, sampler, case):
    """Eq. ancestral.step: the reported x0_hat is the denoiser's, up to a cast."""
    betas, times = case
    predicted: dict[int, Array] = {}

    def denoiser(x_t: Array, t: int) -> Array:
        predicted[t] = (
            x_t / 2 + t
        )  # neither the state nor the noise; Heun evaluates twice, the last one counts
        return predicted[t].copy()

    x_T, *noises = np.float64([[[1.5, -0.25]]] * (len(times) - 1))
    got = impl.predictions(SamplingSpec(betas, sampler, times, denoiser), x_T, noises)
    for t, x0_hat in zip(times, got, strict=False):
        assert (np.abs(x0_hat - predicted[t]) <= impl.unit_roundoff * np.abs(predicted[t])).all(), (
            f"t = {t}"
        )


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(case=paths)
@example(case=(PRODUCTION, LONG))
@example(case=((2.0**-8,) * 1001, (1001, 1000, 2, 0)))
@example(case=(STEEP, (4, 0)))
def test_trajectory_is_reported_at_every_timestep(impl: Implementation, sampler, case):
    """Eq. ancestral.step: each state is what the next step starts from; at data both are x_0."""
    betas, times = case
    evaluated: dict[int, Array] = {}

    def denoiser(x_t: Array, t: int) -> Array:
        evaluated[t] = x_t.copy()  # Heun evaluates twice, last at the state itself
        return x_t / 2 + t

    numbers = np.cos(np.arange(2.0 * len(times))).astype(np.float32)  # exact in any precision
    x_T, *noises = numbers.astype(np.float64).reshape(len(times), 1, 2)
    spec = SamplingSpec(betas, sampler, times, denoiser)
    got = impl.trajectory(spec, x_T, noises[: len(times) - 2])
    assert tuple(got.times) == times
    for t, state in zip(times[:-1], got.states, strict=False):
        assert equal(state, evaluated[t]), f"t = {t}"
    assert equal(got.states[0], x_T)
    assert equal(got.predictions[:-1], impl.predictions(spec, x_T, noises))
    assert equal(got.states[-1], impl.sample(spec, x_T, noises))
    assert equal(got.predictions[-1], got.states[-1])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampling_seed_determines_the_samples(impl: Implementation, sampler):
    """Equal seeds repeat, 0 among them; another seed and another row give other samples."""
    for betas, times in ((STEEP, (4, 2, 0)), ((2.0**-8,) * 1001, (1001, 2, 0))):
        spec = SamplingSpec(betas, sampler, times, lambda x_t, t: x_t / 2)
        first, again, other = (impl.draw_samples(spec, (3, 2), seed) for seed in (0, 0, 1))
        assert equal(first, again)
        assert len({*first.ravel(), *other.ravel()}) == first.size + other.size


@given(T=st.integers(1, 400))
@example(T=1000)
def test_default_timesteps_are_all_timesteps(impl: Implementation, T):
    """Eq. ancestral.step, as in Ho et al. (2020), Algorithm 2."""
    assert impl.default_timesteps(T) == tuple(range(T, -1, -1))


@pytest.mark.complete
@pytest.mark.parametrize("sampler", [*ANCESTRAL, "ddim"])
@pytest.mark.parametrize("times", [(4, 3, 2, 1, 0), (4, 2, 0), (3, 1, 0)], ids=str)
def test_samples_follow_the_exact_distribution(
    impl: Implementation, ledger: Ledger, sampler, times
):
    """Eq. ancestral.step and ddim.step with the implementation's own noise.

    The samples are whitened by the exact distribution.
    """
    data, eta = gaussian_data((2, 2, 2)), ETAS.get(sampler, 0.0)
    want = chains.output_distribution(chains.Path(STEEP, sampler, times, eta), data)
    claim = ledger.claim("ancestral.step", (STEEP, sampler, times), scalars=4096 * 8)
    spec = SamplingSpec(STEEP, sampler, times, denoiser_of(STEEP, data), eta)
    x_0 = impl.draw_samples(spec, (4096, 2, 2, 2), claim.seed)
    claim.check(standard_normal(whitened(x_0, want)))


@pytest.mark.complete
@pytest.mark.parametrize("sampler", [*ANCESTRAL, "ddim"])
def test_mixture_samples_follow_the_exact_distribution(
    impl: Implementation, ledger: Ledger, sampler
):
    """Eq. ancestral.step and ddim.step with a nonlinear denoiser.

    The distribution of x_0 by quadrature maps the samples to a standard normal.
    """
    path = chains.Path(STEEP, sampler, (4, 2, 1, 0), ETAS.get(sampler, 0.0))
    predictions = {t: mixture.denoiser_of(STEEP, mixture.BUMPS, t) for t in path.times[:-1]}
    claim = ledger.claim("gaussian-oracle.mixture-denoiser", path, scalars=28_000)
    spec = SamplingSpec(STEEP, sampler, path.times, lambda x_t, t: predictions[t](x_t), path.eta)
    x_0 = impl.draw_samples(spec, (7_000, 2, 2), claim.seed)
    claim.check(standard_normal(special.ndtri(Distribution(path, mixture.BUMPS)(x_0))))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_samples_are_known_by_their_index(impl: Implementation, sampler):
    """Eq. ancestral.step and others: a sample of a sequence is the same in every batch.

    The denoiser acts on each element alone, so that it is the same to the bit.
    """
    spec = SamplingSpec(STEEP, sampler, (4, 2, 1, 0), lambda x_t, t: x_t / 2 + t, 0.5)
    whole = impl.draw_samples(spec, (8, 2, 3), 3)
    assert len(np.unique(whole[:, 0, 0])) == 8, "two samples are equal"
    for indices in ((7,), (3, 0, 5), (6, 7), (1, 1)):
        got = impl.draw_samples_at(spec, (2, 3), indices, 3)
        assert equal(got, whole[[*indices]]), f"samples {indices}"
    far = impl.draw_samples_at(spec, (2, 3), (1_048_576, 70_000, 3), 3)
    assert equal(far[2], whole[3])
    assert not (far[:2, None] == whole).all(axis=(2, 3)).any(), "the sequence repeats"


@pytest.mark.complete
def test_noise_of_every_step_is_its_own(impl: Implementation):
    """Eq. ancestral.step on 4200 timesteps: no step repeats the noise of another, or the start.

    What a denoiser of 0 is given tells the noise of each step. Two of them agree in six numbers to
    a hundredth with probability 1e-13.
    """
    powers = [(1 << k) + i for k in range(6, 13) for i in (0, 1)]
    times = tuple(sorted({0, 1, 2, 999, *range(1000, 4201, 1000), 1001, 2001, *powers}))[::-1]
    states: list[Array] = []

    def denoiser(x_t: Array, t: int) -> Array:
        states.append(x_t.copy())
        return 0 * x_t

    with reused(impl):
        impl.draw_samples(SamplingSpec(LONGEST, "fixed_large", times, denoiser), (2, 3), 3)
        noises, none = [states[0]], np.zeros((2, 3))
        for (t, s), x_t, x_s in zip(pairwise(times), states, states[1:], strict=False):
            step = LONGEST, "fixed_large", none, x_t, s, t
            mean, moved = (impl.reverse_step(*step, none + each) for each in (0.0, 1.0))
            noises.append((x_s - mean) / (moved - mean))
    found = np.stack(noises).reshape(len(noises), -1)
    assert len(found) == len(times) - 1
    for sign in (1, -1):
        apart = np.abs(found[:, None] - sign * found).max(axis=2)
        np.fill_diagonal(apart, 1)
        i, j = np.unravel_index(apart.argmin(), apart.shape)
        assert apart.min() > 0.01, f"the noises from {(None, *times)[i]} and {(None, *times)[j]}"


@pytest.mark.parametrize("sampler", SAMPLERS)
@given(case=paths)
@example(case=(STEEP, (4, 2, 1, 0)))
@example(case=(STEEP, (4, 0)))
def test_sampling_runs_are_independent(impl: Implementation, sampler, case):
    """Eq. ancestral.step and others: a trajectory does not depend on the preceding one."""
    betas, times = case
    spec = SamplingSpec(betas, sampler, times, lambda x_t, t: np.tanh(x_t) + t, 0.3)
    x_T, other, *noises = np.float64([[[1.5, -0.25]], [[-2.0, 0.75]], *[[[0.5, 1.0]]] * len(times)])
    first = impl.sample(spec, x_T, noises[: len(times) - 2])
    impl.sample(spec, other, noises[: len(times) - 2])
    again = impl.sample(spec, x_T, noises[: len(times) - 2])
    assert equal(first, again), "the preceding run changed the result"


@pytest.mark.complete
@pytest.mark.parametrize("name", TIMESTEP_SPACINGS)
@pytest.mark.parametrize("sampler", ["ddim", "dpm++2m", "heun"])
def test_four_times_the_steps_reduce_the_error_threefold(impl: Implementation, sampler, name):
    """Eq. ddim.euler, dpm-solver.second and heun.step at T = 1000, down to the data.

    The error is the distance to the exact trajectory from five states; first order gives a quarter.
    """
    x_T, errors = np.linspace(-2.0, 2.0, 5).reshape(5, 1), []
    for steps in (10, 40):
        times = impl.timestep_spacing(name, PRODUCTION, steps)
        predictions = {t: gaussian.denoiser(PRODUCTION, DATA, t) for t in times[:-1]}
        spec = SamplingSpec(PRODUCTION, sampler, times, lambda x, t, of=predictions: of[t](x))
        x_0 = impl.sample(spec, x_T, [x_T] * (len(times) - 2))
        errors.append(float(np.abs(x_0 - exact_flow(PRODUCTION, x_T, times[0], 0)).max()))
    assert errors[0] > 3 * errors[1], f"the errors are {errors}"


def whitened(x: Array, distribution: chains.Output) -> Array:
    root = np.linalg.cholesky(distribution.covariance)
    return np.linalg.solve(root, (x.reshape(len(x), -1) - distribution.mean).T).T.reshape(x.shape)
