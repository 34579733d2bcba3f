"""Properties of every method: independent samples, unmodified arguments, reproducible seeds."""

from collections.abc import Callable
from contextlib import suppress
from itertools import product

import numpy as np
import pytest
from hypothesis import given

from .protocol import Array, Implementation, SamplingSpec, Times
from .strategies import SCALARS, STEEP, Case, cases

Call = Callable[[Implementation, Case], tuple[Array, ...]]

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


@pytest.mark.parametrize("method", CALLS)
@given(case=cases())
def test_samples_of_a_batch_are_independent(impl: Implementation, method, case: Case):
    """f(batch)[i] == f(batch[i : i + 1]) bit for bit, also for shapes with batch == width."""
    whole = CALLS[method](impl, case)
    for i in range(len(case.t)):
        row = Case(case.betas, *(each[i : i + 1] for each in case[1:]))
        for all_rows, alone in zip(whole, CALLS[method](impl, row), strict=True):
            assert np.array_equal(all_rows[i : i + 1], alone), f"{method}: row {i} is not alone"


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
    assert np.array_equal(after[0], factor * before[0])
    assert all(np.array_equal(a, b) for a, b in zip(after[1:], before[1:], strict=True))


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
        with suppress(pytest.skip.Exception):  # a method that is not offered changes nothing
            call(impl, SCALARS)
    with suppress(pytest.skip.Exception):
        impl.training_draw(STEEP, np.zeros((4, 2)), 3)
    with suppress(pytest.skip.Exception):
        impl.draw_samples(spec, (4, 2), 3)
    assert impl.global_state() == before


@pytest.mark.parametrize("method", LINEAR)
def test_dtype_and_device_follow_the_input(impl: Implementation, method):
    """The output has the dtype and device of the input sample."""
    for kind in product(["float64", "float32", "bfloat16", "float16"], ["cpu", "meta"]):
        assert impl.output_dtype_and_device(method, *kind) == kind


@pytest.mark.parametrize("timestep", [-1, len(STEEP) + 1])
@pytest.mark.parametrize("method", ["q_marginal", "q_sample"])
def test_timesteps_out_of_range_are_refused(impl: Implementation, method, timestep):
    """t = -1 must not wrap around to T, and T + 1 is not a timestep: both raise an error."""
    case = Case(STEEP, times(0), times(timestep), np.zeros((1, 2)), np.zeros((1, 2)))
    with pytest.raises((ValueError, IndexError, RuntimeError)):
        CALLS[method](impl, case)


def times(timestep: int) -> Times:
    return np.array([timestep], np.int64)
