"""Stochastic solvers that ddpm_core does not have: every state of a run with given noise."""

from functools import partial
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given

from .chains.output_distributions import paths
from .oracles import exact
from .oracles.exact import mp
from .oracles.stochastic import Run, gamma, states
from .protocol import CHURN, STOCHASTIC, Array, Implementation, SamplingSpec
from .protocol.contract import NOT_OFFERED
from .statistics.tolerances import allowance, check, elements
from .strategies import LONG, PRODUCTION, known

ORACLE = "the sum of each step's terms in 60 digits"

HUNDRED = known("HUNDRED", np.linspace(1e-3, 0.1, 100).tolist())
CHURNS = (0.75, 40.0)  # below and above the largest that a step may have
NEAR = 0.01  # of log sigma, by which the timestep of an evaluation may be off


def check_states(impl: Implementation, run: Run) -> None:
    """Compare each state at which the denoiser is evaluated, and x_0, with the exact ones.

    An error of 8 u kappa in each term of a step, twice, adds up over the steps; the difference of
    two squares of sigma loses 1 / gamma more.
    """
    N = len(run.times) - 1
    numbers = np.cos(np.arange(2.0 * (4 * N + 1))).astype(np.float32)  # exact in any precision
    x_T, *others = numbers.astype(np.float64).reshape(4 * N + 1, 2, 1)
    noises, predictions = others[: N if run.sampler in CHURN else N - 1], others[N:]
    seen: list[tuple[float, Array]] = []

    def denoiser(x_t: Array, t: float) -> Array:
        seen.append((t, x_t.copy()))
        return predictions[len(seen) - 1].copy()

    spec = SamplingSpec(run.betas, run.sampler, run.times, denoiser)
    spec = spec._replace(churn=run.churn, noise_scale=run.noise_scale)
    x_0 = impl.sample(spec, x_T, noises)
    kappa = sum(exact.kappa(run.betas, s, t) for t, s in pairwise(run.times))
    kappa += N / gamma(run) if run.churn else 0
    unit = allowance(impl.unit_roundoff, kappa, times=2)
    found = [*seen, (0, x_0)]
    for where in elements(x_0):
        values = ([each[where] for each in part] for part in (predictions, noises))
        want = [*states(run, x_T[where], *values)]
        assert len(want) == len(found), f"{len(seen)} evaluations, not {len(want) - 1}"
        for (t, x_t), state in zip(found, want, strict=True):
            check(f"x_{t:g}", where, x_t, state.x.exact, unit * state.x.size)
    for (t, _), state in zip(seen, want, strict=False):
        at = exact.marginal(run.betas, min(t, len(run.betas)))
        off = mp.log(state.sigma * at.scale / mp.sqrt(at.var))
        beyond = t >= len(run.betas)  # no timestep has a larger sigma
        assert off > -NEAR if beyond else abs(off) < NEAR, f"sigma at t = {t} is {state.sigma}"


def runs_of(sampler: str) -> list[partial[Run]]:
    """Return the options of a sampler."""
    churns = CHURNS if sampler in CHURN else (0.0,)
    return [partial(Run, sampler=sampler, churn=each, noise_scale=1.0625) for each in churns]


@pytest.mark.elsewhere
@pytest.mark.parametrize("sampler", STOCHASTIC)
@given(case=paths)
@example(case=(PRODUCTION, LONG))
def test_states_have_the_exact_mean_and_noise(impl: Implementation, sampler, case):
    """Every state is the exact sum of x_T, predictions and noises: its mean and its variance."""
    for run in runs_of(sampler):
        check_states(impl, run(betas=case[0], times=case[1]))


@pytest.mark.elsewhere
@pytest.mark.parametrize("steps", [2, 7, 33])
@pytest.mark.parametrize("sampler", STOCHASTIC)
def test_own_timesteps_have_the_exact_mean_and_noise(impl: Implementation, sampler, steps):
    """The same for implementations that choose the timesteps themselves."""
    times = impl.own_timesteps(HUNDRED, sampler, steps)
    if any(t != int(t) for t in times):
        pytest.skip(f"{NOT_OFFERED}timesteps that are integers")
    for run in runs_of(sampler):
        check_states(impl, run(betas=HUNDRED, times=times))
