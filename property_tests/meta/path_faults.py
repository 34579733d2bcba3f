"""Faults of Gaussian paths, each with the property that fails."""

from typing import Any

from ..strategies import TO_NOISE
from .guarded_faults import Guarded

FILE = "test_gaussian_path.py::test_"
NETWORK = "a_network_is_evaluated_on_the_path"
THREE = "three_paths_match_their_definitions"


def of_paths(id: str, old: str, new: str, test: str, **arguments: Any) -> Guarded:
    return Guarded(id, "gaussian_path", old, new, f"{FILE}{test}", arguments)


FAULTS = [
    of_paths(
        "ratio-without-square",
        "(self.sigma / self.alpha).square().log1p()",
        "(self.sigma / self.alpha).log1p()",
        "process_has_the_signal_to_noise_ratio_of_the_path",
    ),
    of_paths(
        "signal-of-a-unit-1",
        "Schedule(-(self.sigma / self.alpha).square().log1p())",
        "Schedule(2 * self.alpha.minimum(1 / (1 + self.sigma)).log())",
        "a_change_of_unit_leaves_the_process",
    ),
    of_paths(
        "noise-of-unit-variance",
        "(gather(self.alpha, t), x_0), (gather(self.sigma, t), noise))",
        "(gather(self.alpha, t), x_0), ((1 - gather(self.alpha, t) ** 2).abs().sqrt(), noise))",
        "sample_is_scaled_data_plus_scaled_noise",
    ),
    of_paths(
        "velocity-toward-the-data",
        "return gather(self.alpha_dot, t), gather(self.sigma_dot, t)",
        "return -gather(self.alpha_dot, t), -gather(self.sigma_dot, t)",
        "target_is_a_linear_form_of_data_and_noise",
        name="velocity",
    ),
    of_paths(
        "score-of-the-process",
        "return zero, -1 / sigma",
        "return zero, -torch.hypot(alpha, sigma) / sigma",
        "conversion_solves_two_linear_forms",
        source="score",
        target="velocity",
    ),
    of_paths(
        "noise-where-there-is-no-signal",
        "highest = self.schedule.T - (",
        "highest = self.schedule.T - 0 * (",
        "conversion_without_signal_is_refused",
        source="eps",
    ),
    of_paths(
        "unit-at-the-end-of-the-table",
        "return gather(torch.hypot(self.alpha, self.sigma), t)",
        "return gather(torch.hypot(self.alpha, self.sigma), 0 * t + self.schedule.T)",
        "posterior_on_a_path_matches_bayes",
    ),
    of_paths(
        "unit-of-the-data",
        "return _combined((1 / self.unit(t), x))",
        "return _combined((1 / self.unit(t).clamp(max=1), x))",
        "output_distribution_is_that_of_the_path",
        sampler="ddim",
        eta=0.0,
    ),
    of_paths(
        "process-of-the-next-timestep",
        "(self.sigma / self.alpha).square().log1p()",
        "(self.sigma / self.alpha).square().log1p().mul(1.01)",
        "euler_along_the_velocity_is_ddim",
        path=TO_NOISE,
        step=(4, 3),
    ),
    of_paths(
        "rate-of-the-variance",
        "-beta * alpha / 2, beta * alpha.square() / (2 * sigma))",
        "-beta * alpha, beta * alpha.square() / sigma)",
        THREE,
        name="vp",
    ),
    of_paths(
        "noise-of-the-square",
        "cls(tau, 1 - tau, tau,",
        "cls(tau, (1 - tau**2).sqrt(), tau,",
        THREE,
        name="straight",
    ),
    of_paths(
        "timesteps-in-place-of-times",
        "tau = gather(self.path.times, times).to(x)",
        "tau = times.to(x)",
        NETWORK,
        name="velocity",
    ),
    of_paths(
        "sample-of-the-process",
        "network_output(self.network, x, tau, cond, None, 1)",
        "network_output(self.network, x_t.to(x), tau, cond, None, 1)",
        NETWORK,
        name="eps",
    ),
    of_paths(
        "sample-rounded-on-the-path",
        "x = self.path.from_process(x_t.to(compute_dtype(x_t)), t)",
        "x = self.path.from_process(x_t, t).to(compute_dtype(x_t))",
        NETWORK,
        name="velocity",
    ),
]
