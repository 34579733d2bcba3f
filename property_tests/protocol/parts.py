"""Part of the tested interface: schedules and samplers that the caller makes."""

from typing import Protocol

from .nouns import Array, Denoiser, StepFunction, Trajectory


class Parts(Protocol):
    """Methods on parts of the caller's own; see `protocol.Implementation`."""

    def alpha_bar_of_logs(self, log_alpha_bar: Array) -> Array:
        """Return alpha_bar_0..alpha_bar_T of the schedule made of this table, (T + 1,).

        log_alpha_bar begins with 0 and decreases. A schedule does not change when the table is
        overwritten; in `reused_objects` an equal table gives the same schedule.
        """

    def own_trajectory(
        self,
        times: tuple[int, ...],
        step: StepFunction,
        denoiser: Denoiser,
        x_T: Array,
        noises: list[Array],
    ) -> Trajectory:
        """Return what `trajectory` reports for a sampler whose steps are those of `step`.

        noises[i] is the noise of the step from times[i]; the last step has none.
        """
