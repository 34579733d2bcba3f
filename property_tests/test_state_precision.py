"""The state of samplers and flows in half precision, and the bound's terms along it."""

from typing import NamedTuple

import numpy as np
import pytest

from .differentiable import VAR, X, Y, waves
from .protocol import (
    PRECISIONS,
    SAMPLERS,
    Array,
    Betas,
    Gaussian,
    Implementation,
    Prediction,
    SamplingSpec,
)
from .statistics.precisions import in_each_precision
from .statistics.tolerances import check_largest
from .strategies import STEEP

ORACLE = "the same methods in float64, which have oracles of their own"

OPERATIONS = 64  # more than a step makes with an element
SINGLE = PRECISIONS[0]
DOUBLE = SINGLE._replace(name="float64", rounding=2.0**-53, computing=2.0**-53)
GRID = tuple(range(48, -1, -1))
SLOW: Betas = (2.0**-8,) * 48  # each step changes the state by less than bfloat16 can represent
EARLY: Betas = (1.1e-6, 2.3e-6)
PATHS = {  # schedule, timesteps, number of samples
    "slow": (SLOW, GRID, 2),
    "early": (EARLY, (2, 1, 0), 2),
    "one sample": (EARLY, (2, 1, 0), 1),
    "many samples": (EARLY, (2, 1, 0), 65),
}


def alternating(x_t: Array, t: int) -> Array:
    return np.resize((X, Y)[t % 2], x_t.shape)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_state_of_half_precision_is_as_accurate_as_float32(impl: Implementation, sampler, path):
    """Eq. rounding.chain: the rounding of half precision is never that of the state.

    The predictions are exact in every dtype, so that they lose nothing in themselves. At early
    timesteps the noise is small, and 1 - alpha_bar has no digits in float32.
    """
    betas, times, rows = PATHS[path]
    spec, x_T = SamplingSpec(betas, sampler, times, alternating), np.resize(X, (rows, *X.shape[1:]))
    tape = [waves(*x_T.shape, phase=0.1 * i) for i in range(len(times) - 1)]
    want = impl.trajectory(spec, x_T, tape)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is not None:
            got = each.trajectory(spec, x_T, tape)
            allowed = float32_error(want.states, len(times))
            check_largest(f"x_t ({precision.name})", got.states, want.states, allowed)
            assert np.array_equal(got.predictions[:-1], want.predictions[:-1])
            assert np.array_equal(got.times, want.times)


def test_learned_variance_in_half_precision_is_as_accurate_as_float32(impl: Implementation):
    """Eq. rounding.chain where prediction and interpolation are in half precision.

    The interpolations are eighths, so that they are exact in every dtype.
    """

    def denoiser(x_t: Array, t: int) -> Prediction:
        return Prediction(alternating(x_t, t), np.resize(np.arange(9) / 8, x_t.shape))

    tape = [waves(*X.shape, phase=0.1 * i) for i in range(len(GRID) - 2)]
    want = impl.learned_trajectory(SLOW, GRID, denoiser, X, tape)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is not None:
            got = each.learned_trajectory(SLOW, GRID, denoiser, X, tape)
            allowed = float32_error(want.states)
            check_largest(f"x_t ({precision.name})", got.states, want.states, allowed)


def test_inversion_in_half_precision_is_as_accurate_as_float32(impl: Implementation):
    """Eq. ddim.invert and rounding.chain: a chain of steps upward."""
    spec = SamplingSpec(SLOW, "ddim", GRID, alternating)
    want = impl.encode(spec, X, 0)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is not None:
            got = each.encode(spec, X, 0)
            check_largest(f"x_T ({precision.name})", got, want, float32_error(want))


@pytest.mark.complete
def test_flow_in_half_precision_is_as_accurate_as_float32(impl: Implementation):
    """Eq. probability-flow.step, probability-flow.density and rounding.chain.

    Predictions are exact in every dtype. Their Jacobians are not: the chain rule multiplies by a
    coefficient in the dtype of the prediction, and casts. All terms that they add to the volume
    have one sign, so that twice the roundoff of what they add bounds its error. A density adds
    half of the squares of x_T.
    """
    want, without = flows(impl, JACOBIAN), flows(impl, 0 * JACOBIAN)
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        if precision is None:
            continue
        for i, got in enumerate(flows(each, JACOBIAN)):
            exactly, spread = want[i], float(np.abs(want[i].x_T).max())
            state = float32_error(exactly.x_T)
            check_largest(f"x_T ({precision.name})", got.x_T, exactly.x_T, state)
            for k, what in enumerate(("volume", "log density")):
                added = float(np.abs(exactly[k + 1] - without[i][k + 1]).max())
                allowed = float32_error(exactly[k + 1]) + 2 * precision.rounding * added
                allowed += k * X[0].size * spread * state
                check_largest(f"{what} ({precision.name})", got[k + 1], exactly[k + 1], allowed)
            errors = f"errors of the density ({precision.name})"  # differences of densities
            check_largest(errors, got.errors, exactly.errors, 2 * allowed)


