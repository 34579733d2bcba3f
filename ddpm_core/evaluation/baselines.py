"""Baselines: bits per dimension of three models that learn almost nothing."""

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ddpm_core.data.dataset import Dataset
from ddpm_core.likelihood import bits_per_dim, dequantised_bits_per_dim
from ddpm_core.randomness import keyed_generator


def baselines(dataset: Dataset, test: Int64[Tensor, " test"], seed: int) -> dict[str, float]:
    """Return the mean bits per dimension of the test images under each baseline."""
    dims = math.prod(dataset.shape)
    return {
        "uniform": math.log2(dataset.grey_levels),
        "per-pixel marginal": _mean(marginal_nats(dataset, test), dims),
        "full-covariance Gaussian": float(
            dequantised_bits_per_dim(
                gaussian_nats(dataset, test, seed), dims, dataset.grey_levels
            ).mean()
        ),
    }


def _mean(nats: Tensor, dims: int) -> float:
    return float(bits_per_dim(nats, dims).mean())


def marginal_nats(dataset: Dataset, test: Int64[Tensor, " test"]) -> Float64[Tensor, " test"]:
    """Return -log of the product of per-pixel histograms, with one count added to each bin."""
    train, pixels = (dataset.images[each].flatten(1).long() for each in (dataset.train, test))
    counts = torch.ones(train.shape[1], dataset.grey_levels, dtype=torch.float64)
    counts.scatter_add_(1, train.T, torch.ones(train.T.shape, dtype=torch.float64))
    log_probability = (counts / counts.sum(1, keepdim=True)).log()
    return -log_probability.gather(1, pixels.T).sum(0)


def gaussian_nats(
    dataset: Dataset, test: Int64[Tensor, " test"], seed: int
) -> Float64[Tensor, " test"]:
    """Return -log density of dequantised test images under a Gaussian with full covariance.

    The covariance is that of the training images plus that of the uniform dequantisation noise,
    width^2 / 12. Without the noise, constant pixels would make it singular.
    """
    width = 2 / (dataset.grey_levels - 1)
    train, x = (dataset.take(each).flatten(1).double() for each in (dataset.train, test))
    generator = keyed_generator(seed, "dequantisation")
    x = x + width * (torch.rand(x.shape, dtype=x.dtype, generator=generator, device=x.device) - 0.5)
    covariance = train.T.cov() + width**2 / 12 * torch.eye(train.shape[1], dtype=x.dtype)
    gaussian = torch.distributions.MultivariateNormal(
        train.mean(0), covariance, validate_args=False
    )
    density: Tensor = gaussian.log_prob(x)
    return -density
