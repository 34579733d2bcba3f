"""Where gradients stop: data of the hybrid loss, trajectories, flows and measured scales."""

from typing import Any

import numpy as np
import pytest

from .differentiable import (
    GREY,
    SMOOTH,
    TWICE,
    VAR,
    X,
    Y,
    Z,
    cotangents_like,
    evaluate,
    name_of,
    waves,
)
from .protocol import SAMPLERS, Array, Gaussian, Implementation, SamplingSpec
from .statistics.precisions import in_each_precision
from .statistics.tolerances import check_largest
from .strategies import STEEP

ORACLE = "the answers without gradients, bit for bit; quotients of the posterior's divergence"

HYBRID = "objective, hybrid"


def test_gradients_of_the_hybrid_loss_to_its_data(impl: Implementation):
    """Eq. learned-variance.hybrid: through the posterior alone, since the mean is detached.

    Quotients and tolerance as in `test_gradients`, at timesteps whose posterior has a variance.
    """
    t, h, along = np.array([2, 3]), 2.0**-9, waves(*X.shape, phase=6.0)
    value, raw = np.split(TWICE, 2, axis=1)
    x0_hat = impl.convert(STEEP, "v", "x0", value, Z, t)
    reverse = impl.learned_kernel(STEEP, x0_hat, Z, (raw + 1) / 2, t - 1, t)
    arguments = STEEP, "hybrid", "v", None, TWICE, X, Y, Z, t, None
    found = impl.differentiate("objective", arguments, [np.zeros(2), np.ones(2)])
    for gradient, at in zip(found.gradients[2:4], ((1, 0), (0, 1)), strict=True):

        def bound(step: float, at=at) -> float:
            x_0, x_t = (x + step * move * along for x, move in zip((Y, Z), at, strict=True))
            kl = impl.gaussian_kl(impl.q_posterior(STEEP, x_0, x_t, t - 1, t), reverse)
            return float(0.001 * len(STEEP) * kl.sum() / X[0].size)

        want = (8 * (bound(h) - bound(-h)) - (bound(2 * h) - bound(-2 * h))) / (12 * h)
        size = abs(bound(0)) + float(np.abs(gradient * along).sum())
        got = np.float64((gradient * along).sum())
        check_largest("derivative of the hybrid loss", got, np.float64(want), 2.0**-24 * size)


def test_stopped_gradients_do_not_change_the_values(impl: Implementation):
    """Eq. learned-variance.hybrid; `test_learned_variance` has its gradients."""
    plain = evaluate(impl, HYBRID, SMOOTH[HYBRID].samples)
    arguments = SMOOTH[HYBRID].arguments(*SMOOTH[HYBRID].samples)
    found = impl.differentiate(name_of(HYBRID), arguments, cotangents_like(*plain))
    for output, value in zip(found.outputs, plain, strict=True):
        assert np.array_equal(output, value), "the loss differs where a gradient flows"


@pytest.mark.parametrize("grey_levels", [None, 17])
@pytest.mark.parametrize("weight", [0.001, 2.0])
def test_bound_of_any_weight_trains_the_variance_alone(impl: Implementation, weight, grey_levels):
    """Eq. learned-variance.hybrid: no gradient to the mean, and 1 to the losses, decoder included.

    That of the variance is `weight` times that at weight 1.
    """
    losses, t = np.float64([0.5, 2.0]), np.array([1, 3])
    x_0 = X if grey_levels is None else GREY

    def gradients(weight: float) -> list[Array]:
        arguments = STEEP, losses, x_0, Y, t, Gaussian(Z, VAR), grey_levels, weight
        return impl.differentiate("hybrid_of_weight", arguments, [np.ones(2)]).gradients

    (of_losses, _, _, of_mean, of_var), unit = gradients(weight), gradients(1.0)[-1]
    assert (of_losses == 1).all()
    assert not of_mean.any(), "a gradient flows to the mean"
    assert of_var.any(), "no gradient flows to the variance"
    allowed = 16 * impl.unit_roundoff * weight * float(np.abs(unit).max())
    check_largest("gradient of the variance", of_var, weight * unit, allowed)