class Flows(NamedTuple):
    x_T: Array
    log_volume: Array
    nats: Array
    errors: Array


JACOBIAN = np.diag(-1 - np.abs(X[0].flatten()))  # with one number in each row
PROBES = np.stack([X, Y])


def flows(impl: Implementation, jacobian: Array) -> list[Flows]:
    """Return what the flow and its density are, exactly and with two probes."""

    def denoiser(x_t: Array, t: int) -> tuple[Array, Array]:
        return alternating(x_t, t), np.stack([jacobian, jacobian / 2])

    found = []
    for probes in (None, PROBES):
        arguments = SLOW, X, denoiser, probes, GRID[::3]
        flow, density = impl.probability_flow(*arguments), impl.flow_log_density(*arguments)
        found.append(Flows(*flow, density.nats, np.stack(density[1:])))
    return found


def float32_error(states: Array, steps: int = len(GRID)) -> float:
    """Return the error of so many steps, each with that of its operations."""
    return 2 * steps * OPERATIONS * SINGLE.rounding * float(np.abs(states).max())


@pytest.mark.complete
@pytest.mark.parametrize("betas", [STEEP, SLOW * 21], ids=["T = 4", "T = 1008"])
def test_stratified_bound_in_half_precision_is_as_accurate_as_float32(impl: Implementation, betas):
    """Eq. likelihood.stratum: each term is that of the x_t that the reverse kernel is evaluated at.

    The mean of an antithetic pair is that of q(x_t | x_0), up to the rounding of x_t. Errors of
    the kernels' means count times their distance over the variance.
    """
    impl.in_precision("float32")  # or not offered
    for precision, each in in_each_precision(impl):
        for rows, seed in ((2, 7), *((1, seed) for seed in range(8))):
            evaluated = list[tuple[Array, Array]]()

            def reverse(x_t: Array, s: Array, t: Array, into=evaluated) -> Gaussian:
                into.append((x_t, t))
                return Gaussian(Y[: len(x_t)], VAR[: len(x_t)])

            got = each.stratified_vlb(betas, X[:rows], reverse, 2, True, seed)
            unit = precision or DOUBLE
            for k in range(2):
                (x_t, t), (other, same) = evaluated[2 * k : 2 * k + 2]
                assert np.array_equal(t, same)
                assert (k * len(betas) // 2 < t).all()
                assert (t <= (k + 1) * len(betas) // 2).all()
                mean = impl.q_marginal(betas, X[:rows], t).mean
                reach = float(max(np.abs(x_t).max(), np.abs(other).max(), 1.0))
                check_largest("mean", (x_t + other) / 2, mean, 2 * unit.rounding * reach)
                terms = [bound_term(impl, betas, X[:rows], at, t) for at in (x_t, other)]
                want = len(betas) / 2 * np.mean(terms, axis=0)
                size = len(betas) / 2 * X[0].size * (4 * reach) ** 2 / VAR.min()
                allowed = OPERATIONS * unit.computing * size
                check_largest(f"term {k}", got[k], want, allowed)
            prior = impl.q_marginal(betas, X[:rows], np.full(rows, len(betas)))
            nats = impl.gaussian_kl(prior, Gaussian(0 * X[:rows], 1 + 0 * X[:rows]))
            check_largest("prior", got[2], nats.reshape(rows, -1).sum(axis=1), allowed)


def bound_term(impl: Implementation, betas: Betas, x_0: Array, x_t: Array, t: Array) -> Array:
    """Return the term of a step to t - 1 whose reverse kernel is N(Y, VAR), in float64."""
    mean, var = Y[: len(x_0)], VAR[: len(x_0)]
    density = (np.log(2 * np.pi * var) + (x_0 - mean) ** 2 / var) / 2
    later = np.maximum(t, 2)  # at t = 1 the posterior is a point
    back = impl.q_posterior(betas, x_0, x_t, later - 1, later)
    kl = impl.gaussian_kl(back, Gaussian(mean, var))
    each = np.where((t == 1).reshape(-1, 1, 1, 1), density, kl)
    return each.reshape(len(x_0), -1).sum(axis=1)
