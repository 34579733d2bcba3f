"""Gaussian paths: their process, samples, predictions, three paths of the field, and samplers."""

import dataclasses

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from .chains.output_distributions import check_output_distribution, decreasing_timesteps
from .oracles import exact, gaussian_paths
from .oracles.exact import mp, mpf
from .protocol import (
    GAUSSIAN_PATHS,
    PATH_PREDICTIONS,
    PREDICTIONS,
    SOLVERS,
    Array,
    GaussianPath,
    Implementation,
    SamplingSpec,
    exact_in,
)
from .statistics.precisions import in_each_precision
from .statistics.tolerances import allowance, check, elements, equal
from .strategies import EDM, TO_NOISE, Case, path_cases, paths, straight

ORACLE = "alpha and sigma as two tables of kernels and linear forms, in 60 digits"

TO, FROM = ([(each, "velocity")[::way] for each in PREDICTIONS] for way in (1, -1))
PAIRS = [*TO, *FROM, ("eps", "x0"), ("x0", "eps"), ("v", "score")]
WRONG = {  # tables in place of those of a straight path
    "negative signal": {"alpha": (1.0, 0.5, -0.25)},
    "less noise": {"sigma": (0.0, 0.5, 0.25)},
    "the same ratio": {"sigma": (0.0, 0.5, 0.25), "alpha": (1.0, 0.5, 0.25)},
    "no noise": {"sigma": (0.0, 0.0, 0.75)},
    "noise in the data": {"sigma": (0.25, 0.5, 0.75)},
    "no turn at 1": {"alpha_dot": (0.0, 0.0, -1.0), "sigma_dot": (0.0, 0.0, 1.0)},
    "equal growth at 2": {"alpha_dot": (0.0, -1.0, 0.25), "sigma_dot": (0.0, 1.0, 0.75)},
}
# The variance of "fixed_large" depends on the unit.
RUNS = [("fixed_small", 0.0), ("ddim", 0.0), ("ddim", 0.7), *((each, 0.0) for each in SOLVERS)]
PREDICTION, STATE = np.float64([[[0.5, -1.25]], [[2.0, 0.375]]])


def assume_signal(path: GaussianPath, t: Array, *sources: str) -> None:
    """Leave out timesteps without signal, where eps and score do not determine x_0."""
    assume(not {"eps", "score"} & {*sources} or all(path.alpha[each] > 0 for each in t))


@given(path=paths)
@example(path=TO_NOISE)
@example(path=EDM)
def test_process_has_the_signal_to_noise_ratio_of_the_path(impl: Implementation, path):
    """Eq. gaussian-path.alpha-bar: alpha^2 and sigma^2, each divided by their sum.

    The logarithm is computed from a ratio and a square: with 4.5 u in place of 2.5 u.
    """
    found = impl.path_schedule(path)
    for t in range(len(path) + 1):
        for name, got, want in zip(
            found._fields, found, gaussian_paths.fractions(path, t), strict=True
        ):
            kappa = gaussian_paths.kappa(path, 0, t)
            allowed = allowance(impl.unit_roundoff, kappa, times=2) * want
            check(name, (t,), got, want, allowed)


@given(path=paths, powers=st.lists(st.integers(-8, 8), min_size=1))
def test_a_change_of_unit_leaves_the_process(impl: Implementation, path, powers):
    """Eq. gaussian-path.alpha-bar: a power of two in both tables changes no bit of it."""
    factors = [1.0, *(2.0 ** powers[t % len(powers)] for t in range(len(path)))]
    alpha, sigma = (tuple(np.multiply(each, factors)) for each in (path.alpha, path.sigma))
    other = GaussianPath(path.times, alpha, sigma, path.alpha_dot, path.sigma_dot)
    for got, want in zip(impl.path_schedule(other), impl.path_schedule(path), strict=True):
        assert equal(got, want)


@given(case=path_cases(lowest_t=0))
def test_sample_is_scaled_data_plus_scaled_noise(impl: Implementation, case: Case):
    """Eq. gaussian-path.sample, t in 0..T."""
    path, _, t, x_0, noise = case
    for at in in_each_precision(impl):
        x = at.impl.path_sample(path, x_0, t, noise)
        for where in elements(x_0):
            want = exact.diffuse(path, int(t[where[0]]), x_0[where], noise[where])
            at.check("x", where, x, want, mpf(1))


