"""Part of the tested interface: samples in other dtypes than float64, and gradients."""

from typing import Any, NamedTuple, Protocol

import numpy as np

from .nouns import Array


class Precision(NamedTuple):
    """A floating-point format of samples, with its roundoff and that of the arithmetic on it."""

    name: str  # of samples: float64, float32, bfloat16 or float16
    computing: float  # unit roundoff of sums and products
    rounding: float  # unit roundoff of the samples' own format
    smallest: float  # distance of neighbouring subnormal numbers
    largest: float  # the largest finite number


PRECISIONS = (  # half-precision samples are computed with in float32
    Precision("float32", 2.0**-24, 2.0**-24, 2.0**-149, 2.0**128 - 2.0**104),
    Precision("bfloat16", 2.0**-24, 2.0**-8, 2.0**-133, 2.0**128 - 2.0**120),
    Precision("float16", 2.0**-24, 2.0**-11, 2.0**-24, 65504.0),
)


def exact_in(array: Array, precision: Precision) -> bool:
    """Return whether all numbers are multiples of the spacing of the format around them."""
    _, exponent = np.frexp(array)
    spacing = np.maximum(np.exp2(exponent) * precision.rounding, precision.smallest)
    return bool((array % spacing == 0).all())


class Differentiated(NamedTuple):
    """The outputs of a method, and gradients with respect to its samples."""

    outputs: list[Array]
    gradients: list[Array]


class Precisions(Protocol):
    """Methods on dtypes and gradients; see `protocol.Implementation`."""

    def in_precision(self, *names: str) -> Any:
        """Return the same implementation for samples of the dtype `names`, of PRECISIONS.

        Arguments and outputs are still float64 arrays; samples, but not schedules, weights over t
        or timesteps, are converted to that dtype and back. Coefficients keep their precision,
        unit_roundoff. With several names (float64 may be one) the samples of a call have these
        dtypes in turn. A dtype that is not supported raises NotImplementedError.
        """

    def gives_plain_numbers(self, method: str, arguments: tuple[Any, ...]) -> bool:
        """Return whether outputs carry no graph, also while gradients are recorded.

        They are ordinary numbers, which a caller may use in a graph of its own.
        """

    def differentiate(
        self, method: str, arguments: tuple[Any, ...], cotangents: list[Array]
    ) -> Differentiated:
        """Return the method's outputs and the gradients of their sum, weighted by `cotangents`.

        cotangents: one per output and, if there are more, one for each array of samples that a
        function among the arguments was given, in their order. gradients: one for every array of
        samples among the arguments, in their order (a Gaussian's mean, then its variance), then one
        for every array that a function among them returned; 0 where none flows. Schedules, weights
        and timesteps have none.
        """
