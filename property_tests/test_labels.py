"""Labels given as an argument reach the denoiser at every evaluation, each with its own sample."""

import numpy as np
import pytest

from .calls.call import arrays, same
from .calls.inputs import IMAGE, PAIRS, VISITED, Inputs, conditional, inputs, tape
from .protocol import SAMPLERS, Array, Denoiser, Implementation, Labelled, SamplingSpec, Times

ORACLE = "the same denoiser with its labels filled in, bit for bit"
ALL = (4, 3, 2, 1, 0)


class Recorded:
    """A conditional denoiser that checks its labels; `with_jacobian` for the probability flow."""

    def __init__(self, with_jacobian: bool = False) -> None:
        self.with_jacobian = with_jacobian
        self.evaluated = 0

    def __call__(self, x_t: Array, t: int, labels: Times | None) -> Array:
        assert labels is not None, f"no labels at t = {t}"
        assert np.array_equal(labels, inputs().labels), f"labels {labels} at t = {t}"
        self.evaluated += 1
        return linear(x_t, t, labels) if self.with_jacobian else conditional(x_t, t, labels)


def linear(x_t: Array, t: int, labels: Times) -> tuple[Array, Array]:
    factor = (labels + 1.0) / 8
    jacobian = factor[:, None, None] * np.eye(int(np.prod(IMAGE)))
    return x_t * factor.reshape(-1, 1, 1, 1), jacobian


def spec(c: Inputs, sampler: str, denoiser: Denoiser) -> SamplingSpec:
    return SamplingSpec(c.betas, sampler, ALL, denoiser)


CALLS = {
    "sample": lambda impl, c, d: [
        impl.sample(spec(c, each, d), c.x, [*tape(c), c.x]) for each in SAMPLERS
    ],
    "trajectory": lambda impl, c, d: [
        impl.trajectory(spec(c, each, d), c.x, [*tape(c), c.x]) for each in SAMPLERS
    ],
    "draw_samples": lambda impl, c, d: [
        impl.draw_samples(spec(c, each, d), c.x.shape, 3) for each in SAMPLERS
    ],
    "encode": lambda impl, c, d: [impl.encode(spec(c, "ddim", d), c.x, t) for t in (0, 1)],
    "vlb_of_denoiser": lambda impl, c, d: [
        impl.vlb_of_denoiser(c.betas, "fixed_large", c.x, d, [c.noise] * 4, None, times)
        for times in (ALL, VISITED)
    ],
    "probability_flow": lambda impl, c, d: [
        impl.probability_flow(c.betas, c.x, d, None, times) for times in (ALL, VISITED)
    ],
    "flow_log_density": lambda impl, c, d: [
        impl.flow_log_density(c.betas, c.x, d, np.stack([c.y, c.noise]), ALL)
    ],
}


@pytest.mark.complete
@pytest.mark.parametrize("method", CALLS)
def test_labels_reach_every_evaluation(impl: Implementation, method):
    """Eq. guidance.guess and ddim.step with labels, along all timesteps and along some."""
    c, flow = inputs(), "flow" in method
    recorded = Recorded(flow)
    filled = Recorded(flow)
    got = arrays(CALLS[method](impl, c, Labelled(recorded, c.labels)))
    want = arrays(CALLS[method](impl, c, lambda x, t: filled(x, t, c.labels)))
    same(got, want, f"{method} with labels")
    assert recorded.evaluated == filled.evaluated >= len(PAIRS) - 4