@pytest.mark.parametrize("name", PATH_PREDICTIONS)
@given(case=path_cases())
def test_target_is_a_linear_form_of_data_and_noise(impl: Implementation, name, case: Case):
    """Eq. gaussian-path.velocity, t in 1..T; the other predictions by their definitions."""
    path, _, t, x_0, noise = case
    for at in in_each_precision(impl):
        got = at.impl.path_target(path, name, x_0, noise, t)
        for where in elements(x_0):
            want = gaussian_paths.target(path, name, x_0[where], noise[where], int(t[where[0]]))
            at.check(name, where, got, want, mpf(1))


@pytest.mark.parametrize(("source", "target"), PAIRS)
@given(case=path_cases())
def test_conversion_solves_two_linear_forms(impl: Implementation, source, target, case: Case):
    """Eq. gaussian-path.convert: x and `source` determine x_0 and eps, and so `target`."""
    path, _, t, value, x = case
    assume_signal(path, t, source)
    for at in in_each_precision(impl):
        got = at.impl.path_convert(path, source, target, value, x, t)
        for where in elements(value):
            of = value[where], x[where], int(t[where[0]])
            want = gaussian_paths.convert(path, source, target, *of)
            at.check(f"{source} -> {target}", where, got, want, mpf(1))


@pytest.mark.parametrize("source", ["eps", "score"])
def test_conversion_without_signal_is_refused(impl: Implementation, source):
    """Eq. gaussian-path.convert: at alpha = 0 the noise does not determine x_0."""
    x = np.float64([[1.0], [2.0]])
    with pytest.raises(ValueError, match="4"):
        impl.path_convert(TO_NOISE, source, "x0", x, x, np.array([1, 4]))


@pytest.mark.convention
@pytest.mark.parametrize("wrong", WRONG)
def test_tables_that_are_no_path_are_refused(impl: Implementation, wrong: str):
    """Eq. gaussian-path.turn: noise is only added, and the path turns at every timestep."""
    plain = straight(0.5, 0.75)
    impl.path_schedule(plain)
    with pytest.raises(ValueError, match=r"\d"):
        impl.path_schedule(dataclasses.replace(plain, **WRONG[wrong]))


@given(case=path_cases())
def test_posterior_on_a_path_matches_bayes(impl: Implementation, case: Case):
    """Eq. posterior.mean and posterior.var between the units of both timesteps."""
    path, s, t, x_0, x = case
    mean, var = impl.path_posterior(path, x_0, x, s, t)
    for where in elements(x_0):
        pair = int(s[where[0]]), int(t[where[0]])
        want = exact.posterior(path, x_0[where], x[where], *pair)
        unit = allowance(impl.unit_roundoff, gaussian_paths.kappa(path, *pair), times=2)
        check("mean", where, mean, want.mean.exact, unit * want.mean.size)
        check("var", where, var, want.var, unit * (want.var if pair[0] else 1))


@pytest.mark.parametrize(("sampler", "eta"), RUNS)
@given(path=paths, data=st.data())
def test_output_distribution_is_that_of_the_path(impl: Implementation, sampler, eta, path, data):
    """Eq. gaussian-path.map: every sampler runs on the process, and its states on the path.

    Heun's method has no slope where there is no signal.
    """
    times = data.draw(decreasing_timesteps(len(path)), label="times")
    assume(sampler != "heun" or path.alpha[times[0]] > 0)
    check_output_distribution(impl, sampler, eta, (2,), path, times)


