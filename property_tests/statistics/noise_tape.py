"""The noise tape: unit vectors in place of noise read off what an affine map does, exactly.

With a denoiser that is affine in x_t a sampler is an affine map of (x_T, noise of the first step,
noise of the second, ...). If those are standard normal, the map alone fixes the mean and covariance
of its output: nothing is drawn, so nothing is left to chance.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..protocol import Array

Sample = Callable[[Array, list[Array]], Array]
"""(x_T, one array of noise for each draw), both (batch, *event), to the output of that shape."""


class Moments(NamedTuple):
    """Of the flattened event: the mean and the covariance matrix."""

    mean: Array
    covariance: Array


def moments(sample: Sample, event: tuple[int, ...], draws: int, batch: int) -> Moments:
    """The exact moments of the output for standard normal x_T and noise.

    Probes go through it `batch` rows at a time, so that a coefficient along the wrong axis
    meets a batch of the length of that axis.
    """
    size = int(np.prod(event))
    inputs = (draws + 1) * size
    probes = np.zeros((inputs + 1, draws + 1, size))
    probes[1:] = np.eye(inputs).reshape(inputs, draws + 1, size)
    missing = -len(probes) % batch
    probes = np.concatenate([probes, np.zeros((missing, draws + 1, size))])
    out = []
    for rows in np.split(probes, len(probes) // batch):
        noises = [rows[:, i].reshape(batch, *event).copy() for i in range(draws + 1)]
        out.append(sample(noises[0], noises[1:]).reshape(batch, size))
    seen = np.concatenate(out)[: inputs + 1]
    columns = seen[1:] - seen[0]
    return Moments(seen[0], columns.T @ columns)
