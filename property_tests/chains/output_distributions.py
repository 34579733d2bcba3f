"""Check of a sampler's exact output distribution on Gaussian data, by noise tape and recursion."""

from collections.abc import Iterable
from functools import partial
from itertools import pairwise

import numpy as np
from hypothesis import strategies as st

from ..oracles import chains, exact, gaussian, gaussian_paths
from ..oracles import schedules as exact_schedules
from ..protocol import SOLVERS, Betas, Denoiser, GaussianPath, Implementation, Process, SamplingSpec
from ..statistics.noise_tape import moments
from ..statistics.tolerances import check_largest
from ..strategies import schedules

EVENTS = ((), (2,), (2, 2, 2))  # probed in batches of 2: batch == axis
X_T = np.float64([[0.5, -1.25], [2.0, 0.375]])  # two samples of two elements

# At most 30 steps, each a product with an 8 x 8 matrix (16 roundings per entry) after a solve whose
# condition number is at most that of C, 104. The recursion rounds in float64, the sampler in its
# own precision: 1.1e-11 in float64, 3e-3 in float32. The error of a coefficient is absolute, about
# 5 u |L_t| (see tolerances.py) with |L_t| <= 17 here: much smaller. A wrong index changes STEEP by
# more than 1e-2. The solvers' h is a sum of positive terms with errors of 8 u kappa, two of which
# occur in a step; the oracle reports the size of the terms, which may exceed that of the result.
ROUNDINGS = 30 * 16 * 104
FLOAT64 = 2.0**-53


def gaussian_data(event: tuple[int, ...]) -> gaussian.MultivariateGaussian:
    """Return Gaussian data with unequal means and a covariance matrix that is not diagonal."""
    size = int(np.prod(event))
    root = np.cos(np.arange(size * size, dtype=float)).reshape(size, size) / 2
    return gaussian.MultivariateGaussian(
        np.linspace(-1.0, 1.5, size), root @ root.T + 0.05 * np.eye(size)
    )


def denoiser_of(betas: Process, data: gaussian.MultivariateGaussian) -> Denoiser:
    return lambda x_t, t: gaussian.denoiser(betas, data, t)(x_t)


def decreasing_timesteps(T: int) -> st.SearchStrategy[tuple[int, ...]]:
    """Draw decreasing timesteps that end at 0 and start at any timestep."""
    some = st.sets(st.integers(1, T), min_size=1)
    return some.map(lambda each: (*sorted(each, reverse=True), 0))


paths = schedules.flatmap(lambda betas: st.tuples(st.just(betas), decreasing_timesteps(len(betas))))


def check_output_distribution(
    impl: Implementation,
    sampler: str,
    eta: float,
    event: tuple[int, ...],
    betas: Process,
    times: tuple[int, ...],
) -> None:
    """Check the mean and covariance of the output, with the optimal denoiser."""
    spec = SamplingSpec(betas, sampler, times, denoiser_of(betas, gaussian_data(event)), eta)
    kappa = gaussian_paths.kappa if isinstance(betas, GaussianPath) else exact.kappa
    kappas = (kappa(betas, s, t) for t, s in pairwise(times))
    _check(impl, spec, event, chains.Path(betas, sampler, times, eta), kappas)


def check_output_distribution_from_zero_snr(
    impl: Implementation, sampler: str, betas: Betas, times: tuple[int, ...]
) -> None:
    """Check the same from the last timestep of a schedule rescaled to zero terminal SNR."""
    before = exact_schedules.from_betas(betas)
    after = exact_schedules.with_zero_terminal_snr(before)
    rescaled = tuple(1 - here / above for above, here in pairwise(after))
    times = times if times[0] == len(betas) else (len(betas), *times)
    denoise = denoiser_of(rescaled, gaussian_data((2,)))
    spec = SamplingSpec(betas, sampler, times, denoise, zero_terminal=True)
    kappas = (exact_schedules.kappa_zero_terminal(before, after, s, t) for t, s in pairwise(times))
    _check(impl, spec, (2,), chains.Path(rescaled, sampler, times), kappas)


def _check(
    impl: Implementation,
    spec: SamplingSpec,
    event: tuple[int, ...],
    path: chains.Path,
    kappas: Iterable[float],
) -> None:
    run = impl.path_run if isinstance(spec.betas, GaussianPath) else impl.sample
    got = moments(partial(run, spec), event, draws=len(path.times) - 2, batch=2)
    want = chains.output_distribution(path, gaussian_data(event))
    scale, roundings = np.sqrt(np.abs(np.diag(want.covariance)).max()), ROUNDINGS
    if spec.sampler in SOLVERS:
        scale, roundings = want.size, ROUNDINGS + 16 * max(map(float, kappas))
    relative = roundings * (FLOAT64 + impl.unit_roundoff)
    check_largest("mean", got.mean, want.mean, relative * (scale + np.abs(want.mean).max()))
    check_largest("covariance", got.covariance, want.covariance, relative * scale**2)
