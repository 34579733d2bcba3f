"""How far samples are from real images: distances of two sets, all in float64."""

import math

import torch
from jaxtyping import Float64, Int64
from torch import Tensor

ROWS = 1024  # of each set at a time, so that a block of pairs takes 8 MB


def frechet(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> float:
    """|mean_x - mean_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)), S the unbiased covariances.

    The squared Fréchet distance of the normal laws with these moments, as FID has it (Heusel et
    al. 2017, arXiv:1706.08500, Eq. 6); in squared units of x. For S = R^T R the trace of the root
    is the sum of the singular values of R_x R_y^T, so that no root of a matrix is taken and any
    rank will do. Needs two rows of each. The error is roundoff of tr(S_x + S_y), below 0 too; the
    bias is upwards and falls with n and m, so compare values of the same n and m only.
    """
    r_x, r_y = _triangle(x), _triangle(y)
    apart = (x.mean(0) - y.mean(0)).square().sum()
    root = torch.linalg.svdvals(r_x @ r_y.T).sum()
    return float(apart + r_x.square().sum() + r_y.square().sum() - 2 * root)


def _triangle(x: Float64[Tensor, " n dims"]) -> Float64[Tensor, " rank dims"]:
    """R with R^T R the covariance of the rows."""
    centred = (x - x.mean(0)) / math.sqrt(len(x) - 1)
    triangle: Tensor = torch.linalg.qr(centred, mode="r").R
    return triangle


def kernel(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> Float64[Tensor, " n m"]:
    """(x . y / dims + 1)^3 of every pair."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def kernel_distance(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> float:
    """The squared distance of the mean embeddings, without bias: the KID of Binkowski et al. 2018.

    arXiv:1801.01401, Eq. 4: the mean of `kernel` over pairs of different rows of x, and that of y,
    less twice that over pairs of a row of each. It has no units, falls below 0 where the two are
    alike, and does not depend on n and m but for its spread. Needs two rows of each.
    """
    return float(left_out(x, y)[0]) + reference_term(y)


def left_out(
    x: Float64[Tensor, " n dims"], reference: Float64[Tensor, " m dims"]
) -> tuple[Float64[Tensor, ""], Float64[Tensor, " n"], Float64[Tensor, " m"]]:
    """The distance but for the reference's own term; without each sample; without each reference.

    The unbiased mean over pairs of x, less twice the mean over pairs of x and the reference.
    """
    n, m = len(x), len(reference)
    own, across, back = _others(x), _sums(x, reference), _sums(reference, x)
    inside, between = own.sum(), across.sum()
    whole = inside / (n * (n - 1)) - 2 * between / (n * m)
    without = (inside - 2 * own) / ((n - 1) * (n - 2))
    of_samples = without - 2 * (between - across) / ((n - 1) * m)
    of_reference = inside / (n * (n - 1)) - 2 * (between - back) / (n * (m - 1))
    return whole, of_samples, of_reference


def reference_term(reference: Float64[Tensor, " m dims"]) -> float:
    """The unbiased mean over pairs of the reference."""
    m = len(reference)
    return float(_others(reference).sum() / (m * (m - 1)))


def _sums(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> Float64[Tensor, " n"]:
    """The sum of the kernel of each x with every y."""
    return torch.cat(
        [
            torch.stack([kernel(part, other).sum(1) for other in y.split(ROWS)]).sum(0)
            for part in x.split(ROWS)
        ]
    )


def _others(x: Float64[Tensor, " n dims"]) -> Float64[Tensor, " n"]:
    """The sum of the kernel of each x with every other x."""
    return _sums(x, x) - (x.square().sum(1) / x.shape[1] + 1) ** 3


def difference(
    x: Float64[Tensor, " n dims"],
    y: Float64[Tensor, " n dims"],
    reference: Float64[Tensor, " m dims"],
) -> tuple[float, float]:
    """How much farther x is than y, and its standard error by the jackknife.

    Sample i of x and of y come from the same noise and are left out together. Needs three rows.
    """
    (a, *without_a), (b, *without_b) = left_out(x, reference), left_out(y, reference)
    var = 0.0
    for one, other in zip(without_a, without_b, strict=True):
        values = one - other
        var += float((len(values) - 1) / len(values) * (values - values.mean()).square().sum())
    return float(a - b), var**0.5


def histogram_distance(
    labels: Int64[Tensor, " n"], reference: Int64[Tensor, " m"], classes: int
) -> float:
    """Half the sum of |differences| of the shares of classes: total variation, from 0 to 1."""
    ours, theirs = (
        torch.bincount(each, minlength=classes).double() / len(each) for each in (labels, reference)
    )
    return float((ours - theirs).abs().sum() / 2)


def nearest(x: Float64[Tensor, " n dims"], y: Float64[Tensor, " m dims"]) -> Float64[Tensor, " n"]:
    """The squared distance of each x to the nearest y; the error is roundoff of their squares."""
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
    """The share of samples nearer to a training image than all but the nearest 1 % of test images.

    Of each the distance to its `nearest` training image. Test images themselves score 1 % by
    construction: floor(m / 100) of m, or less where distances are equal. Where more than 1 % of
    them are training images too, nothing can be nearer, and it is 0.
    """
    limit = test.sort().values[len(test) // 100]
    return float((samples < limit).double().mean())
