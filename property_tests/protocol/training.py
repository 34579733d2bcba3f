"""Part of the tested interface: what a training step draws and minimises."""

from typing import Protocol

from .nouns import Array, Betas, Draw, Objective, Times


class Training(Protocol):
    """Methods on training steps; see `protocol.Implementation`."""

    def weighted_draw(self, betas: Betas, x_0: Array, probabilities: Array, seed: int) -> Draw:
        """Return the draw of a training step whose t = 1..T have these probabilities, (T,)."""

    def importance(self, T: int, updates: list[tuple[Times, Array]]) -> Array:
        """Return the probabilities of t = 1..T, (T,), after these terms of the bound, in order.

        An update has the timesteps and the terms of one batch. Nichol & Dhariwal (2021), section
        3.3, and their code: uniform until every timestep has 10 terms, then by its newest 10, mixed
        with the uniform distribution at a fraction of 0.001. They are also read before every
        update, as a training step does.
        """

    def training_batch(self, count: int, seed: int, step: int, batch_size: int) -> Times:
        """Return the indices of step 0, 1, ...: the next batch_size of the concatenated epochs.

        Every epoch is an order of its own of 0..count - 1. Equal arguments give equal batches.
        """

    def objective(
        self,
        betas: Betas,
        loss: str,
        name: str,
        gamma: float | None,
        output: Array,
        target: Array,
        x_0: Array,
        x_t: Array,
        t: Times,
        grey_levels: int | None,
    ) -> Objective:
        """Return what a training step logs and minimises for a network that predicts `name`.

        loss: "simple", "vlb" or "hybrid"; the latter two learn a variance, so that the output has
        twice the channels of the target. gamma: of min-SNR weighting, or None. grey_levels: of x_0,
        or None for continuous-valued data. Term t of the bound is that of the step t -> t - 1.
        """

    def trained_weights(self, decay: float, weights: Array) -> Array:
        """Return the weights that training holds after each update of their average, (steps, n).

        They are set to weights[1], weights[2], ... in place, before each update; weights[0] is the
        initial state.
        """
