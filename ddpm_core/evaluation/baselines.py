"""Baselines: bits per dimension of three models that learn almost nothing."""

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from ddpm_core.cli.failures import one_line
from ddpm_core.data.dataset import Dataset
from ddpm_core.evaluation.memory import available_memory
from ddpm_core.likelihood import bits_per_dim, dequantised_bits_per_dim
from ddpm_core.randomness import keyed_generator

UNIFORM, MARGINAL, GAUSSIAN = "uniform", "per-pixel marginal", "full-covariance Gaussian"


def baselines(
    dataset: Dataset,
    test: Int64[Tensor, " test"],
    seed: int,
    missing: dict[str, str] | None = None,
) -> dict[str, float | None]:
    """Return the mean bits per dimension of the test images under each baseline.

    missing: {baseline: reason} of those to leave out, which are None. One that fails is added.
    """
    dims, levels = math.prod(dataset.shape), dataset.grey_levels
    missing = {} if missing is None else missing

    def gaussian() -> Tensor:
        return dequantised_bits_per_dim(gaussian_nats(dataset, test, seed), dims, levels)

    compute = {
        MARGINAL: lambda: bits_per_dim(marginal_nats(dataset, test), dims),
        GAUSSIAN: gaussian,
    }
    found: dict[str, float | None] = {UNIFORM: math.log2(levels)}
    for name, bits in compute.items():
        found[name] = None
        try:
            found[name] = None if name in missing else float(bits().mean())
        except (MemoryError, RuntimeError) as error:
            missing[name] = one_line(error)
    return found


def unavailable(dataset: Dataset, n: int) -> dict[str, str]:
    """Return {baseline: reason} of those that cannot be computed for n test images."""
    train, dims = len(dataset.train), math.prod(dataset.shape)
    needed = {
        MARGINAL: 8 * dims * (2 * (train + n) + 3 * dataset.grey_levels),
        GAUSSIAN: 8 * dims * (4 * (train + n) + 4 * min(train, dims)),
    }
    have = available_memory()
    reasons = {
        name: f"needs {need / 1e9:,.1f} GB of memory, and {have / 1e9:,.1f} GB are available"
        for name, need in needed.items()
        if have is not None and need > have
    }
    if train < 2:
        reasons[GAUSSIAN] = "a covariance needs at least 2 training images, and there is 1"
    return reasons


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
    width^2 / 12. Without the noise, constant pixels would make it singular. With fewer images than
    dimensions the covariance has low rank but for the noise, and is never built.
    """
    width = 2 / (dataset.grey_levels - 1)
    train, x = (dataset.take(each).flatten(1).double() for each in (dataset.train, test))
    generator = keyed_generator(seed, "dequantisation")
    x = x + width * (torch.rand(x.shape, dtype=x.dtype, generator=generator, device=x.device) - 0.5)
    mean, noise = train.mean(0), width**2 / 12
    if len(train) < train.shape[1]:
        return _low_rank_nats((train - mean) / math.sqrt(len(train) - 1), x - mean, noise)
    covariance = train.T.cov() + noise * torch.eye(train.shape[1], dtype=x.dtype)
    gaussian = torch.distributions.MultivariateNormal(mean, covariance, validate_args=False)
    density: Tensor = gaussian.log_prob(x)
    return -density


def _low_rank_nats(
    root: Float64[Tensor, " train dims"], x: Float64[Tensor, " test dims"], noise: float
) -> Float64[Tensor, " test"]:
    """Return -log N(x; 0, root^T root + noise I), along and across the rows' directions."""
    _, s, directions = torch.linalg.svd(root, full_matrices=False)
    var, along = s.square() + noise, x @ directions.T
    across = (x - along @ directions).square().sum(1)
    log_det = var.log().sum() + (x.shape[1] - len(var)) * math.log(noise)
    distance = (along.square() / var).sum(1) + across / noise
    nats: Tensor = (distance + log_det + x.shape[1] * math.log(2 * math.pi)) / 2
    return nats
