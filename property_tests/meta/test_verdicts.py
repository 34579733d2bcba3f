"""A float32 table loses digits only, every known bug is a wrong formula, and examples count."""

from functools import partial

import numpy as np
import pytest

from ..adapters.ddpm_core import DdpmCore
from ..evidence import evidence
from ..evidence.verdict import judge, verdict_of
from ..known_bugs import BUGS, KnownBug
from ..known_bugs.run import CAUGHT, run_property_on
from ..oracles import exact
from ..oracles.table import through_a_float32_table
from ..protocol import Array, Betas, Gaussian, Times
from ..protocol.contract import Checked
from ..protocol.nouns import CONVENTION, DIGITS, FORMULA
from ..statistics.tolerances import allowance, check


class Float32Table(DdpmCore):
    """Correct formulas through a table of products in float32, as most libraries have it."""

    name, unit_roundoff = "float32 table", 2.0**-24

    def alpha_bar(self, betas: Betas) -> Array:
        factors = np.float32(1) - np.float32(betas)
        return np.append(np.float32(1), np.cumprod(factors, dtype=np.float32)).astype(np.float64)

    def _column(self, betas: Betas, t: Times, x: Array) -> Array:
        return np.float32(self.alpha_bar(betas)[t]).reshape(-1, *[1] * (x.ndim - 1))

    def q_sample(self, betas: Betas, x_0: Array, t: Times, noise: Array) -> Array:
        a = self._column(betas, t, x_0)
        return np.float64(np.sqrt(a) * np.float32(x_0) + np.sqrt(1 - a) * np.float32(noise))

    def q_marginal(self, betas: Betas, x_0: Array, t: Times) -> Gaussian:
        return self.q_step(betas, x_0, 0 * t, t)

    def q_step(self, betas: Betas, x_s: Array, s: Times, t: Times) -> Gaussian:
        a = self._column(betas, t, x_s) / self._column(betas, s, x_s)
        var = np.broadcast_to(1 - a, x_s.shape)
        return Gaussian(np.float64(np.sqrt(a) * np.float32(x_s)), np.float64(var))

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        low, high = self._column(betas, s, x_0), self._column(betas, t, x_0)
        alpha, one = high / low, np.float32(1)
        with np.errstate(invalid="ignore"):  # 0 / 0, where no digit is left
            of_x0 = np.sqrt(low) * (one - alpha) / (one - high)
            of_xt = np.sqrt(alpha) * (one - low) / (one - high)
            var = (one - alpha) * (one - low) / (one - high)
            mean = of_x0 * np.float32(x_0) + of_xt * np.float32(x_t)
        return Gaussian(np.float64(mean), np.float64(np.broadcast_to(var, x_0.shape)))


class Complement(Float32Table):
    """The coefficient of x_t as one minus another, so that it is 0 after a step of much noise."""

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        low, high = self._column(betas, s, x_0), self._column(betas, t, x_0)
        alpha, one = high / low, np.float32(1)
        with np.errstate(invalid="ignore"):  # 0 / 0, where no digit is left
            ratio = (one - alpha) / (one - high)
            of_xt = (one - ratio) / np.sqrt(alpha)
            mean = np.sqrt(low) * ratio * np.float32(x_0) + of_xt * np.float32(x_t)
        return Gaussian(np.float64(mean), super().q_posterior(betas, x_0, x_t, s, t).var)


THROUGH_THE_TABLE = [
    ("test_forward_process.py::test_sample_is_mean_plus_scaled_noise", {}),
    ("test_forward_process.py::test_marginal_is_the_composition_of_its_steps", {}),
    ("test_forward_process.py::test_kernel_is_the_composition_of_its_steps", {}),
    *(
        ("test_posterior.py::test_mean_and_variance_match_bayes", {"step": step, "part": part})
        for step in ("one step", "any")
        for part in ("mean", "var")
    ),
    ("test_contract.py::test_samples_of_a_batch_are_independent", {"method": "q_posterior"}),
]


def judged(implementation, test: str, arguments: dict) -> str:
    """Return the verdict of a check that fails on this implementation."""
    run = partial(run_property_on, lambda: Checked(implementation()), test, arguments)
    evidence.start()
    with pytest.raises(CAUGHT) as caught:
        run()
    found, _ = verdict_of(caught.value, run)
    return found


@pytest.mark.parametrize(("test", "arguments"), THROUGH_THE_TABLE)
def test_float32_table_loses_digits_only(test, arguments):
    """It fails where digits are asked for, and never as a wrong formula."""
    assert judged(Float32Table, test, arguments) == DIGITS


def test_coefficient_as_a_difference_loses_digits_only():
    """Eq. rounding.table-complement, where the difference has no digit left."""
    betas, x_0, x_t, s = (2.0**-6, 1 - 2.0**-20), np.zeros(1), np.ones(1), np.ones(1, np.int64)
    mean, _ = Complement().q_posterior(betas, x_0, x_t, s, s + 1)
    with through_a_float32_table():
        want = exact.posterior(betas, 0.0, 1.0, 1, 2).mean
        unit = allowance(2.0**-24, exact.kappa(betas, 1, 2))
    assert 0 <= mean[0] < 1e-6 < want.exact
    check("mean", (0,), mean, want.exact, unit * want.size)


class Float32Schedule(Float32Table):
    """The linear schedule from a table of products in float32, of a program in float64."""

    unit_roundoff, end = 2.0**-53, 0.02

    def schedule(self, name: str, T: int) -> Array:
        return self.alpha_bar(tuple(np.linspace(1e-4, self.end, T) * 1000 / T))


class OtherEnd(Float32Schedule):
    end = 0.03


@pytest.mark.parametrize(
    ("implementation", "verdict"), [(Float32Schedule, DIGITS), (OtherEnd, CONVENTION)]
)
def test_lost_digits_are_no_convention(implementation, verdict):
    """A check of a convention that passes with the errors of a table lost digits only."""
    test = "test_schedules.py::test_built_in_schedules_match_their_definition"
    arguments = {"T": 250, "family": "linear"}
    run = partial(run_property_on, lambda: Checked(implementation()), test, arguments)
    evidence.start()
    with pytest.raises(CAUGHT):
        judge(run, 0, convention=True)
    assert evidence.current().verdict == verdict


class WrongAtOneTimestep(Float32Table):
    """Digits lost everywhere, and a variance that is wrong by a hundredth at t = 2 alone."""

    def q_posterior(self, betas: Betas, x_0: Array, x_t: Array, s: Times, t: Times) -> Gaussian:
        mean, var = super().q_posterior(betas, x_0, x_t, s, t)
        factor = np.where(t == 2, 1.01, 1.0).reshape(-1, *[1] * (x_0.ndim - 1))
        return Gaussian(mean, var * factor)


def test_one_wrong_element_is_a_wrong_formula_whatever_digits_are_lost():
    """The first failing element loses digits; the verdict is that of a later one."""
    test = "test_posterior.py::test_mean_and_variance_match_bayes"
    for step in ("one step", "any"):
        arguments = {"step": step, "part": "var"}
        assert judged(WrongAtOneTimestep, test, arguments) == FORMULA
        assert judged(WrongAtOneTimestep, test, {**arguments, "part": "mean"}) == DIGITS


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.id)
def test_known_bug_is_a_wrong_formula(bug: KnownBug):
    """No known bug is excused by rounding."""
    assert judged(bug.implementation, bug.caught_by, bug.arguments) == FORMULA
