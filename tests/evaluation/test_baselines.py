"""Baselines, compared with counts and with SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from ddpm_core.data.dataset import load_dataset
from ddpm_core.evaluation.baselines import baselines, gaussian_nats, marginal_nats
from ddpm_core.randomness import keyed_generator


def test_baselines_match_a_direct_computation():
    dataset = load_dataset("digits")
    found = baselines(dataset, dataset.test, seed=0)
    assert found["uniform"] == math.log2(17)
    assert 2 < found["per-pixel marginal"] < 3 < math.log2(17)
    assert found["full-covariance Gaussian"] < math.log2(17)
    first = dataset.test[:1]
    counts = [(dataset.images[dataset.train][:, 0, 0, 0] == k).sum() + 1 for k in range(17)]
    corner = dataset.images[first][0, 0, 0, 0]
    probability = counts[int(corner)] / sum(counts)
    others = marginal_nats(dataset, first) + probability.log()
    assert others > 0
    assert gaussian_nats(dataset, first, seed=0).shape == (1,)
    assert gaussian_nats(dataset, first, seed=0) != gaussian_nats(dataset, first, seed=1)


def test_gaussian_baseline_equals_scipy_in_units_of_grey_levels():
    """In these units a grey level is 1 wide and the dequantisation noise is in [-1/2, 1/2]."""
    dataset = load_dataset("digits")
    train, test = (
        dataset.images[each].flatten(1).numpy() for each in (dataset.train, dataset.test)
    )
    noise = torch.rand(
        test.shape, dtype=torch.float64, generator=keyed_generator(3, "dequantisation")
    )
    gaussian = stats.multivariate_normal(train.mean(0), np.cov(train.T) + np.eye(64) / 12)
    bits = -gaussian.logpdf(test + noise.numpy() - 0.5) / (64 * math.log(2))
    found = baselines(dataset, dataset.test, seed=3)["full-covariance Gaussian"]
    assert found == pytest.approx(bits.mean(), rel=1e-9)
