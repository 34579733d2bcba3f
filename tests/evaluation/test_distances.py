"""Distances, each compared with a value computed another way; and the classifier of features."""

import itertools
import math

import numpy as np
import scipy.linalg
import torch

from ddpm_core.evaluation.distances import (
    copy_rate,
    difference,
    frechet,
    histogram_distance,
    kernel_distance,
    nearest,
)

UNIT = 2.0**-52


def with_moments(mean: np.ndarray, covariance: np.ndarray, n: int, seed: int) -> torch.Tensor:
    """Return n rows with this mean and unbiased covariance, to roundoff."""
    draw = np.random.default_rng(seed).standard_normal((n, len(mean)))
    draw -= draw.mean(0)
    white = (
        draw @ np.linalg.inv(np.linalg.cholesky(np.cov(draw.T, ddof=1).reshape(len(mean), -1))).T
    )
    return torch.from_numpy(white @ np.linalg.cholesky(covariance).T + mean)


def rows(n: int, dims: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, dims, dtype=torch.float64, generator=generator)


def test_frechet_of_independent_coordinates_is_that_of_means_and_standard_deviations():
    """|m1 - m2|^2 + |s1 - s2|^2, in one dimension and in three."""
    for means, deviations in (
        ([[1.0], [-2.0]], [[0.5], [3.0]]),
        ([[1.0, 0.0, 2.0], [0.5, -1.0, 2.0]], [[1.0, 2.0, 0.1], [2.0, 2.0, 0.4]]),
    ):
        means, deviations = np.array(means), np.array(deviations)
        x, y = (
            with_moments(m, np.diag(s**2), 50, i)
            for i, (m, s) in enumerate(zip(means, deviations, strict=True))
        )
        want = ((means[0] - means[1]) ** 2 + (deviations[0] - deviations[1]) ** 2).sum()
        assert abs(frechet(x, y) - want) <= 100 * UNIT * ((means**2).sum() + (deviations**2).sum())


def test_frechet_of_covariances_that_do_not_commute_equals_scipy():
    """SciPy's matrix root is another algorithm; its condition number here is about 1e3."""
    first = np.array([[4.0, 1.5, 0.0], [1.5, 1.0, 0.2], [0.0, 0.2, 0.5]])
    second = np.array([[1.0, -0.6, 0.3], [-0.6, 2.0, 0.0], [0.3, 0.0, 3.0]])
    assert np.abs(first @ second - second @ first).max() > 1
    x, y = (with_moments(np.zeros(3), each, 40, i) for i, each in enumerate((first, second)))
    root = scipy.linalg.sqrtm(first @ second)
    scale = np.trace(first + second)
    assert abs(frechet(x, y) - (scale - 2 * np.trace(root).real)) <= 1e3 * UNIT * scale


def test_frechet_of_a_set_and_itself_is_0_and_two_rows_suffice():
    """Also with fewer rows than dimensions, where covariances are rank-deficient."""
    x = rows(5, 20, seed=0)
    assert abs(frechet(x, x)) <= 100 * UNIT * float(x.var(0).sum())
    assert abs(frechet(x, x + 1) - 20) <= 1000 * UNIT * float(x.square().sum() + 20)
    assert abs(frechet(x[:2], x[:2])) <= 100 * UNIT * float(x[:2].var(0).sum())


def test_kernel_distance_is_the_mean_over_pairs_of_different_rows():
    """Pair by pair, with exactly rounded sums."""
    x, y = rows(7, 4, seed=1), rows(6, 4, seed=2) + 0.5

    def pair(a, b):
        return (sum(p * q for p, q in zip(a, b, strict=True)) / 4 + 1) ** 3

    def mean(pairs):
        values = [pair(a, b) for a, b in pairs]
        return math.fsum(values) / len(values)

    own = [mean(itertools.permutations(each.tolist(), 2)) for each in (x, y)]
    want = sum(own) - 2 * mean(itertools.product(x.tolist(), y.tolist()))
    assert abs(kernel_distance(x, y) - want) <= 1e3 * UNIT * sum(own)


def test_kernel_distance_does_not_depend_on_the_blocks(monkeypatch):
    x, y = rows(7, 4, seed=1), rows(6, 4, seed=2) + 0.5
    in_one_block = kernel_distance(x, y)
    near = nearest(x, y)
    monkeypatch.setattr("ddpm_core.evaluation.distances.ROWS", 4)
    assert abs(kernel_distance(x, y) - in_one_block) <= 1e3 * UNIT
    assert torch.allclose(nearest(x, y), near, rtol=0, atol=100 * UNIT)


def test_kernel_distance_of_equal_distributions_has_mean_0():
    """It takes both signs; the biased estimate, with pairs (i, i), is never negative."""
    found = [kernel_distance(rows(20, 4, 2 * i), rows(20, 4, 2 * i + 1)) for i in range(200)]
    error = float(np.std(found, ddof=1)) / math.sqrt(200)
    assert abs(np.mean(found)) < 5 * error
    assert min(found) < 0


def test_jackknife_error_of_a_difference_matches_repeated_draws():
    """The jackknife error is biased upwards; the standard deviation of 200 draws is known to 5 %.

    The ratio was 1.01 to 1.20 over four other sets of draws.
    """
    differences, errors = [], []
    for i in range(200):
        x, y, reference = (rows(30, 2, 3 * i + k) for k in range(3))
        found, error = difference(x + 0.3, y, reference)
        direct = kernel_distance(x + 0.3, reference) - kernel_distance(y, reference)
        assert abs(found - direct) <= 1e4 * UNIT
        differences.append(found)
        errors.append(error)
    assert 0.9 < np.mean(errors) / np.std(differences, ddof=1) < 1.35


def test_histogram_distance_is_the_total_variation():
    x, y = torch.tensor([0, 0, 1, 2]), torch.tensor([0, 1, 1, 1, 1, 1, 1, 3])
    assert histogram_distance(x, y, 5) == (3 / 8 + 1 / 2 + 1 / 4 + 1 / 8) / 2
    assert histogram_distance(x, x.repeat(3), 5) == 0
    assert histogram_distance(torch.tensor([0]), torch.tensor([4]), 5) == 1


def test_copies_are_counted_and_test_images_score_1_percent():
    """50 distant samples in 10 dimensions, 7 of which are replaced by training images."""
    train, test, samples = rows(300, 10, 0), rows(200, 10, 1), rows(50, 10, 2) + 9
    near = nearest(test, train)
    assert copy_rate(nearest(samples, train), near) == 0
    samples[3:10] = train[100:107]
    assert copy_rate(nearest(samples, train), near) == 7 / 50
    assert copy_rate(near, near) == 2 / 200
    assert copy_rate(nearest(train, train), near) == 1


def test_nearest_equals_brute_force():
    x, y = rows(9, 5, seed=3), rows(8, 5, seed=4)
    want = (x[:, None] - y[None]).square().sum(2).amin(1)
    assert torch.allclose(nearest(x, y), want, rtol=0, atol=100 * UNIT * float(x.square().sum()))
