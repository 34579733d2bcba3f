"""Methods of the interface that choose timesteps."""

from collections.abc import Mapping
from typing import Any, Protocol

from .nouns import Betas


class Timesteps(Protocol):
    """Part of the interface; `protocol.Implementation` is the complete one."""

    def default_timesteps(self, T: int) -> tuple[int, ...]:
        """Return the timesteps that the ancestral sampler visits by default."""

    def own_timesteps(self, betas: Betas, sampler: str, steps: int) -> tuple[Any, ...]:
        """Return the timesteps of a run with `steps` steps by its own choice, 0 included.

        They may lie between two timesteps of the schedule; the log-SNR is linear there. A method
        with several stages returns the beginnings of its steps.
        """

    def claimed_orders(self) -> Mapping[str, float]:
        """Return the order of convergence of each of its samplers, also of those not in SAMPLERS.

        With N steps of `own_timesteps`, mean and standard deviation of the samples are off by
        N^-order (weakly, if it adds noise).
        """

    def timestep_spacing(
        self, name: str, betas: Betas, steps: int, zero_terminal: bool = False
    ) -> tuple[int, ...]:
        """Return the timesteps of a sampler with `steps` steps; `name` is in TIMESTEP_SPACINGS.

        trailing: evenly spaced from T to 0; linspace: evenly spaced from T to 1, then 0; leading:
        multiples of T // steps plus 1, then 0; log_snr: from T to 1, evenly spaced in log-SNR, then
        0. If `zero_terminal`, the schedule is first rescaled so that alpha_bar_T = 0 (T >= 2);
        log_snr then visits T and spaces its remaining steps from T - 1.
        """
