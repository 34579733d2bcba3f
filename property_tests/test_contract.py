"""Properties of every method: independent samples, unmodified arguments, reproducible seeds."""

from collections.abc import Callable
from contextlib import suppress
from itertools import permutations, product
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from .differentiable import FRACTION, TWICE, VAR, WIDE, S, T, X, Y, Z
from .evidence.evidence import NOT_ANSWERED
from .protocol import (
    PREDICTIONS,
    SAMPLERS,
    Array,
    Gaussian,
    Guidance,
    Implementation,
    SamplingSpec,
    Times,
)
from .statistics.tolerances import equal
from .strategies import SCALARS, STEEP, Case, cases

Call = Callable[[Implementation, Case], tuple[Array, ...]]
Scaling = tuple[list[int], Callable[[Implementation, float], Any]]
TWO = np.array([1, 2])  # labels

LINEAR: dict[str, Call] = {
    "q_marginal": lambda impl, c: impl.q_marginal(c.betas, c.first, c.t),
    "q_step": lambda impl, c: impl.q_step(c.betas, c.first, c.s, c.t),
    "q_sample": lambda impl, c: (impl.q_sample(c.betas, c.first, c.t, c.second),),
    "q_posterior": lambda impl, c: impl.q_posterior(c.betas, c.first, c.second, c.s, c.t),
    "convert": lambda impl, c: (impl.convert(c.betas, "eps", "v", c.first, c.second, c.t),),
    "target": lambda impl, c: (impl.target(c.betas, "v", c.first, c.second, c.t),),
}
# The same for methods that are not linear in their inputs, or take no sample.
LOSSES: dict[str, Call] = {
    "loss": lambda impl, c: (impl.loss(c.first, c.second),),
    "weighted_loss": lambda impl, c: (impl.weighted_loss(c.first, c.second, 1.0 * c.t),),
    "loss_weight": lambda impl, c: (impl.loss_weight(c.betas, "eps", c.t, 5.0, False),),
}
CALLS = LINEAR | LOSSES


def halved(x_t: Array, t: int, labels: Times | None = None) -> Array:
    """Return half of x_t, and with labels other multiples by row and element."""
    return x_t / 2 if labels is None else x_t * np.linspace(-1, 2, x_t.size).reshape(x_t.shape)


def sampled(sampler: str) -> Scaling:
    spec = SamplingSpec(STEEP, sampler, (4, 2, 1, 0), halved, 0.5)
    return [1], lambda impl, c: impl.sample(spec, c * X, [c * Y, c * Z])


def flow(impl: Implementation, c: float) -> tuple[Array, ...]:
    jacobian = np.stack([np.eye(X[0].size) / 2] * len(X))
    return impl.probability_flow(STEEP, c * X, lambda x, t: (x / 2, jacobian), None, (4, 2, 1, 0))


def given_by(call: Callable[[Implementation, Any, float], Any]) -> Scaling:
    """Return a row for what the method passes to the function of its arguments."""

    def evaluate(impl: Implementation, c: float) -> Array:
        passed: list[Array] = []

        def reverse(x_t: Array, *others: Any) -> Gaussian:
            passed.append(x_t.copy())
            return Gaussian(c * X, c**2 * VAR)

        call(impl, reverse, c)
        return np.stack(passed)

    return [1], evaluate


# The powers of c by which each output is multiplied where samples are multiplied by c.
HOMOGENEOUS: dict[str, Scaling] = {
    "q_marginal": ([1, 0], lambda impl, c: impl.q_marginal(STEEP, c * X, T)),
    "q_step": ([1, 0], lambda impl, c: impl.q_step(STEEP, c * X, S, T)),
    "q_sample": ([1], lambda impl, c: impl.q_sample(STEEP, c * X, T, c * Y)),
    "q_posterior": ([1, 0], lambda impl, c: impl.q_posterior(STEEP, c * X, c * Y, S, T)),
    **{
        f"convert, {a} to {b}": (
            [1],
            lambda impl, c, a=a, b=b: impl.convert(STEEP, a, b, c * X, c * Y, T),
        )
        for a, b in permutations(PREDICTIONS, 2)
    },
    **{
        f"target, {a}": ([1], lambda impl, c, a=a: impl.target(STEEP, a, c * X, c * Y, T))
        for a in PREDICTIONS
    },
    **{f"sample, {sampler}": sampled(sampler) for sampler in SAMPLERS},
    "encode": (
        [1],
        lambda impl, c: impl.encode(SamplingSpec(STEEP, "ddim", (4, 2, 0), halved), c * X, 0),
    ),
    "guided": (
        [1],
        lambda impl, c: impl.guided(Guidance(halved, 3.0, 0.5, None, False), c * X, 2, TWO),
    ),
    "loss": ([2], lambda impl, c: impl.loss(c * X, c * Y)),
    "autoencoder_loss": ([2], lambda impl, c: impl.autoencoder_loss(c * X, c * Y, TWICE, 0.0, 2.0)),
    "gaussian_kl": (
        [0],
        lambda impl, c: impl.gaussian_kl(Gaussian(c * X, c**2 * VAR), Gaussian(c * Y, c**2 * WIDE)),
    ),
    "learned_kernel": (
        [1, 0],
        lambda impl, c: impl.learned_kernel(STEEP, c * X, c * Y, FRACTION, S, T),
    ),
    "latent_scale": (
        [0, 0],
        lambda impl, c: tuple(each / abs(c) for each in impl.latent_scale(abs(c) * X)),
    ),
    "timestep_probabilities": (
        [0],
        lambda impl, c: impl.timestep_probabilities(c**2 * np.float64([1, 0, 4, 3])),
    ),
    "importance": (
        [0],
        lambda impl, c: impl.importance(
            3, [(np.array([1, 2, 3]), c * np.float64([k + 1, 3, 2])) for k in range(11)]
        ),
    ),
    "probability_flow": ([1, 0], flow),
    "vlb_terms, x_t": given_by(
        lambda impl, reverse, c: impl.vlb_terms(
            STEEP, c * X, reverse, [c * Y, c * Z], None, (3, 1, 0)
        )
    ),
    "flow_bound, x_t": given_by(
        lambda impl, reverse, c: impl.flow_bound(STEEP, c * X, c * Y, np.zeros(2), reverse, None, 2)
    ),
}


