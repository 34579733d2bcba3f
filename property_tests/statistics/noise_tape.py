"""The noise tape: unit vectors in place of noise, from which an affine map is read off exactly.

With a denoiser that is affine in x_t, a sampler is an affine map of x_T and the noise of each step.
If these are standard normal, the map determines the mean and covariance of the output. Nothing is
sampled, so there are no false alarms.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..protocol import Array

Sample = Callable[[Array, list[Array]], Array]
"""(x_T, one noise array per draw), all of shape (batch, *event), to the output of that shape."""


class Moments(NamedTuple):
    """The mean and covariance matrix of the flattened sample."""

    mean: Array
    covariance: Array


def moments(sample: Sample, event: tuple[int, ...], draws: int, batch: int) -> Moments:
    """Return the exact moments of the output for standard normal x_T and noise.

    The first `batch` rows are passed alone, so that a coefficient along the wrong axis meets a
    batch whose size equals that axis. The others are passed in one call.
    """
    size = int(np.prod(event))
    inputs = (draws + 1) * size
    probes = np.zeros((inputs + 1, draws + 1, size))
    probes[1:] = np.eye(inputs).reshape(inputs, draws + 1, size)
    out = []
    for rows in np.split(probes, [batch]):
        if len(rows):
            noises = [rows[:, i].reshape(-1, *event).copy() for i in range(draws + 1)]
            out.append(sample(noises[0], noises[1:]).reshape(-1, size))
    seen = np.concatenate(out)
    columns = seen[1:] - seen[0]
    return Moments(seen[0], columns.T @ columns)
