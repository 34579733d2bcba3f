"""The oracles do not import the code under test and agree with quadrature."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from mpmath import mp
from scipy import special

from ..chains.convergence import schedule_family
from ..oracles import bound, chains, exact, flows, gaussian, mixture, quadrature
from ..oracles.exact import mpf
from ..statistics import noise_tape
from ..strategies import STEEP

CLOSE = 1e-12  # relative; the quadratures below reach 1e-15


def density(x: float, mean: Any, var: Any) -> Any:
    return mp.exp(-((x - mean) ** 2) / (2 * var)) / mp.sqrt(2 * mp.pi * var)


@pytest.mark.parametrize(
    "module",
    [
        "bound",
        "chains",
        "exact",
        "flows",
        "gaussian",
        "mixture",
        "quadrature",
        "schedules",
        "stochastic",
    ],
)
def test_oracle_does_not_import_the_code_under_test(module):
    code = (
        f"import sys, {exact.__package__}.{module}\n"
        "assert not {'torch', 'ddpm_core.schedules'} & sys.modules.keys()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_composed_kernel_is_the_integral_over_intermediate_states():
    """q(x_2 | x_0) = integral of q(x_2 | x_1) q(x_1 | x_0) dx_1, at three points."""
    first, second, both = (exact.kernel(STEEP, *pair) for pair in ((0, 1), (1, 2), (0, 2)))
    x_0 = 0.7
    for x_2 in (-1.0, 0.2, 1.5):
        got = mp.quad(
            lambda x_1, x_2=x_2: (
                density(x_2, second.scale * x_1, second.var)
                * density(x_1, first.scale * x_0, first.var)
            ),
            [-6, 0, 6],
        )
        assert abs(got / density(x_2, both.scale * x_0, both.var) - 1) < CLOSE


@pytest.mark.parametrize(("s", "t"), [(1, 2), (1, 4), (2, 3)])
def test_posterior_matches_quadrature(s, t):
    prior, measured = exact.kernel(STEEP, 0, s), exact.kernel(STEEP, s, t)
    x_0, x_t = 0.7, -0.4

    def weight(x: Any) -> Any:
        return density(x, prior.scale * x_0, prior.var) * density(
            x_t, measured.scale * x, measured.var
        )

    mass, first, second = (mp.quad(lambda x, k=k: x**k * weight(x), [-8, 0, 8]) for k in range(3))
    want = exact.posterior(STEEP, x_0, x_t, s, t)
    assert abs(first / mass / want.mean.exact - 1) < CLOSE
    assert abs((second / mass - (first / mass) ** 2) / want.var - 1) < CLOSE


def test_gaussian_denoiser_matches_quadrature():
    data = gaussian.MultivariateGaussian(np.array([0.6]), np.array([[0.25]]))
    for t in range(1, 5):
        scale, var = exact.kernel(STEEP, 0, t)

        def weight(x: Any, scale: Any = scale, var: Any = var) -> Any:
            return density(x, 0.6, 0.25) * density(-0.3, scale * x, var)

        mass, first = (mp.quad(lambda x, k=k: x**k * weight(x), [-5, 0.5, 6]) for k in range(2))
        got = gaussian.denoiser(STEEP, data, t)(np.array([[-0.3]])).item()
        assert abs(got / (first / mass) - 1) < CLOSE


@pytest.mark.parametrize("t", [1, 4])
def test_mixture_denoiser_and_score_match_quadrature(t):
    scale, var = exact.kernel(STEEP, 0, t)

    def integral(of: Callable[[Any], Any]) -> Any:
        return sum(
            each.weight
            * mp.quad(
                lambda x, each=each: (
                    of(x) * density(x, each.mean, each.var) * density(x_t, scale * x, var)
                ),
                [-8, each.mean, 12],
            )
            for each in mixture.BUMPS
        )

    x_t = 0.3
    mass, first = integral(lambda x: 1), integral(lambda x: x)
    slope = integral(lambda x: -(x_t - scale * x) / var)  # the derivative of the density
    prediction = mixture.denoiser(STEEP, mixture.BUMPS, x_t, t)
    assert abs(prediction / (first / mass) - 1) < CLOSE
    assert abs(mixture.score(STEEP, mixture.BUMPS, x_t, t) / (slope / mass) - 1) < CLOSE


@pytest.mark.parametrize("variance", ["fixed_small", "fixed_large"])
def test_sampler_output_matches_nested_quadrature(variance):
    """Compare x_0 of the steps 3 -> 1 -> 0 with Gauss-Hermite nodes, exact for quadratics."""
    data = gaussian.MultivariateGaussian(np.array([0.6]), np.array([[0.25]]))
    nodes, weights = np.polynomial.hermite_e.hermegauss(6)
    weights = weights / weights.sum()
    x_3, z = np.meshgrid(nodes, nodes)
    mass = np.outer(weights, weights)
    prediction = gaussian.denoiser(STEEP, data, 3)(x_3.reshape(-1, 1)).reshape(x_3.shape)
    back = [[exact.posterior(STEEP, g, x, 1, 3) for g, x in zip(*r, strict=True)]
            for r in zip(prediction, x_3, strict=True)]  # fmt: skip
    mean = np.array([[float(each.mean.exact) for each in row] for row in back])
    var = back[0][0].var if variance == "fixed_small" else exact.kernel(STEEP, 1, 3).var
    x_1 = mean + np.sqrt(float(var)) * z
    x_0 = gaussian.denoiser(STEEP, data, 1)(x_1.reshape(-1, 1)).reshape(x_1.shape)
    want = chains.output_distribution(chains.Path(STEEP, variance, (3, 1, 0)), data)
    first, second = (mass * x_0).sum(), (mass * x_0**2).sum()
    assert abs(first / want.mean.item() - 1) < CLOSE
    assert abs((second - first**2) / want.covariance.item() - 1) < CLOSE


@pytest.mark.parametrize("t", [1, 3])
def test_array_denoiser_matches_the_scalar_denoiser(t):
    x_t = np.linspace(-3.0, 4.0, 8).reshape(2, 2, 2)
    got = mixture.denoiser_of(STEEP, mixture.BUMPS, t)(x_t)
    want = [float(mixture.denoiser(STEEP, mixture.BUMPS, x, t)) for x in x_t.ravel()]
    assert np.abs(got.ravel() - want).max() < CLOSE * 10


@pytest.mark.parametrize("path", [("fixed_large", 0.0), ("ddim", 0.7)], ids=str)
def test_quadrature_of_one_component_is_gaussian(path):
    """The error of sums over cells and of linear interpolation is the squared spacing times an
    eighth of the slope of the density, below 3 for standard deviations above 0.3."""
    sampler, eta = path
    walk = chains.Path(STEEP, sampler, (4, 2, 1, 0), eta)
    want = chains.output_distribution(
        walk, gaussian.MultivariateGaussian(np.array([0.5]), np.array([[0.25]]))
    )
    x = np.linspace(-1.0, 2.0, 31)
    got = quadrature.Distribution(walk, (mixture.Component(1, 0.5, 0.25),))(x)
    exact_cdf = special.ndtr((x - want.mean) / np.sqrt(want.covariance[0]))
    assert np.abs(got - exact_cdf).max() < 2 * quadrature.SPACING**2 * 3 / 8


def test_two_node_averages_match_quadrature():
    """Compare the divergence, the entropy and the mass between two edges."""
    left, right = bound.Gaussian(mpf("0.3"), mpf("0.5")), bound.Gaussian(mpf("-0.2"), mpf("1.5"))
    places = [-12, -2, 0.3, 2, 12]

    def weighed(f: Callable[[Any], Any]) -> Any:
        return mp.quad(lambda x: density(x, left.mean, left.var) * f(x), places)

    def log(gaussian: bound.Gaussian, x: Any) -> Any:
        return mp.log(density(x, gaussian.mean, gaussian.var))

    divergence = weighed(lambda x: log(left, x) - log(right, x))
    assert abs(bound.divergence(left, right) / divergence - 1) < CLOSE
    assert abs(bound.entropy(left) / weighed(lambda x: -log(left, x)) - 1) < CLOSE
    for low, high in ((mpf("0.1"), mpf("0.4")), (mpf(2), mpf(5))):
        mass = mp.quad(lambda x: density(x, left.mean, left.var), [low, high])
        assert abs(bound.mass(left, low, high) / mass - 1) < CLOSE
    assert bound.mass(left, None, mpf("0.3")) == mpf("0.5") == bound.mass(left, mpf("0.3"), None)


def test_exact_reverse_step_matches_quadrature():
    data, s, t, x_t = bound.Gaussian(mpf("0.75"), mpf("0.25")), 2, 4, mpf("-0.4")
    prior, measured = bound.marginal(data, STEEP, s), exact.kernel(STEEP, s, t)

    def moment(power: int) -> Any:
        return mp.quad(
            lambda x: (
                x**power
                * density(x, prior.mean, prior.var)
                * density(x_t, measured.scale * x, measured.var)
            ),
            [-8, 0, 8],
        )

    mass = moment(0)
    got, mean = bound.exact_reverse(data, STEEP, s, t).at(x_t), moment(1) / mass
    assert abs(got.mean / mean - 1) < CLOSE
    assert abs(got.var / (moment(2) / mass - mean**2) - 1) < CLOSE


def test_flow_recursion_converges_to_the_exact_flow():
    """Verify second order for Gaussian data, whose optimal denoiser is affine."""
    data, x_1, errors = bound.Gaussian(mpf("0.75"), mpf("0.25")), 0.5, []
    for n in (32, 64):
        betas = schedule_family(n)
        prior = gaussian.MultivariateGaussian(np.float64([data.mean]), np.float64([[data.var]]))
        predictions = {t: gaussian.denoiser(betas, prior, t) for t in range(1, n + 1)}
        lines = {
            t: flows.Line(each.matrix[0, 0], each.offset[0]) for t, each in predictions.items()
        }
        got = flows.integrate(betas, tuple(range(n, -1, -1)), lines, x_1)
        here, there = (bound.marginal(data, betas, t) for t in (1, n))
        stretch = mp.sqrt(there.var / here.var)
        errors.append(
            (
                got.x_T.exact - there.mean - stretch * (x_1 - here.mean),
                got.log_volume.exact - mp.log(stretch),
            )
        )
    for coarse, fine in zip(*errors, strict=True):
        assert abs(coarse / fine - 4) < 0.3
        assert abs(fine) < 0.1


@pytest.mark.parametrize("t", [1, 3])
def test_mixture_slope_and_density_match_finite_differences(t):
    """Compare with 60-digit differences of the prediction and with the weighted components."""
    data, x = mixture.BUMPS, 0.25
    scale, var = exact.kernel(STEEP, 0, t)
    step = mpf("1e-20")
    ends = [mixture.denoiser(STEEP, data, mpf(x) + sign * step, t) for sign in (-1, 1)]
    slope = mixture.slope_of(STEEP, data, t)(np.float64([x]))[0]
    assert abs(slope / ((ends[1] - ends[0]) / (2 * step)) - 1) < 1e-12
    mass = sum(
        each.weight * density(mpf(x), scale * each.mean, scale**2 * mpf(each.var) + var)
        for each in data
    ) / sum(each.weight for each in data)
    log_density = mixture.log_density_of(STEEP, data, t)(np.float64([x]))[0]
    assert abs(log_density - mp.log(mass)) < 1e-12


def test_noise_tape_recovers_an_affine_map():
    """(x_T, z) -> A x_T + B z + c has mean c and covariance A A' + B B'."""
    rng = np.random.default_rng(0)
    A, B, c = rng.standard_normal((4, 4)), rng.standard_normal((4, 4)), rng.standard_normal(4)

    def spec(x_T: np.ndarray, noises: list[np.ndarray]) -> np.ndarray:
        flat = x_T.reshape(-1, 4) @ A.T + noises[0].reshape(-1, 4) @ B.T + c
        return flat.reshape(x_T.shape)

    got = noise_tape.moments(spec, (2, 2), draws=1, batch=2)
    assert np.abs(got.mean - c).max() < CLOSE
    assert np.abs(got.covariance - (A @ A.T + B @ B.T)).max() < CLOSE * 10


def test_real_timesteps_have_a_log_snr_on_the_line_between_theirs():
    """At STEEP's timesteps they are the kernels; a conversion and its inverse are the identity."""
    low, middle, high = (exact.marginal(STEEP, t) for t in (2, 2.25, 3))
    assert (low, high) == (exact.kernel(STEEP, 0, 2), exact.kernel(STEEP, 0, 3))
    log_snr = [mp.log(each.scale**2 / each.var) for each in (low, middle, high)]
    assert abs(log_snr[1] - (3 * log_snr[0] + log_snr[2]) / 4) < CLOSE
    assert abs(middle.scale**2 + middle.var - 1) < CLOSE
    x_t, x0_hat = np.float64([[0.5], [-2.0]]), np.float64([[1.25], [0.75]])
    v = exact.converted(STEEP, "x0", "v", x0_hat, x_t, 2.25)
    assert np.abs(exact.converted(STEEP, "v", "x0", v, x_t, 2.25) - x0_hat).max() < CLOSE
