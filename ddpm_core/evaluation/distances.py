"""Distances between two sets of vectors, such as features of samples and of images; float64."""

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

ROWS = 1024  # per block of each set: a block of pairs takes 8 MB


def frechet(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> float:
    """|mean_x - mean_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)), S the unbiased covariances.

    The squared Fréchet distance of the Gaussians with these moments, as in FID (Heusel et al. 2017,
    arXiv:1706.08500, Eq. 6), in squared units of x. With S = R^T R, the trace of the root is the
    sum of the singular values of R_x R_y^T, so no matrix root is needed and any rank works. Each
    set needs two rows. The result may be negative by roundoff of tr(S_x + S_y). Its bias is
    positive and decreases with n and m, so compare only values with the same n and m.
    """
    r_x, r_y = _triangle(x), _triangle(y)
    apart = (x.mean(0) - y.mean(0)).square().sum()
    root = torch.linalg.svdvals(r_x @ r_y.T).sum()
    return float(apart + r_x.square().sum() + r_y.square().sum() - 2 * root)


def _triangle(x: Float64[Tensor, " n dims"]) -> Float64[Tensor, " rank dims"]:
    """Return R such that R^T R is the covariance of the rows."""
    centred = (x - x.mean(0)) / math.sqrt(len(x) - 1)
    triangle: Tensor = torch.linalg.qr(centred, mode="r").R
    return triangle


def kernel(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> Float64[Tensor, " n m"]:
    """Return (x . y / dims + 1)^3 of every pair."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_distance(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> float:
    """Return the unbiased squared distance of the mean embeddings (KID, Binkowski et al. 2018).

    arXiv:1801.01401, Eq. 4: the mean of `kernel` over pairs of different rows of x, plus that of y,
    minus twice the mean over pairs of one row of each. It has no units and may be negative if the
    sets are alike. Its expectation does not depend on n and m. Each set needs two rows.
    """
    return float(leave_one_out(x, y)[0]) + reference_term(y)


def leave_one_out(
    x: Float64[Tensor, " n dims"], reference: Float64[Tensor, " m dims"]
) -> tuple[Float64[Tensor, ""], Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """Return the kernel distance without `reference_term`: of all rows, and of all but each row.

    That is the unbiased mean over pairs of x, minus twice the mean over pairs of x and reference.
    The second result omits each row of x in turn, the third each row of the reference.
    """
    n, m = len(x), len(reference)
    own, across, back = _others(x), _sums(x, reference), _sums(reference, x)
    inside, between = own.sum(), across.sum()
    complete = inside / (n * (n - 1)) - 2 * between / (n * m)
    without = (inside - 2 * own) / ((n - 1) * (n - 2))
    of_samples = without - 2 * (between - across) / ((n - 1) * m)
    of_reference = inside / (n * (n - 1)) - 2 * (between - back) / (n * (m - 1))
    return complete, of_samples, of_reference


def reference_term(reference: Float64[Tensor, " m dims"]) -> float:
    """Return the unbiased mean over pairs of the reference."""
    m = len(reference)
    return float(_others(reference).sum() / (m * (m - 1)))


def _sums(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> Float64[Tensor, " n"]:
    """Return, for each x, the sum of the kernel with every y."""
    return torch.cat(
        [
            torch.stack([kernel(part, other).sum(1) for other in y.split(ROWS)]).sum(0)
            for part in x.split(ROWS)
        ]
    )


def _others(x: Float64[Tensor, " n dims"]) -> Float64[Tensor, " n"]:
    """Return, for each x, the sum of the kernel with every other x."""
    return _sums(x, x) - (x.square().sum(1) / x.shape[1] + 1) ** 3


def difference(
    x: Float64[Tensor, " n dims"],
    y: Float64[Tensor, " n dims"],
    reference: Float64[Tensor, " m dims"],
) -> tuple[float, float]:
    """Return the kernel distance of x minus that of y, and its standard error by the jackknife.

    Sample i of x and of y come from the same noise and are omitted together. Needs three rows.
    """
    (a, *without_a), (b, *without_b) = (leave_one_out(each, reference) for each in (x, y))
    var = 0.0
    for one, other in zip(without_a, without_b, strict=True):
        values = one - other
        var += float((len(values) - 1) / len(values) * (values - values.mean()).square().sum())
    return float(a - b), var**0.5


def histogram_distance(
    labels: Int64[Tensor, " n"], reference: Int64[Tensor, " m"], classes: int
) -> float:
    """Return the total variation of class histograms, 0 to 1: half the sum of |differences|."""
    p, q = (
        torch.bincount(each, minlength=classes).double() / len(each) for each in (labels, reference)
    )
    return float((p - q).abs().sum() / 2)


def nearest(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> Float64[Tensor, " n"]:
    """Return the squared distance of each x to the nearest y, to roundoff of their squares."""
    squares = y.square().sum(1).split(ROWS)
    return torch.cat(
        [
            part.square().sum(1)
            + torch.stack(
                [
                    (square - 2 * part @ other.T).amin(1)
                    for square, other in zip(squares, y.split(ROWS), strict=True)
                ]
            ).amin(0)
            for part in x.split(ROWS)
        ]
    )


def copy_rate(samples: Float64[Tensor, " n"], test: Float64[Tensor, " m"]) -> float:
    """Return the fraction of samples closer to training images than 99 % of test images are.

    Arguments are squared distances to the `nearest` training image. Test images themselves score
    1 % by construction: floor(m / 100) of m, or less if distances are equal. If more than 1 % of
    the test images are training images, no sample can be closer, and the result is 0.
    """
    limit = test.sort().values[len(test) // 100]
    return float((samples < limit).double().mean())