@pytest.mark.parametrize("path", [TO_NOISE, EDM], ids=["straight", "ve"])
@pytest.mark.parametrize("step", [(4, 3), (4, 1), (3, 2), (2, 1)])
def test_euler_along_the_velocity_is_ddim(impl: Implementation, path: GaussianPath, step):
    """Eq. gaussian-path.euler: where alpha and sigma are linear in time, DDIM is Euler's method.

    The step from x_t goes along alpha_dot x0_hat + sigma_dot eps_hat for the difference in time.
    """
    t, s = step
    seen = {}

    def denoiser(x: Array, timestep: int) -> Array:
        seen[timestep] = x.copy()
        return PREDICTION

    impl.path_run(SamplingSpec(path, "ddim", (t, s, 0), denoiser), STATE, [STATE])
    for where in elements(STATE):
        args = PREDICTION[where], STATE[where], t
        velocity = gaussian_paths.convert(path, "x0", "velocity", *args)
        length = mpf(path.times[s]) - mpf(path.times[t])
        want = mpf(STATE[where]) + length * velocity.exact
        kappa = max(gaussian_paths.kappa(path, *each) for each in ((s, t), (0, t), (0, s)))
        size = abs(mpf(STATE[where])) + abs(length) * velocity.size
        check("x_s", where, seen[s], want, allowance(impl.unit_roundoff, kappa, times=4) * size)


@pytest.mark.parametrize("name", GAUSSIAN_PATHS)
@given(times=st.sets(st.integers(1, 1024), min_size=1, max_size=3))
@example(times={512, 1024})
def test_three_paths_match_their_definitions(impl: Implementation, name: str, times: set[int]):
    """Eq. gaussian-path.straight, gaussian-path.ve and gaussian-path.vp, with their derivatives.

    Without signal at t = 1 there is no process.
    """
    assume(times != {1024})
    given_times = tuple(each / 1024 for each in sorted(times))
    found = impl.standard_path(name, given_times)
    assert found.times == (0.0, *given_times)
    for t, time in enumerate(found.times):
        alpha, var = gaussian_paths.standard(name, mpf(time))
        check("alpha", (t,), np.float64(found.alpha), alpha, allowance(impl.unit_roundoff, 1))
        check(
            "sigma", (t,), np.float64(found.sigma), mp.sqrt(var), allowance(impl.unit_roundoff, 1)
        )
        if t == 0:
            continue
        for field, of in (
            ("alpha_dot", lambda each: gaussian_paths.standard(name, each).scale),
            ("sigma_dot", lambda each: mp.sqrt(gaussian_paths.standard(name, each).var)),
        ):
            want = exact.derivative(of, time)
            allowed = allowance(impl.unit_roundoff, 2) * abs(want) + mpf("1e-18")
            check(field, (t,), np.float64(getattr(found, field)), want, allowed)


@pytest.mark.parametrize("name", PATH_PREDICTIONS)
@given(case=path_cases(), labelled=st.booleans(), single=st.booleans())
def test_a_network_is_evaluated_on_the_path(
    impl: Implementation, name: str, case: Case, labelled: bool, single: bool
):
    """Eq. gaussian-path.map: it gets the sample in the path's units, and the path's real times."""
    path, _, t, output, x_t = case
    t = np.full_like(t, t[0]) if single else t
    assume_signal(path, t, name)
    labels = np.arange(len(t)) if labelled else None
    for at in in_each_precision(impl):
        seen = []

        def network(x: Array, times: Array, cond: Array | None, seen=seen) -> Array:
            seen.append((x.copy(), times.copy(), cond))
            return output

        timestep = int(t[0]) if single else t
        got = at.impl.path_denoised(path, name, network, x_t, timestep, labels)
        ((x, times, cond),) = seen
        assert at.precision is None or exact_in(got, at.precision), f"not in {at.precision.name}"
        assert (cond is None) == (labels is None)
        assert labels is None or np.array_equal(cond, labels)
        for where in elements(x_t):
            i, timestep = where[:1], int(t[where[0]])
            at.check("time", i, times, exact.product(mpf(1), path.times[timestep]), mpf(1))
            alpha, sigma = mpf(path.alpha[timestep]), mpf(path.sigma[timestep])
            on_path = exact.product(mp.hypot(alpha, sigma), x_t[where])
            at.check("x", where, x, on_path, mpf(1))
            value = output[where]
            want = gaussian_paths.convert(path, name, "x0", value, on_path.exact, timestep)
            at.check("x0_hat", where, got, want, mpf(1), times=2)
