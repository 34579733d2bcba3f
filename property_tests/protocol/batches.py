"""Part of the tested interface: samples at timesteps of their own, and denoisers of networks."""

from typing import Protocol

from .nouns import Array, Betas, Network, Prediction, SamplingSpec, Times


class Batches(Protocol):
    """Methods on timesteps of a batch and on networks; see `protocol.Implementation`."""

    def look_up(self, table: Array, t: Times | int) -> Array:
        """table[t], of shape (batch,), or () for an int: one timestep for all samples."""

    def coefficient(self, coef: Array, x: Array) -> Array:
        """`coef` with the axes that multiply x: (batch,) as (batch, 1, ..., 1), () as ()."""

    def pair_refusal(self, s: Times | int, t: Times | int, T: int) -> str:
        """The message that refuses s and t unless 0 <= s < t <= T in every sample; "" otherwise.

        It contains the value at fault and, of a batch, the first sample at fault as "[i]" or
        "sample i". Of several faults, t's range comes before s's, and both before s < t.
        """

    def denoised(
        self,
        betas: Betas,
        name: str,
        network: Network,
        x_t: Array,
        t: Times | int,
        labels: Times | None,
        learns_variance: bool,
    ) -> Prediction:
        """The prediction of x_0 made from one evaluation of a network, t in 1..T.

        The network predicts `name` (eps, x0, v, score). If `learns_variance`, it has twice the
        channels; the second half is the interpolation, -1..1, and otherwise that is empty.
        """

    def denoised_in(
        self, precision: str, betas: Betas, name: str, network: Network, x_t: Array, t: Times
    ) -> Array:
        """Return x0_hat of `denoised` for a network whose weights have this precision.

        The network is given x_t in it, and so is its output; the samples keep their own.
        """

    def clipped(self, x0_hat: Array, low: float, high: float) -> Prediction:
        """The same prediction with x0_hat in [low, high]; its interpolation is x0_hat as given."""

    def clipped_step(
        self,
        spec: SamplingSpec,
        name: str,
        network: Network,
        x_t: Array,
        s: int,
        t: int,
        noise: Array,
        low: float,
        high: float,
    ) -> Array:
        """Return one step t -> s of the sampler, whose x0_hat is clipped to [low, high].

        The prediction is that of a network that predicts `name`, as in `denoised`; `spec.denoiser`
        has no part in it. The noise that the step keeps is that of x_t beside the clipped x0_hat.
        """
