"""Baselines, compared with counts and with SciPy."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from scipy import stats

from ddpm_core.data.dataset import Dataset, load_dataset
from ddpm_core.evaluation import baselines as module
from ddpm_core.evaluation.baselines import (
    GAUSSIAN,
    MARGINAL,
    UNIFORM,
    baselines,
    gaussian_nats,
    marginal_nats,
    unavailable,
)
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


def small(train: int, shape: tuple[int, int, int] = (1, 8, 8)) -> Dataset:
    """Return the digits with few training images, or wider images of as many."""
    digits = load_dataset("digits")
    images = digits.images.repeat(1, 1, shape[1] // 8, shape[2] // 8)
    others = torch.cat([digits.validation, digits.train[train:]])
    few = digits.train[:train]
    return dataclasses.replace(digits, images=images, train=few, validation=others)


@pytest.mark.parametrize("train", [2, 5, 63])
def test_gaussian_of_few_images_equals_that_of_the_covariance(train):
    """Fewer images than dimensions: the covariance is never built, which 128 x 128 would fill."""
    dataset = small(train)
    rows, x = (dataset.take(each).flatten(1).double() for each in (dataset.train, dataset.test))
    x = x + (2 / 16) * (
        torch.rand(x.shape, dtype=torch.float64, generator=keyed_generator(3, "dequantisation"))
        - 0.5
    )
    covariance = np.cov(rows.numpy().T) + (2 / 16) ** 2 / 12 * np.eye(64)
    gaussian = stats.multivariate_normal(rows.mean(0).numpy(), covariance)
    found = gaussian_nats(dataset, dataset.test, seed=3)
    assert found.numpy() == pytest.approx(-gaussian.logpdf(x.numpy()), rel=1e-9)


def test_few_large_images_need_little_memory(monkeypatch):
    dataset = small(5, (1, 64, 64))
    monkeypatch.setattr(module, "available_memory", lambda: 50_000_000)  # less than 4096^2 numbers
    assert unavailable(dataset, 10) == {}
    assert gaussian_nats(dataset, dataset.test[:2], seed=0).isfinite().all()


def test_baselines_without_memory_are_named_and_left_out(monkeypatch):
    dataset = load_dataset("digits")
    monkeypatch.setattr(module, "available_memory", lambda: 2_000_000)
    missing = unavailable(dataset, 2)
    assert missing == {
        GAUSSIAN: "needs 0.0 GB of memory, and 0.0 GB are available",
    }
    found = baselines(dataset, dataset.test[:2], 0, missing)
    assert found[GAUSSIAN] is None
    assert found[MARGINAL] > 2
    monkeypatch.setattr(module, "available_memory", lambda: None)
    assert unavailable(dataset, 2) == {}


def test_a_single_training_image_has_no_covariance():
    dataset = small(1)
    missing = unavailable(dataset, 2)
    assert missing == {GAUSSIAN: "a covariance needs at least 2 training images, and there is 1"}
    assert baselines(dataset, dataset.test[:2], 0, missing)[GAUSSIAN] is None


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't allocate memory")])
def test_a_baseline_that_fails_takes_no_other_figure_down(error, monkeypatch):
    def fail(*given):
        raise error

    monkeypatch.setattr(module, "gaussian_nats", fail)
    dataset, missing = load_dataset("digits"), {}
    found = baselines(dataset, dataset.test[:2], 0, missing)
    assert (found[UNIFORM] is None, found[MARGINAL] is None, found[GAUSSIAN]) == (
        False,
        False,
        None,
    )
    assert missing[GAUSSIAN].startswith(type(error).__name__)