def denoiser(x_t: Array, t: int) -> Array:
    return x_t / 2 + t


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_sampling_carries_no_gradient(impl: Implementation, sampler):
    """A trajectory records no graph, since memory would grow with every step; it is the same."""
    spec = SamplingSpec(STEEP, sampler, (4, 2, 1, 0), denoiser)
    plain = impl.trajectory(spec, X, [Y, X])
    reported = impl.differentiate("trajectory", (spec, X, [Y, X]), cotangents_like(*plain))
    for output, value in zip(reported.outputs, plain, strict=True):
        assert np.array_equal(output, value), "the trajectories differ"
    found = impl.differentiate("sample", (spec, X, [Y, X]), cotangents_like(X))
    assert np.array_equal(found.outputs[0], plain.states[-1]), "the samples differ"
    for i, gradient in enumerate(found.gradients):
        assert not gradient.any(), f"a gradient flows to sample {i}"


def plain_calls() -> dict[str, tuple[str, tuple[Any, ...]]]:
    """Return the methods whose answers are numbers without a graph, with arguments."""
    flow = STEEP, X, lambda x, t: (x / 2, np.stack([np.eye(12) / 2] * 2)), None, (4, 3, 2, 1, 0)
    specs = {each: SamplingSpec(STEEP, each, (4, 2, 1, 0), denoiser) for each in SAMPLERS}
    return {
        **{f"sample, {name}": ("sample", (spec, X, [Y, X])) for name, spec in specs.items()},
        "draw_samples": ("draw_samples", (specs["fixed_small"], (2, 3), 3)),
        "encode": ("encode", (specs["ddim"], X, 0)),
        "probability_flow": ("probability_flow", flow),
        "flow_log_density": ("flow_log_density", flow),
        "latent_scale": ("latent_scale", (X,)),
        "ema": ("ema", (0.5, X.reshape(4, 6), Y.reshape(4, 6))),
    }


@pytest.mark.parametrize("name", plain_calls())
def test_answers_are_plain_numbers(impl: Implementation, name):
    """They carry no graph, and a caller may use them in a graph of its own."""
    assert impl.gives_plain_numbers(*plain_calls()[name]), name


def test_inversion_carries_no_gradient(impl: Implementation):
    """Eq. ddim.invert is evaluated without a graph, too."""
    spec = SamplingSpec(STEEP, "ddim", (4, 2, 0), denoiser)
    found = impl.differentiate("encode", (spec, X, 0), cotangents_like(X))
    assert np.array_equal(found.outputs[0], impl.encode(spec, X, 0)), "the states differ"
    assert not any(each.any() for each in found.gradients)


@pytest.mark.complete
@pytest.mark.parametrize("method", ["probability_flow", "flow_log_density"])
def test_flow_carries_no_gradient(impl: Implementation, method):
    """Eq. probability-flow.step: the denoiser is differentiated, the flow is not."""

    def linear(x_t: Array, t: int) -> tuple[Array, Array]:
        size = x_t[0].size
        return x_t / 2, np.stack([np.eye(size) / 2] * len(x_t))

    for probes in (None, np.stack([X, Y])):
        arguments = STEEP, X, linear, probes, (4, 3, 2, 1, 0)
        for at in in_each_precision(impl):
            plain = getattr(at.impl, method)(*arguments)
            found = at.impl.differentiate(method, arguments, cotangents_like(*plain))
            for output, value in zip(found.outputs, plain, strict=True):
                assert np.array_equal(output, value), f"{method} differs where a gradient flows"
            assert not any(each.any() for each in found.gradients)


def test_latent_scale_carries_no_gradient(impl: Implementation):
    """Eq. latent.shift and latent.spread: measured numbers, the same from every dtype."""
    plain = impl.latent_scale(X)
    for at in in_each_precision(impl):
        assert all(map(np.array_equal, at.impl.latent_scale(X), plain))
        found = at.impl.differentiate("latent_scale", (X,), cotangents_like(*plain))
        assert all(map(np.array_equal, found.outputs, plain))
        assert not found.gradients[0].any()
