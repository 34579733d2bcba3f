"""The law of a whole chain on Gaussian data, of any sampler: noise tape against recursion."""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from ..oracles import chains, exact, gaussian
from ..oracles import schedules as levels
from ..protocol import SOLVERS, Betas, Chain, Denoiser, Implementation
from ..statistics.noise_tape import moments
from ..statistics.tolerances import check_largest
from ..strategies import schedules

EVENTS = ((), (2,), (2, 2, 2))  # probed in batches of 2: batch == axis
X_T = np.float64([[0.5, -1.25], [2.0, 0.375]])  # two samples of two numbers

# At most 30 steps, each a product with an 8 x 8 matrix (16 roundings an entry) behind a solve whose
# condition is at worst that of C, 104. The recursion rounds in float64, the chain in its own
# precision: 1.1e-11 in float64, 3e-3 in float32. A coefficient's own error is absolute, some
# 5 u |L_t| (see tolerances.py), and |L_t| <= 17 here: less by far. A wrong index moves STEEP by
# more than 1e-2. The solvers' h is a sum of positive terms of 8 u kappa, and two of them meet in a
# step; what their sums are made of may be larger than what comes out, which the oracle says.
ROUNDINGS = 30 * 16 * 104
FLOAT64 = 2.0**-53


def gaussian_data(event: tuple[int, ...]) -> gaussian.MultivariateGaussian:
    """A mean that differs from entry to entry and a covariance that is not diagonal."""
    size = int(np.prod(event))
    root = np.cos(np.arange(size * size, dtype=float)).reshape(size, size) / 2
    return gaussian.MultivariateGaussian(
        np.linspace(-1.0, 1.5, size), root @ root.T + 0.05 * np.eye(size)
    )


def denoiser_of(betas: Betas, data: gaussian.MultivariateGaussian) -> Denoiser:
    return lambda x_t, t: gaussian.denoiser(betas, data, t)(x_t)


def ladders(T: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Any falling times that end in 0, whether they start at T or not."""
    levels = st.sets(st.integers(1, T), min_size=1)
    return levels.map(lambda some: (*sorted(some, reverse=True), 0))


paths = schedules.flatmap(lambda betas: st.tuples(st.just(betas), ladders(len(betas))))


def check_law(
    impl: Implementation,
    sampler: str,
    eta: float,
    event: tuple[int, ...],
    betas: Betas,
    times: tuple[int, ...],
) -> None:
    """Mean and covariance of what the chain puts out, with the optimal denoiser."""
    chain = Chain(betas, sampler, times, denoiser_of(betas, gaussian_data(event)), eta)
    kappas = (exact.kappa(betas, s, t) for t, s in pairwise(times))
    _check(impl, chain, event, chains.Path(betas, sampler, times, eta), kappas)


def check_law_from_zero_snr(
    impl: Implementation, sampler: str, betas: Betas, times: tuple[int, ...]
) -> None:
    """The same from the last level of the schedule, rescaled so that no signal is left there."""
    before = levels.from_betas(betas)
    after = levels.with_zero_terminal_snr(before)
    rescaled = tuple(1 - here / above for above, here in pairwise(after))
    times = times if times[0] == len(betas) else (len(betas), *times)
    denoise = denoiser_of(rescaled, gaussian_data((2,)))
    chain = Chain(betas, sampler, times, denoise, zero_terminal=True)
    kappas = (levels.kappa_zero_terminal(before, after, s, t) for t, s in pairwise(times))
    _check(impl, chain, (2,), chains.Path(rescaled, sampler, times), kappas)


def _check(
    impl: Implementation,
    chain: Chain,
    event: tuple[int, ...],
    path: chains.Path,
    kappas: Iterable[float],
) -> None:
    got = moments(partial(impl.sample, chain), event, draws=len(path.times) - 2, batch=2)
    want = chains.output_distribution(path, gaussian_data(event))
    scale, roundings = np.sqrt(np.abs(np.diag(want.covariance)).max()), ROUNDINGS
    if chain.sampler in SOLVERS:
        scale, roundings = want.size, ROUNDINGS + 16 * max(map(float, kappas))
    relative = roundings * (FLOAT64 + impl.unit_roundoff)
    check_largest("mean", got.mean, want.mean, relative * (scale + np.abs(want.mean).max()))
    check_largest("covariance", got.covariance, want.covariance, relative * scale**2)
