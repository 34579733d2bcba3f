"""The checks of stochastic solvers pass on correct ones, and fail on each injected fault."""

import pytest

from ..known_bugs.run import CAUGHT, run_property_on
from ..protocol import STOCHASTIC
from .stochastic_solvers import DIVERGING, FAULTS, Solvers

STATES = "test_stochastic_solvers.py::test_states_have_the_exact_mean_and_noise"
OWN = "test_stochastic_solvers.py::test_own_timesteps_have_the_exact_mean_and_noise"
ORDER = "test_own_timesteps.py::test_moments_converge_with_the_order_that_is_claimed"


@pytest.mark.parametrize("sampler", STOCHASTIC)
def test_correct_solver_passes(sampler):
    run_property_on(Solvers, STATES, {"sampler": sampler})
    for steps in (2, 33):
        run_property_on(Solvers, OWN, {"sampler": sampler, "steps": steps})


@pytest.mark.parametrize(("wrong", "sampler"), FAULTS)
def test_injected_fault_fails(wrong, sampler):
    with pytest.raises(CAUGHT):
        run_property_on(wrong, STATES, {"sampler": sampler})
    with pytest.raises(CAUGHT):
        run_property_on(wrong, OWN, {"sampler": sampler, "steps": 33})


def test_moments_of_correct_solvers_converge():
    run_property_on(Solvers, ORDER, {})


@pytest.mark.parametrize("wrong", DIVERGING)
def test_moments_of_wrong_solvers_do_not(wrong):
    with pytest.raises(CAUGHT, match="converges with order"):
        run_property_on(wrong, ORDER, {})
