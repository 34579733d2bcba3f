"""A denoiser made of a network: one evaluation, converted to a prediction of x_0."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from .calls.call import reused
from .oracles import chains, exact
from .oracles.exact import mpf
from .protocol import (
    PRECISIONS,
    PREDICTIONS,
    Array,
    Implementation,
    SamplingSpec,
    Times,
    exact_in,
)
from .statistics.precisions import in_each_precision
from .statistics.tolerances import allowance, check, elements, equal
from .strategies import EARLY, STEEP, Case, cases

ORACLE = "the definitions of x_t, v and score, solved in 60 digits"

FIRST_ORDER = ("fixed_small", "fixed_large", "ddim", "dpm++1")


BFLOAT16 = next(each for each in PRECISIONS if each.name == "bfloat16")
ends = st.integers(-16, 8).map(lambda eighths: eighths / 8)  # exact in every dtype


class Recorded:
    """A network that returns `output` and records what it is evaluated at."""

    def __init__(self, output: Array) -> None:
        self.output = output
        self.evaluated: list[tuple[Array, Times, Times | None]] = []

    def __call__(self, x_t: Array, t: Times, labels: Times | None) -> Array:
        self.evaluated.append((x_t.copy(), t.copy(), None if labels is None else labels.copy()))
        return self.output


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=cases(), labelled=st.booleans(), single=st.booleans())
@example(case=EARLY, labelled=True, single=False)
@example(case=EARLY, labelled=False, single=True)
def test_the_network_is_evaluated_once_and_converted(
    impl: Implementation, name: str, case: Case, labelled: bool, single: bool
):
    """Eq. losses.eps-hat and losses.v-hat, solved for the prediction of x_0; an int t counts for
    every sample."""
    betas, _, t, output, x_t = case
    labels = np.arange(len(t)) if labelled else None
    t = np.full_like(t, t[0]) if single else t
    for at in in_each_precision(impl):
        network = Recorded(output)
        given_t = int(t[0]) if single else t
        got, interpolation = at.impl.denoised(betas, name, network, x_t, given_t, labels, False)
        assert interpolation.size == 0
        ((seen_x, seen_t, seen_labels),) = network.evaluated
        assert np.array_equal(seen_x, x_t)
        assert seen_t.dtype == np.int64
        assert np.array_equal(seen_t, t)
        assert (seen_labels is None) == (labels is None)
        assert labels is None or np.array_equal(seen_labels, labels)
        for where in elements(got):
            timestep = int(t[where[0]])
            want = exact.convert(betas, name, "x0", output[where], x_t[where], timestep)
            kappa = mpf(0) if name == "x0" else exact.kappa(betas, 0, timestep)
            at.check("x0_hat", where, got, want, kappa)


@given(case=cases().filter(lambda case: case.first.ndim > 1))
@example(case=EARLY._replace(first=EARLY.first[:, None], second=EARLY.second[:, None]))
def test_a_learned_variance_is_the_second_half_of_the_channels(impl: Implementation, case: Case):
    """Eq. learned-variance.range: -1..1 become the ends 0..1 of the interpolation."""
    betas, _, t, value, x_t = case
    said = np.roll(value, 1) / 4
    network = Recorded(np.concatenate([value, said], axis=1))
    for at in in_each_precision(impl):
        got, interpolation = at.impl.denoised(betas, "x0", network, x_t, t, None, True)
        assert equal(got, value)
        unit = at.precision.rounding if at.precision else impl.unit_roundoff
        assert (np.abs(interpolation - (said + 1) / 2) <= 4 * unit).all()


@pytest.mark.parametrize("name", PREDICTIONS)
@given(case=cases())
@example(case=EARLY)
def test_a_network_of_another_precision_changes_only_its_own_input(
    impl: Implementation, name: str, case: Case
):
    """Eq. losses.eps-hat at x_t itself, although the network is given x_t rounded.

    x_t has twice the digits of bfloat16, and the network's output has those of bfloat16.
    """
    betas, _, t, output, x_t = case
    x_t = x_t + 2.0**-12 * output
    for at in in_each_precision(impl)[:2]:  # float64 and float32, which have these digits
        at.impl.denoised_in("float32", betas, name, Recorded(output), x_t, t)
        network = Recorded(output)
        got = at.impl.denoised_in("bfloat16", betas, name, network, x_t, t)
        ((seen, seen_t, _),) = network.evaluated
        assert exact_in(seen, BFLOAT16)
        assert (np.abs(seen - x_t) <= BFLOAT16.rounding * np.abs(x_t) + BFLOAT16.smallest).all()
        assert np.array_equal(seen_t, t)
        for where in elements(got):
            timestep = int(t[where[0]])
            want = exact.convert(betas, name, "x0", output[where], x_t[where], timestep)
            kappa = mpf(0) if name == "x0" else exact.kappa(betas, 0, timestep)
            at.check("x0_hat", where, got, want, kappa)


class Overwriting(Recorded):
    """A network that writes into its timesteps."""

    def __call__(self, x_t: Array, t: Times, labels: Times | None) -> Array:
        output = super().__call__(x_t, t, labels)
        t[...] = 0
        return output


def test_a_network_may_overwrite_timesteps_that_were_made_for_it(impl: Implementation):
    """An int becomes timesteps of every sample, new ones in each evaluation."""
    x_t = np.float64([[0.5], [-1.0]])
    network = Overwriting(x_t / 2)
    with reused(impl):
        for t in (3, 2, 3):
            impl.denoised(STEEP, "eps", network, x_t, t, None, False)
            assert (network.evaluated[-1][1] == t).all(), f"evaluated at {network.evaluated[-1]}"


@given(case=cases(), low=ends, width=ends.map(abs).filter(bool))
def test_clipping_changes_only_predictions_out_of_range(
    impl: Implementation, case: Case, low: float, width: float
):
    """Eq. images.range: data lie between two numbers, and so does a clipped prediction of them."""
    x0_hat, high = case.first, low + width
    for _, each in in_each_precision(impl):
        got, interpolation = each.clipped(x0_hat, low, high)
        for where in elements(x0_hat):
            assert got[where] == min(max(x0_hat[where], low), high)
        assert np.array_equal(interpolation, x0_hat)


@pytest.mark.parametrize(
    ("sampler", "eta"), [(each, 0.0) for each in FIRST_ORDER] + [("ddim", 0.7)]
)
@pytest.mark.parametrize("name", PREDICTIONS)
@given(values=st.tuples(*[st.integers(-24, 24).map(lambda eighths: eighths / 8)] * 3))
@example(values=(2.0, 1.5, -1.0))
def test_a_clipped_prediction_keeps_the_noise_that_fits_it(
    impl: Implementation, name: str, sampler: str, eta: float, values: tuple[float, float, float]
):
    """Eq. ancestral.step and ddim.step at x0_hat in [-1, 1]: the noise is solved for anew.

    What the network predicted of it fits the x0_hat before clipping.
    """
    value, x, added = values
    for s, t in ((1, 4), (2, 3), (0, 2)):
        spec = SamplingSpec(STEEP, sampler, (t, s, 0)[: 2 + (s > 0)], lambda x_t, t: x_t, eta)
        arrays = (np.float64([[each], [-each]]) for each in (value, x, added))
        output, x_t, noise = arrays
        got = impl.clipped_step(spec, name, Recorded(output), x_t, s, t, noise, -1.0, 1.0)
        coef_x0, coef_xt, var = chains.step_coefficients(
            chains.Path(STEEP, sampler, (t, s), eta), s, t
        )
        for where, sign in (((0, 0), 1), ((1, 0), -1)):
            before = exact.convert(STEEP, name, "x0", sign * value, sign * x, t)
            x0_hat = min(max(before.exact, mpf(-1)), mpf(1))
            want = coef_x0 * x0_hat + coef_xt * sign * x + exact.mp.sqrt(var) * sign * added
            size = abs(coef_x0) * before.size + abs(coef_xt * x) + abs(added)
            unit = allowance(impl.unit_roundoff, exact.kappa(STEEP, s, t), times=4)
            check("x_s", where, got, want, unit * size)
