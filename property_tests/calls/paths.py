"""Calls of the methods on Gaussian paths, in place of a schedule."""

from collections.abc import Iterator

import numpy as np

from ..protocol import (
    GAUSSIAN_PATHS,
    PATH_PREDICTIONS,
    SAMPLERS,
    GaussianPath,
    Implementation,
    SamplingSpec,
)
from .call import Thunk
from .inputs import VISITED, Inputs, denoiser, network, tape

PATH = GaussianPath(
    times=(0.0, 0.25, 0.5, 1.0, 2.0),
    alpha=(1.0, 2.0, 0.75, 1.0, 0.25),
    sigma=(0.0, 0.5, 0.5, 4.0, 8.0),
    alpha_dot=(0.0, -1.0, -0.5, -2.0, -0.25),
    sigma_dot=(0.0, 1.0, 3.0, 0.5, 2.0),
)


def standard_path(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in GAUSSIAN_PATHS:
        yield lambda n=name: [
            np.float64(table) for table in vars(impl.standard_path(n, (0.25, 0.5))).values()
        ]


def path_schedule(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.path_schedule(PATH)


def path_sample(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.path_sample(PATH, c.x, c.t, c.noise)
    yield lambda: impl.path_sample(PATH, c.x, c.s, c.noise)


def path_target(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PATH_PREDICTIONS:
        yield lambda n=name: impl.path_target(PATH, n, c.x, c.noise, c.t)


def path_convert(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PATH_PREDICTIONS:
        for other in PATH_PREDICTIONS:
            yield lambda n=name, m=other: impl.path_convert(PATH, n, m, c.x, c.y, c.t)


def path_posterior(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    yield lambda: impl.path_posterior(PATH, c.x, c.y, c.s, c.t)


def path_run(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for sampler in SAMPLERS:
        spec = SamplingSpec(PATH, sampler, VISITED, denoiser)
        yield lambda each=spec: impl.path_run(each, c.x, tape(c))


def path_denoised(impl: Implementation, c: Inputs) -> Iterator[Thunk]:
    for name in PATH_PREDICTIONS:
        for labels in (None, c.labels):
            for t in (c.t, 3):
                yield lambda n=name, t=t, y=labels: impl.path_denoised(PATH, n, network, c.x, t, y)