@pytest.mark.parametrize("method", CALLS)
@given(case=cases())
def test_samples_of_a_batch_are_independent(impl: Implementation, method, case: Case):
    """f(batch)[i] == f(batch[i : i + 1]) bit for bit, also for shapes with batch == width."""
    whole = CALLS[method](impl, case)
    for i in range(len(case.t)):
        row = Case(case.betas, *(each[i : i + 1] for each in case[1:]))
        for all_rows, alone in zip(whole, CALLS[method](impl, row), strict=True):
            assert equal(all_rows[i : i + 1], alone), f"{method}: row {i} is not alone"


@pytest.mark.parametrize("method", CALLS)
@given(case=cases())
def test_arguments_are_not_modified(impl: Implementation, method, case: Case):
    """No method modifies its arguments."""
    before = [np.copy(each) for each in case[1:]]
    CALLS[method](impl, case)
    for name, now, then in zip(Case._fields[1:], case[1:], before, strict=True):
        assert np.array_equal(now, then), f"{method} modified {name}"


@pytest.mark.parametrize("factor", [2.0, -0.5])
@pytest.mark.parametrize("method", LINEAR)
@given(case=cases())
def test_linear_methods_scale_with_their_inputs(impl: Implementation, method, factor, case: Case):
    """f(c x, c y) = c f(x, y) bit for bit, because c is a power of two; variances do not scale.

    Inputs are 0 or at least 2^-14 (see strategies.py), so that nothing rounds to a subnormal.
    """
    scaled = case._replace(first=factor * case.first, second=factor * case.second)
    before, after = CALLS[method](impl, case), CALLS[method](impl, scaled)
    assert equal(after[0], factor * before[0])
    assert all(equal(a, b) for a, b in zip(after[1:], before[1:], strict=True))


@pytest.mark.parametrize("factor", [2.0**20, -(2.0**-20)])
@pytest.mark.parametrize("method", HOMOGENEOUS)
def test_methods_have_no_scale_of_their_own(impl: Implementation, method, factor):
    """f(c x) = c^n f(x) bit for bit, for the n of each output: nothing is clipped or added."""
    powers, evaluate = HOMOGENEOUS[method]
    before, after = (evaluate(impl, each) for each in (1.0, factor))
    before, after = (each if isinstance(each, tuple) else (each,) for each in (before, after))
    for i, (power, one, scaled) in enumerate(zip(powers, before, after, strict=True)):
        assert equal(scaled, factor**power * one), f"output {i} of {method}"


def test_equal_seeds_give_equal_draws(impl: Implementation):
    """Equal seeds, including 0, give equal draws; another seed gives other times and noise."""
    x_0 = np.zeros((64, 2))
    draws = [impl.training_draw(STEEP, x_0, seed) for seed in (0, 0, 1, 1)]
    for which in ("t", "noise", "x_t"):
        a, again, b, b_again = (getattr(each, which) for each in draws)
        assert np.array_equal(a, again), f"seed 0 gave two different {which}"
        assert np.array_equal(b, b_again), f"seed 1 gave two different {which}"
        assert not np.array_equal(a, b), f"seeds 0 and 1 gave the same {which}"


def test_global_state_is_not_modified(impl: Implementation):
    """Neither the mathematics nor seeded draws change a global generator or default."""
    spec = SamplingSpec(STEEP, "fixed_small", (4, 2, 0), lambda x_t, t: x_t)
    before = impl.global_state()
    for call in CALLS.values():
        with suppress(*NOT_ANSWERED):  # a method that is not offered changes nothing
            call(impl, SCALARS)
    with suppress(*NOT_ANSWERED):
        impl.training_draw(STEEP, np.zeros((4, 2)), 3)
    with suppress(*NOT_ANSWERED):
        impl.draw_samples(spec, (4, 2), 3)
    assert impl.global_state() == before


@pytest.mark.parametrize("method", LINEAR)
def test_dtype_and_device_follow_the_input(impl: Implementation, method):
    """The output has the dtype and device of the input sample."""
    for kind in product(["float64", "float32", "bfloat16", "float16"], ["cpu", "meta"]):
        assert impl.output_dtype_and_device(method, *kind) == kind


@pytest.mark.convention
@pytest.mark.parametrize("timestep", [-1, len(STEEP) + 1])
@pytest.mark.parametrize("method", ["q_marginal", "q_sample"])
def test_timesteps_out_of_range_are_refused(impl: Implementation, method, timestep):
    """t = -1 must not wrap around to T, and T + 1 is not a timestep: both raise an error."""
    case = Case(STEEP, times(0), times(timestep), np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        CALLS[method](impl, case)


def times(timestep: int) -> Times:
    return np.array([timestep], np.int64)
